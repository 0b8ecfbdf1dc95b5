//! The kernel's files of a rack server: what a path under `/sys`, `/proc` or `/opt` names, and what it says.
use std::{fmt::Write, io};

use crd::{
    id::PciAddress,
    kind::rack::Access,
    snapshot::{Lockdown, PortKind},
};

use super::{
    host::{self, reaches_extended_space},
    live::{Live, iommu},
    premises, recorded,
    registers::{bars, image},
    soc_live::{Phase, SocLive},
    store::Loaded,
    world::{Function, Nature, SocPart},
};
use crd::kind::rack::Server;

/// What a path names.
#[derive(Debug)]
pub(crate) enum Entry {
    File(Vec<u8>),
    /// A file that can be written and not read.
    WriteOnly,
    Folder(Vec<String>),
    Link(String),
}

/// A server at one moment of its time.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) server: &'a Server,
    pub(crate) loaded: &'a Loaded,
    pub(crate) now: u64,
}

impl View<'_> {
    pub(crate) fn live(&self) -> &Live {
        &self.loaded.live
    }

    /// Functions on the bus now, in enumeration order.
    pub(crate) fn present(&self) -> impl Iterator<Item = (usize, &Function)> + '_ {
        self.loaded
            .world
            .functions
            .iter()
            .enumerate()
            .filter(|&(index, _)| !self.live().is_out(&self.loaded.world, index))
    }

    /// The function at an address, where it is on the bus.
    pub(crate) fn function(&self, address: PciAddress) -> Option<(usize, &Function)> {
        let &index = self.loaded.world.by_address.get(&address)?;
        if self.live().is_out(&self.loaded.world, index) {
            return None;
        }
        Some((index, &self.loaded.world.functions[index]))
    }

    /// The driver bound to a function now.
    pub(crate) fn driver<'b>(&'b self, function: &'b Function) -> Option<&'b str> {
        match self.live().drivers.get(&function.path) {
            Some(now) => now.as_deref(),
            None => function.driver.as_deref(),
        }
    }

    /// SoCs that the vendor's driver has, with their state.
    pub(crate) fn socs(&self) -> impl Iterator<Item = (usize, &Function, &SocPart, Phase)> + '_ {
        self.present().filter_map(|(index, function)| {
            let Nature::Soc(part) = &function.nature else {
                return None;
            };
            let soc = self.live().socs.get(&function.path)?;
            Some((index, function, part, soc.phase(self.now)))
        })
    }

    /// Whether the SoC shows its MHI device and accel node.
    fn has_nodes(&self, function: &Function) -> bool {
        self.driver(function) == Some("qaic")
            && self
                .live()
                .socs
                .get(&function.path)
                .is_some_and(|soc| soc.phase(self.now) != Phase::Resetting)
    }

    /// The whole configuration space of a function.
    pub(crate) fn image(&self, function: &Function) -> Vec<u8> {
        image(
            function,
            iommu(self.server),
            self.live().written.get(&function.path),
        )
    }

    pub(crate) fn is_root(&self) -> bool {
        match self
            .server
            .host
            .as_ref()
            .and_then(|host| host.access)
            .unwrap_or_default()
        {
            Access::Root => true,
            Access::Unprivileged => false,
        }
    }

    pub(crate) fn lockdown(&self) -> Lockdown {
        self.server
            .host
            .as_ref()
            .and_then(|host| host.lockdown)
            .unwrap_or_else(|| host::lockdown_at_boot(self.server))
    }

    /// The device's folder, as links below `/sys/bus` point at it.
    fn device_path(&self, index: usize) -> String {
        let world = &self.loaded.world;
        let mut chain: Vec<String> = world
            .upward(index)
            .map(|at| world.functions[at].address.to_string())
            .collect();
        chain.reverse();
        let root = world.functions[world.upward(index).last().unwrap_or(index)].address;
        format!(
            "../../../devices/pci{:04x}:{:02x}/{}",
            root.domain,
            root.bus,
            chain.join("/")
        )
    }
}

