//! What a rack's server shows of the premises around its cards: distribution, groups, modules, interrupts, what is installed.
use crd::{kind::rack::VendorTool, snapshot::Lockdown};

use super::{
    RackServer,
    files::{Entry, View, errno, sorted, text},
    host,
    live::iommu,
    registers::Iommu,
    server::open_by,
    world::{Function, Nature},
};
use nix::errno::Errno;

use crate::{
    access::{AccessError, Depth},
    linux::failed,
};

/// The group that may open accel nodes, with the id that the vendor's images give it.
const QAIC_GROUP: u32 = 995;
/// Interrupts that the driver asks for, where an IOMMU remaps them.
const INTERRUPTS: u32 = 32;
/// A disk as the vendor recommends it: 4 TiB.
const DISK: u64 = 4 << 40;

/// What a path names, where it is about the premises.
pub(crate) fn entry(view: &View<'_>, parts: &[&str]) -> Option<Entry> {
    match parts {
        ["proc", "self", "status"] => {
            let Some(Entry::File(bytes)) = host::entry(view, parts) else {
                return None;
            };
            let (id, capabilities, groups) = if view.is_root() {
                (0, "000001ffffffffff", "0".to_owned())
            } else {
                (1000, "0000000000000000", format!("{QAIC_GROUP} 1000"))
            };
            text(&format!(
                "{}Uid:\t{id}\t{id}\t{id}\t{id}\nGid:\t{id}\t{id}\t{id}\t{id}\nGroups:\t{groups} \nCapEff:\t{capabilities}\n",
                String::from_utf8_lossy(&bytes)
            ))
        }
        ["etc", "group"] => text(&format!("root:x:0:\nqaic:x:{QAIC_GROUP}:\n")),
        ["etc", "os-release"] => text("NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"22.04\"\n"),
        ["usr", "bin"] => Some(names(&["python3", "python3.10"])),
        ["var", "lib"] => Some(names(&[])),
        ["run", "systemd", "system"] => has(view, VendorTool::SystemdRun).then(|| names(&[])),
        ["sys", "class", "iommu"] => Some(match iommu(view.server) {
            Iommu::On => names(&["dmar0"]),
            Iommu::Off => names(&[]),
        }),
        ["sys", "class", "dmi", "id", "sys_vendor"] => text("Shardplane"),
        ["sys", "class", "dmi", "id", "product_name"] => text("virtual rack"),
        ["sys", "firmware", "efi", "efivars", name] if name.starts_with("SecureBoot-") => {
            // A kernel that is locked down was started so.
            let on = u8::from(view.lockdown() != Lockdown::None);
            Some(Entry::File(vec![6, 0, 0, 0, on]))
        }
        ["sys", "module"] => Some(modules(view)),
        ["opt", "qti-aic", "firmware"] => Some(if has(view, VendorTool::QmonitorFirmware) {
            names(&["fw2_swe.json"])
        } else {
            names(&[])
        }),
        [
            "opt",
            "qti-aic",
            "test-data",
            "aic100",
            "v2",
            "qaic-compute-networks",
            "factory-workload-bin",
            rest @ ..,
        ] => match rest {
            _ if !has(view, VendorTool::P2PTest) => rest.is_empty().then(|| names(&[])),
            [] => Some(names(&["2c-p2p-bw"])),
            // That the test brings what to expect is our guess: a rack has it so that data can be compared there.
            ["2c-p2p-bw"] => Some(names(&["output.bin", "programqpc.bin"])),
            _ => None,
        },
        _ => None,
    }
}

/// DMA bridge channels of a SoC.
const CHANNELS: u32 = 16;

/// The channels of a SoC: one is taken while somebody has it open.
pub(crate) fn channels(view: &View<'_>, function: &Function, rest: &[&str]) -> Option<Entry> {
    match rest {
        [] => Some(Entry::Folder(sorted(
            (0..CHANNELS).map(|number| format!("dbc{number}_state")),
        ))),
        [file] => {
            let number: u32 = file
                .strip_prefix("dbc")?
                .strip_suffix("_state")?
                .parse()
                .ok()?;
            let held = open_by(view.live(), Depth::Files)
                .iter()
                .any(|(path, _, _)| *path == function.path);
            (number < CHANNELS).then_some(())?;
            text(if held && number == 0 { "1" } else { "0" })
        }
        [_, _, ..] => None,
    }
}

/// The interrupts of a function: as many as the driver got, a file each; none where no driver has it.
pub(crate) fn interrupts(view: &View<'_>, function: &Function) -> Option<Entry> {
    let count = match &function.nature {
        Nature::Soc(_) if view.driver(function) == Some("qaic") => match iommu(view.server) {
            Iommu::On => INTERRUPTS,
            // Without remapping the driver falls back to one.
            Iommu::Off => 1,
        },
        Nature::Soc(_) | Nature::Port(_) | Nature::Other => return None,
    };
    let first = 64 + u32::from(function.address.bus) * INTERRUPTS;
    Some(Entry::Folder(sorted(
        (first..first + count).map(|number| number.to_string()),
    )))
}

fn modules(view: &View<'_>) -> Entry {
    let bound = |name: &str| {
        let mut drivers = view
            .present()
            .filter_map(|(_, function)| view.driver(function));
        drivers.any(|driver| driver == name)
    };
    let mut there = vec!["kernel", "mhi", "qaic"];
    if has(view, VendorTool::Switchtec) {
        there.push("switchtec");
    }
    if bound("vfio-pci") {
        there.push("vfio_pci");
    }
    names(&there)
}

fn has(view: &View<'_>, tool: VendorTool) -> bool {
    host::place(view.server, tool).is_some()
}

fn names(names: &[&str]) -> Entry {
    Entry::Folder(sorted(names.iter().map(|&name| name.to_owned())))
}

impl RackServer {
    /// Where a program is found.
    pub(crate) fn locate(&self, program: &str) -> Option<String> {
        if let Some(recorded) = &self.store.server.recorded
            && program == "switchtec"
        {
            return recorded.prerequisites.as_ref()?.switchtec.value.clone();
        }
        if let Some(recorded) = &self.store.server.recorded
            && program == VendorTool::SystemdRun.name()
            && let Some(looked) = recorded.tools.missing.get(&VendorTool::SystemdRun)
            && looked != program
        {
            // It was there, and what it asks was not.
            return Some(format!("/usr/bin/{program}"));
        }
        let there = host::TOOLS
            .into_iter()
            .any(|tool| host::place(&self.store.server, tool) == Some(program));
        there.then(|| match program.strip_prefix('/') {
            Some(_) => program.to_owned(),
            None => format!("/usr/bin/{program}"),
        })
    }

    /// Size in bytes of the file system that a path lies on.
    pub(crate) fn capacity(&self, path: &str) -> Result<u64, AccessError> {
        let recorded = self.store.server.recorded.as_ref();
        let asked = recorded.and_then(|recorded| recorded.prerequisites.as_ref());
        match asked.map(|asked| asked.disk_gib.get()) {
            None => Ok(DISK),
            Some(Some(gib)) => Ok(gib << 30),
            Some(None) => Err(failed("measuring", path, errno(Errno::ENOENT))),
        }
    }
}
