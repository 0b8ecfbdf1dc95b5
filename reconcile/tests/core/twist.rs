//! One fault, state or trace of the past somewhere on a machine, applied to a snapshot.
mod draw;
mod past;
mod silence;
mod soc;

use crd::{
    Fact, Unknown,
    id::{BootId, PciAddress},
    kind::{DeletionRule, rack::VendorTool},
    snapshot::{
        Acs, FileImage, HardwareSnapshot, KeptSettings, Lockdown, OverrulingSetting, PortKind,
        SettingsFile, WorkerState,
    },
};

pub use draw::twist;

use crate::world::{LINUX_ACS, acs, set_acs};

/// A fault or a state somewhere; places count modulo what is there.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    Status(usize, usize),
    Mdp(usize, Option<bool>),
    SmallBar(usize),
    Cores(usize, u32),
    Foreign(usize),
    /// Cores in use by nobody that can be seen.
    Busy(usize),
    Word(usize, u16),
    UnknownWord(usize),
    /// A function's ACS cannot be read; what it is, is known.
    UnknownAcs(usize),
    /// A port's registers cannot be read, as versions of the probe wrote it that knew no better.
    SilentPort(usize),
    /// The same, as what it is without a word of it being a bridge.
    SilentFunction(usize),
    /// Ports that were silent are read again.
    Heard,
    /// A port implements these bits alone.
    Capability(usize, u16),
    NoAcs(usize),
    /// No bridge's ACS can be read, so nobody knows which of them are switches.
    Unread,
    Lockdown,
    NoQmonitor,
    Qmonitor,
    /// One of the tools that steps call is not installed.
    Lacking(usize),
    OldSdk,
    NoSerial(usize),
    Milliseconds,
    NoSetting,
    UnknownSetting,
    /// Somebody's text, or an older one of ours, at a settings file's place.
    OwnText(usize),
    NoFolder(usize),
    UnreadableFile(usize),
    /// Another file sets a setting after ours.
    Overruled(usize, u64),
    NoWorkerTool,
    /// The machine boots: ACS and settings are what they were, the boot id is another.
    Reboot,
    Unplug(usize),
    /// A SoC is given to a virtual machine.
    Passed(usize),
    /// A device bound to VFIO joins the slot of a SoC.
    Beside(usize),
    /// The ledger says that a port once read so, for a group that nothing declares any more.
    FormerWord(usize, u16, DeletionRule),
    /// The ledger says that a SoC's partitioning was switched, for a policy that nothing declares any more.
    FormerMdp(usize, DeletionRule),
    /// Every ledger entry was made for somebody else.
    FormerOwners,
    /// The ledger remembers a set of this many SoCs, of a group that may be declared.
    FormerSet(usize, usize),
    /// A SoC is found at another place than before.
    Moved(usize),
    /// A worker is not ready.
    Worker(usize, WorkerState),
}