/// What `path` names; absent when there is no such thing.
pub(crate) fn entry(view: &View<'_>, path: &str) -> Option<Entry> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["sys", "bus", "pci", "devices"] => Some(Entry::Folder(sorted(
            view.present()
                .map(|(_, function)| function.address.to_string()),
        ))),
        ["sys", "bus", "pci", "devices", address, rest @ ..] => {
            let (index, function) = view.function(address.parse().ok()?)?;
            device(view, index, function, rest)
        }
        ["sys", "class", "accel"] => nodes(view).map(|nodes| {
            Entry::Folder(sorted(
                nodes.into_iter().map(|(minor, _)| format!("accel{minor}")),
            ))
        }),
        ["sys", "class", "accel", node, "device"] => {
            let minor: u32 = node.strip_prefix("accel")?.parse().ok()?;
            let (_, address) = nodes(view)?
                .into_iter()
                .find(|&(number, _)| number == minor)?;
            Some(Entry::Link(format!("../../../{address}")))
        }
        ["sys", "bus", "mhi", "devices"] => Some(Entry::Folder(sorted(
            mhi(view).into_iter().map(|(id, _)| format!("mhi{id}")),
        ))),
        ["sys", "bus", "mhi", "devices", node, rest @ ..] => {
            let id: u32 = node.strip_prefix("mhi")?.parse().ok()?;
            let index = by_mhi(view, id)?;
            let function = &view.loaded.world.functions[index];
            match rest {
                [] => Some(Entry::Link(format!("{}/{node}", view.device_path(index)))),
                ["serialnumber"] => match &function.nature {
                    Nature::Soc(part) => {
                        let untold = function
                            .recorded_soc()
                            .is_some_and(|soc| soc.serial.get().is_none());
                        if untold {
                            None
                        } else {
                            text(&format!("Serial Number: {}", part.serial))
                        }
                    }
                    Nature::Port(_) | Nature::Other => None,
                },
                ["soc_reset"] => Some(Entry::WriteOnly),
                _ => None,
            }
        }
        _ => match recorded::entry(view, &parts) {
            Some(answer) => answer.0,
            None => premises::entry(view, &parts).or_else(|| host::entry(view, &parts)),
        },
    }
}

fn device(view: &View<'_>, index: usize, function: &Function, rest: &[&str]) -> Option<Entry> {
    let driver = view.driver(function);
    if let Some(shown) = &function.shown
        && let Some(answer) = recorded::device(view, function, shown, rest)
    {
        return answer.0;
    }
    match rest {
        [] => Some(Entry::Link(view.device_path(index))),
        ["vendor"] => text(&function.vendor.to_string()),
        ["device"] => text(&function.device.to_string()),
        ["class"] => text(&format!("0x{:06x}", function.class)),
        ["numa_node"] => text(if function.address.bus < 0x80 {
            "0"
        } else {
            "1"
        }),
        ["config"] => {
            let mut bytes = view.image(function);
            bytes.truncate(config_length(view, function));
            Some(Entry::File(bytes))
        }
        ["resource"] => text(&resource(function)),
        ["driver"] => {
            driver.map(|driver| Entry::Link(format!("../../../../bus/pci/drivers/{driver}")))
        }
        ["iommu_group"] => view
            .loaded
            .world
            .groups
            .get(&index)
            .map(|group| Entry::Link(format!("../../../../kernel/iommu_groups/{group}"))),
        ["current_link_speed" | "max_link_speed"] => text("16.0 GT/s PCIe"),
        ["current_link_width" | "max_link_width"] => text(match &function.nature {
            Nature::Port(port) if !port.on_card || port.kind == PortKind::SwitchUpstream => "16",
            Nature::Port(_) | Nature::Soc(_) => "8",
            Nature::Other => "4",
        }),
        ["msi_irqs"] => premises::interrupts(view, function),
        ["accel"] => Some(Entry::Folder(vec![format!(
            "accel{}",
            minor(view, function)?
        )])),
        // The class of drivers before the accel class.
        ["qaic"] if view.has_nodes(function) && !host::has_accel_class(view.server) => {
            let soc = view.live().socs.get(&function.path)?;
            Some(Entry::Folder(vec![format!("qaic_aic100_{}", soc.accel)]))
        }
        ["accel", node, rest @ ..] => {
            let minor = minor(view, function)?;
            (*node == format!("accel{minor}")).then_some(())?;
            premises::channels(view, function, rest)
        }
        ["ce_count" | "ue_count" | "ue_nonfatal_count"] if view.has_nodes(function) => text("0"),
        ["hwmon"] if view.has_nodes(function) => Some(Entry::Folder(vec![hwmon(view, function)?])),
        ["hwmon", name, reading] if view.has_nodes(function) && *name == hwmon(view, function)? => {
            match *reading {
                // Warmer and hungrier where somebody works on it; the numbers themselves mean nothing.
                "temp2_input" => {
                    text(&(41_000 + 100 * u64::from(function.address.bus % 40)).to_string())
                }
                "power1_input" => text("18500000"),
                "power1_max" => text("75000000"),
                _ => None,
            }
        }
        _ => None,
    }
}

