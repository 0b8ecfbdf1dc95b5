//! One fault, state or trace of the past somewhere on a machine: applied to a snapshot, and drawn at random.
use crd::{
    Fact, Unknown,
    id::{BootId, GroupId, ObjectRef, PciAddress, Word},
    kind::DeletionRule,
    snapshot::{
        Acs, FileImage, GroupRecord, HardwareSnapshot, Holder, HolderKind, KeptSettings,
        LedgerEntry, LedgerTarget, Lockdown, OverrulingSetting, PciFunction, PortKind,
        SettingsFile, Soc, SocStatus, WorkerState,
    },
    step::ACS_REDIRECT_MASK,
};
use proptest::prelude::*;
use reconcile::topology::{Topology, identity};

use crate::world::{LINUX_ACS, acs, set_acs, word};

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
    NoAcs(usize),
    /// No bridge's ACS can be read, so nobody knows which of them are switches.
    Unread,
    Lockdown,
    NoQmonitor,
    Qmonitor,
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
        Twist::NoAcs(at) => set_at(snapshot, port(at), Fact::known(Acs::None, "twist")),
        Twist::FormerWord(at, before, rule) => {
            if let Some(port) = port(at) {
                former_word(snapshot, port, before, rule);
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
                entry.owners = vec![gone("P2PGroup")];
            }
        }
        Twist::FormerSet(size, index) => former_set(snapshot, size, index),
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
        | Twist::Moved(_) => of_soc(snapshot, twist),
    }
}

/// What is about one SoC.
fn of_soc(snapshot: &mut HardwareSnapshot, twist: Twist) {
    let socs = snapshot.socs.len().max(1);
    let (Twist::Status(at, _)
    | Twist::Mdp(at, _)
    | Twist::SmallBar(at)
    | Twist::Cores(at, _)
    | Twist::Foreign(at)
    | Twist::Busy(at)
    | Twist::NoSerial(at)
    | Twist::Passed(at)
    | Twist::Beside(at)
    | Twist::FormerMdp(at, _)
    | Twist::Moved(at)) = twist
    else {
        return;
    };
    let HardwareSnapshot {
        functions,
        socs: there,
        holders,
        ledger,
        boot_id,
        ..
    } = snapshot;
    let Some(soc) = there.get_mut(at % socs) else {
        return;
    };
    let function = functions.iter_mut().find(|f| f.address == soc.address);
    match twist {
        Twist::Status(_, state) => {
            soc.status = match state % 4 {
                0 => Fact::known(SocStatus::Initializing, "twist"),
                1 => Fact::known(SocStatus::Error, "twist"),
                2 => Fact::known(SocStatus::Other("Busy".into()), "twist"),
                _ => Fact::unknown(Unknown::ToolFailed, "twist"),
            };
        }
        Twist::Mdp(_, value) => {
            soc.mdp = value.map_or_else(
                || Fact::unknown(Unknown::ToolFailed, "twist"),
                |value| Fact::known(value, "twist"),
            );
        }
        Twist::SmallBar(_) => {
            for bar in function
                .into_iter()
                .filter_map(|f| f.bars.value.as_mut())
                .flatten()
            {
                bar.size_kib = 64;
            }
        }
        Twist::Cores(_, cores) => {
            soc.cores = Fact::known(cores, "twist");
            soc.cores_free = Fact::known(cores, "twist");
        }
        Twist::Busy(_) => soc.cores_free = Fact::known(2, "twist"),
        Twist::Foreign(_) => holders.push(Holder {
            soc: soc.address,
            kind: HolderKind::Foreign,
            pid: Some(777),
            name: "tenant".into(),
            unit: Some("tenant-a.service".into()),
            container: Some("tenant-b".into()),
            pod: Some("tenant-c".into()),
        }),
        Twist::NoSerial(_) => soc.serial = Fact::unknown(Unknown::NoPermission, "twist"),
        Twist::Passed(_) => {
            if let Some(function) = function {
                function.driver = Fact::known("vfio-pci".into(), "twist");
            }
        }
        Twist::Moved(_) => soc.path = crd::id::PciPath(format!("{}/0f.0", soc.path)),
        Twist::FormerMdp(_, deletion) => ledger.entries.push(LedgerEntry {
            target: LedgerTarget::Mdp { soc: soc.address },
            owners: vec![gone("CardPolicy")],
            deletion,
            pre_image: "false".into(),
            written: "true".into(),
            boot_id: boot_id.get().cloned().unwrap_or(BootId(String::new())),
        }),
        Twist::Beside(_) => {
            let beside = function.map(|function| stranger(function));
            if let Some(beside) =
                beside.filter(|f| functions.iter().all(|g| g.address != f.address))
            {
                functions.push(beside);
            }
        }
        _ => {}
    }
    one_entry_each(snapshot);
}