pub fn apply_twist(snapshot: &mut HardwareSnapshot, twist: Twist) {
    let ports: Vec<PciAddress> = snapshot
        .functions
        .iter()
        .filter(|f| matches!(f.port, Some(PortKind::Root | PortKind::SwitchDownstream)))
        .map(|f| f.address)
        .collect();
    let port = |at: usize| ports.get(at % ports.len().max(1)).copied();
    let socs = snapshot.socs.len().max(1);
    match twist {
        Twist::Word(at, word) => set_at(snapshot, port(at), acs(word)),
        Twist::UnknownWord(at) => {
            set_at(
                snapshot,
                port(at),
                Fact::unknown(Unknown::ShortRead, "twist"),
            );
        }
        Twist::UnknownAcs(_)
        | Twist::SilentPort(_)
        | Twist::SilentFunction(_)
        | Twist::Heard
        | Twist::Capability(..) => silence::of_port(snapshot, twist),
        Twist::NoAcs(at) => set_at(snapshot, port(at), Fact::known(Acs::None, "twist")),
        Twist::FormerWord(at, before, rule) => {
            if let Some(port) = port(at) {
                past::former_word(snapshot, port, before, rule);
            }
        }
        Twist::Unread => {
            for function in snapshot.functions.iter_mut().filter(|f| f.port.is_some()) {
                function.port = Some(PortKind::Bridge);
                function.acs = Fact::unknown(Unknown::ShortRead, "twist");
            }
        }
        Twist::Unplug(at) => {
            if let Some(address) = snapshot.socs.get(at % socs).map(|soc| soc.address) {
                snapshot.socs.retain(|soc| soc.address != address);
                snapshot.functions.retain(|f| f.address != address);
            }
        }
        Twist::Reboot => reboot(snapshot),
        Twist::Lockdown => snapshot.host.lockdown = Fact::known(Lockdown::Integrity, "twist"),
        Twist::NoQmonitor => {
            snapshot.tools.qmonitor_running = Fact::unknown(Unknown::ToolMissing, "twist");
        }
        Twist::Qmonitor => snapshot.tools.qmonitor_running = Fact::known(true, "twist"),
        Twist::Lacking(at) => {
            const CALLED: [VendorTool; 6] = [
                VendorTool::QaicMonitorJson,
                VendorTool::QaicMonitorGrpcServer,
                VendorTool::QmonitorFirmware,
                VendorTool::QaicRunner,
                VendorTool::SystemdRun,
                VendorTool::P2PTest,
            ];
            match CALLED.get(at % (CALLED.len() + 1)) {
                Some(tool) => {
                    snapshot.tools.missing.insert(*tool, "twist".to_owned());
                }
                None => snapshot.tools.qmonitor_masked = Some("twist".to_owned()),
            }
        }
        Twist::OldSdk => snapshot.tools.platform_sdk = Fact::known("1.12.0".into(), "twist"),
        Twist::NoWorkerTool => {
            snapshot.tools.worker = Fact::unknown(Unknown::ToolMissing, "twist");
        }
        Twist::Milliseconds => {
            snapshot.settings.driver.clear();
            let name = "control_resp_timeout".to_owned();
            snapshot
                .settings
                .driver
                .insert(name, Fact::known(60_000, "twist"));
        }
        Twist::NoSetting => snapshot.settings.sysctl.clear(),
        Twist::UnknownSetting => {
            for fact in snapshot.settings.sysctl.values_mut() {
                *fact = Fact::unknown(Unknown::NoPermission, "twist");
            }
        }
        Twist::OwnText(at) => {
            if let Some(kept) = kept(snapshot, at) {
                kept.image = FileImage::Text("vm.max_map_count = 70000\n".into());
            }
        }
        Twist::NoFolder(at) => {
            snapshot.settings.kept.remove(&SettingsFile::ALL[at % 2]);
        }
        Twist::UnreadableFile(at) => {
            let file = SettingsFile::ALL[at % 2];
            let fact = Fact::unknown(Unknown::Malformed, file.path());
            snapshot.settings.kept.insert(file, fact);
        }
        Twist::Overruled(at, value) => {
            let name = ["control_resp_timeout_s", "vm.max_map_count"][at % 2];
            if let Some(kept) = kept(snapshot, at) {
                kept.overruled.push(OverrulingSetting {
                    name: name.into(),
                    value: value.to_string(),
                    by: "/etc/sysctl.d/99-local.conf".into(),
                });
            }
        }
        Twist::FormerOwners => {
            for entry in &mut snapshot.ledger.entries {
                entry.owners = vec![past::gone("P2PGroup")];
            }
        }
        Twist::FormerSet(size, index) => past::former_set(snapshot, size, index),
        Twist::Worker(at, state) => {
            let count = snapshot.workers.len().max(1);
            if let Some(worker) = snapshot.workers.get_mut(at % count) {
                worker.state = state;
            }
        }
        Twist::Status(..)
        | Twist::Mdp(..)
        | Twist::SmallBar(_)
        | Twist::Cores(..)
        | Twist::Foreign(_)
        | Twist::Busy(_)
        | Twist::NoSerial(_)
        | Twist::Passed(_)
        | Twist::Beside(_)
        | Twist::FormerMdp(..)
        | Twist::Moved(_) => soc::of_soc(snapshot, twist),
    }
}

fn set_at(snapshot: &mut HardwareSnapshot, port: Option<PciAddress>, acs: Fact<Acs>) {
    if let Some(port) = port {
        set_acs(snapshot, port, acs);
    }
}

fn reboot(snapshot: &mut HardwareSnapshot) {
    snapshot.boot_id = Fact::known(BootId("boot-2".into()), "twist");
    for function in &mut snapshot.functions {
        if let Some(Acs::Present { control, .. }) = function.acs.value.as_mut() {
            control.0 = LINUX_ACS;
        }
    }
    for fact in snapshot.settings.driver.values_mut() {
        *fact = Fact::known(60, "twist");
    }
    crate::kept::boot(snapshot);
    snapshot.workers.clear();
    snapshot.holders.clear();
}

fn kept(snapshot: &mut HardwareSnapshot, at: usize) -> Option<&mut KeptSettings> {
    let fact = snapshot.settings.kept.get_mut(&SettingsFile::ALL[at % 2])?;
    fact.value.as_mut()
}