/// How much of its configuration space a function shows to us.
fn config_length(view: &View<'_>, function: &Function) -> usize {
    let short = view
        .live()
        .faults
        .contains(&crd::kind::rack::Fault::ShortReads(function.address));
    if short || !view.is_root() {
        64
    } else if reaches_extended_space(view.server) {
        super::registers::SIZE
    } else {
        256
    }
}

fn hwmon(view: &View<'_>, function: &Function) -> Option<String> {
    let soc = view.live().socs.get(&function.path)?;
    Some(format!("hwmon{}", 3 + soc.mhi))
}

/// The kernel's list of start, end and flags of each resource: six base address registers, then the ROM.
fn resource(function: &Function) -> String {
    let mut lines = vec![(0, 0, 0); 7];
    if let Nature::Soc(soc) = &function.nature {
        for (index, flags, start, size) in bars(function, soc) {
            // IORESOURCE_MEM 0x200, IORESOURCE_PREFETCH 0x2000, IORESOURCE_MEM_64 0x100000, and the register's own low bits.
            let kernel = if flags & 8 == 0 { 0x4_0200 } else { 0x14_220c };
            lines[usize::from(index)] = (start, start + size - 1, kernel);
        }
    }
    let mut text = String::new();
    for (start, end, flags) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "0x{start:016x} 0x{end:016x} 0x{flags:016x}");
    }
    text
}

/// Accel minors and their functions; absent where the driver has no accel class.
pub(crate) fn nodes(view: &View<'_>) -> Option<Vec<(u32, PciAddress)>> {
    host::has_accel_class(view.server).then(|| {
        view.present()
            .filter_map(|(_, function)| Some((minor(view, function)?, function.address)))
            .collect()
    })
}

/// The accel minor of a function that shows one.
fn minor(view: &View<'_>, function: &Function) -> Option<u32> {
    let soc = numbered(view, function, |soc| soc.accel.get().is_some())?;
    host::has_accel_class(view.server).then_some(soc.accel)
}

/// MHI ids and the indices of their functions.
pub(crate) fn mhi(view: &View<'_>) -> Vec<(u32, usize)> {
    let id = |function| numbered(view, function, |soc| soc.mhi.get().is_some());
    view.present()
        .filter_map(|(index, function)| Some((id(function)?.mhi, index)))
        .collect()
}

/// The function that shows an MHI id.
pub(crate) fn by_mhi(view: &View<'_>, id: u32) -> Option<usize> {
    let world = &view.loaded.world;
    let socs = view.live().socs.iter().filter(|(_, soc)| soc.mhi == id);
    let mut shown = socs.filter_map(|(path, _)| {
        let &index = world.by_path.get(path)?;
        let is_there = !view.live().is_out(world, index);
        let function = &world.functions[index];
        is_there.then_some(())?;
        numbered(view, function, |soc| soc.mhi.get().is_some())?;
        Some(index)
    });
    shown.next()
}

/// The registers of a SoC that shows its numbers. What a recording did not tell of it, it does not before a reset.
fn numbered<'a>(
    view: &'a View<'_>,
    function: &Function,
    is_told: impl Fn(&crd::snapshot::Soc) -> bool,
) -> Option<&'a SocLive> {
    let Nature::Soc(_) = &function.nature else {
        return None;
    };
    let soc = view.live().socs.get(&function.path)?;
    let told = function.recorded_soc().is_none_or(is_told) || soc.resets > 0;
    (told && view.has_nodes(function)).then_some(soc)
}

pub(crate) fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A text file as the kernel writes one.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends arms that say whether there is such a file"
)]
pub(crate) fn text(content: &str) -> Option<Entry> {
    let mut content = content.to_owned();
    if !content.ends_with('\n') {
        content.push('\n');
    }
    Some(Entry::File(content.into_bytes()))
}

/// An error as the system would number it.
pub(crate) fn errno(number: nix::errno::Errno) -> io::Error {
    io::Error::from_raw_os_error(number as i32)
}