/// A second function of a SoC's device, bound to VFIO.
fn stranger(function: &PciFunction) -> PciFunction {
    let mut beside = function.clone();
    beside.address.device = 1;
    beside.path = crd::id::PciPath(format!("{}x", function.path));
    beside.vendor = Word(0x10de);
    beside.driver = Fact::known("vfio-pci".into(), "twist");
    beside
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

fn gone(kind: &str) -> ObjectRef {
    ObjectRef {
        kind: kind.into(),
        namespace: None,
        name: "gone".into(),
    }
}

fn former_word(
    snapshot: &mut HardwareSnapshot,
    port: PciAddress,
    before: u16,
    deletion: DeletionRule,
) {
    let Some(now) = word(snapshot, port) else {
        return;
    };
    let path = snapshot.functions.iter().find(|f| f.address == port);
    let Some(path) = path.map(|function| function.path.clone()) else {
        return;
    };
    snapshot.ledger.entries.push(LedgerEntry {
        target: LedgerTarget::Acs { port, path },
        owners: vec![gone("P2PGroup")],
        deletion,
        // Only redirect bits are ever ours.
        pre_image: Word((now & !ACS_REDIRECT_MASK) | (before & ACS_REDIRECT_MASK)).to_string(),
        written: Word(now).to_string(),
        boot_id: reconcile::view::boot_id(snapshot),
    });
    one_entry_each(snapshot);
}

fn former_set(snapshot: &mut HardwareSnapshot, size: usize, index: usize) {
    // No set spans two switches: it could never have been formed.
    let topology = Topology::of(snapshot);
    let domain = |soc: &Soc| topology.domain(soc.address);
    let first = snapshot.socs.first().and_then(domain);
    let beside = snapshot.socs.iter().filter(|soc| domain(soc) == first);
    let members: Vec<_> = beside.take(size).map(identity).collect();
    let group = GroupId {
        name: format!("group-{}", index % 4),
        index: 0,
        node: snapshot.metadata.name.clone(),
    };
    let known = snapshot
        .ledger
        .groups
        .iter()
        .any(|record| record.group == group);
    if members.is_empty() || known || first.is_none() {
        return;
    }
    snapshot.ledger.groups.push(GroupRecord {
        group,
        members,
        verification: None,
    });
    snapshot.ledger.groups.sort_by(|a, b| a.group.cmp(&b.group));
}

/// A ledger has one entry for each register; the first one stays, as it does when a step writes again.
fn one_entry_each(snapshot: &mut HardwareSnapshot) {
    let entries = &mut snapshot.ledger.entries;
    entries.sort_by(|a, b| a.target.cmp(&b.target));
    entries.dedup_by(|a, b| a.target == b.target);
}

pub fn twist() -> BoxedStrategy<Twist> {
    let at = 0_usize..64;
    let rule = || prop_oneof![Just(DeletionRule::Revert), Just(DeletionRule::Retain)];
    // Open, kept apart by one bit alone, and anything.
    let control = || {
        prop_oneof![
            2 => Just(0x0011_u16), 1 => Just(0x0015), 1 => Just(0x0019), 2 => Just(0x0031), 1 => Just(0x003d),
            2 => 0_u16..0x80,
        ]
    };
    let states = prop_oneof![
        2 => (at.clone(), 0_usize..4).prop_map(|(at, state)| Twist::Status(at, state)),
        3 => (at.clone(), proptest::option::of(any::<bool>())).prop_map(|(at, mdp)| Twist::Mdp(at, mdp)),
        1 => at.clone().prop_map(Twist::SmallBar),
        1 => (at.clone(), prop_oneof![Just(8_u32), Just(14)]).prop_map(|(at, cores)| Twist::Cores(at, cores)),
        2 => at.clone().prop_map(Twist::Foreign),
        1 => at.clone().prop_map(Twist::Busy),
        5 => (at.clone(), control()).prop_map(|(at, word)| Twist::Word(at, word)),
        1 => at.clone().prop_map(Twist::UnknownWord),
        2 => at.clone().prop_map(Twist::NoAcs),
        2 => at.clone().prop_map(Twist::Unplug),
        1 => at.clone().prop_map(Twist::Passed),
        1 => at.clone().prop_map(Twist::Beside),
        1 => at.clone().prop_map(Twist::NoSerial),
    ];
    let machine = prop_oneof![
        2 => Just(Twist::Lockdown),
        2 => Just(Twist::NoQmonitor),
        4 => Just(Twist::Qmonitor),
        2 => Just(Twist::OldSdk),
        2 => Just(Twist::Milliseconds),
        2 => Just(Twist::NoSetting),
        2 => Just(Twist::UnknownSetting),
        1 => at.clone().prop_map(Twist::OwnText),
        1 => at.clone().prop_map(Twist::NoFolder),
        1 => at.clone().prop_map(Twist::UnreadableFile),
        2 => (at.clone(), prop_oneof![Just(2600_u64), Just(2_048_000), Just(7)]).prop_map(|(at, value)| Twist::Overruled(at, value)),
        1 => Just(Twist::NoWorkerTool),
        1 => Just(Twist::Unread),
        6 => Just(Twist::Reboot),
    ];
    let past = prop_oneof![
        4 => (at.clone(), control(), rule()).prop_map(|(at, word, rule)| Twist::FormerWord(at, word, rule)),
        2 => (at.clone(), rule()).prop_map(|(at, rule)| Twist::FormerMdp(at, rule)),
        2 => Just(Twist::FormerOwners),
        2 => (1_usize..9, 0_usize..4).prop_map(|(size, index)| Twist::FormerSet(size, index)),
        1 => at.prop_map(Twist::Moved),
    ];
    let workers = (
        0_usize..8,
        prop_oneof![
            Just(WorkerState::Starting),
            Just(WorkerState::Draining),
            Just(WorkerState::Failed)
        ],
    )
        .prop_map(|(at, state)| Twist::Worker(at, state));
    prop_oneof![22 => states.boxed(), 10 => machine.boxed(), 8 => past.boxed(), 5 => workers.boxed()].boxed()
}
