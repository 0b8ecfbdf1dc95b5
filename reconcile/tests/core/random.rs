//! Random worlds and declarations: racks of roots, switches and cards in every state that a probe can report.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    id::{BootId, PciAddress},
    kind::{
        AcsMode, AcsPolicy, CardPolicySpec, Connectivity, DeletionPolicy, DeletionRule,
        DeviceSelector, Enforcement, GroupIsolation, GroupVerification, MdpMode, Member,
        P2PGroupSpec, ResetScope, Rollout, SpreadOver, UntrustedNeighbours, VerificationMode,
    },
    snapshot::{
        Acs, FileImage, HardwareSnapshot, Holder, HolderKind, KeptSettings, Lockdown,
        OverrulingSetting, SettingsFile, SocStatus,
    },
};
use proptest::prelude::*;

use crate::{
    declare::{automatic, model, object, persistent, policy},
    world::{Builder, LINUX_ACS, acs, set_acs},
};

/// What sits in a slot of a host switch.
#[derive(Clone, Copy, Debug)]
pub enum Slot {
    Ultra,
    Pro,
    Nic,
    Vfio,
    Empty,
}

/// What hangs on a root port.
#[derive(Clone, Debug)]
pub enum Root {
    Card(Slot),
    Switch(Vec<Slot>),
}

/// A fault or a state somewhere; places count modulo what is there.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    Status(usize, usize),
    Mdp(usize, Option<bool>),
    SmallBar(usize),
    Cores(usize, u32),
    Foreign(usize),
    Word(usize, u16),
    UnknownWord(usize),
    NoAcs(usize),
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
    /// The machine boots: ACS and settings are what they were, the boot id is another.
    Reboot,
    Unplug(usize),
}

#[derive(Clone, Debug)]
pub struct World {
    pub roots: Vec<Root>,
    pub twists: Vec<Twist>,
}

pub fn build(world: &World, node: &str) -> HardwareSnapshot {
    let mut builder = Builder::new(node);
    for shape in &world.roots {
        let root = builder.root();
        match shape {
            Root::Card(slot) => fill(&mut builder, root, *slot),
            Root::Switch(slots) => {
                for (port, slot) in builder
                    .switch(root, slots.len(), 0x10b5)
                    .into_iter()
                    .zip(slots)
                {
                    fill(&mut builder, port, *slot);
                }
            }
        }
    }
    let mut snapshot = builder.build();
    for twist in &world.twists {
        apply_twist(&mut snapshot, *twist);
    }
    snapshot
}

fn fill(builder: &mut Builder, above: PciAddress, slot: Slot) {
    match slot {
        Slot::Ultra => drop(builder.ultra(above)),
        Slot::Pro => drop(builder.soc(above, "PCIe Pro")),
        Slot::Nic => drop(builder.device(above, 0x15b3, "mlx5_core")),
        Slot::Vfio => drop(builder.device(above, 0x10de, "vfio-pci")),
        Slot::Empty => {}
    }
}

pub fn apply_twist(snapshot: &mut HardwareSnapshot, twist: Twist) {
    let ports: Vec<PciAddress> = snapshot
        .functions
        .iter()
        .filter(|f| f.acs.get().is_none_or(|acs| *acs != Acs::None))
        .map(|f| f.address)
        .collect();
    let port = |at: usize| ports.get(at % ports.len().max(1)).copied();
    let socs = snapshot.socs.len().max(1);
    match twist {
        Twist::Status(at, state) => {
            if let Some(soc) = snapshot.socs.get_mut(at % socs) {
                soc.status = match state % 4 {
                    0 => Fact::known(SocStatus::Initializing, "twist"),
                    1 => Fact::known(SocStatus::Error, "twist"),
                    2 => Fact::known(SocStatus::Other("Busy".into()), "twist"),
                    _ => Fact::unknown(Unknown::ToolFailed, "twist"),
                };
            }
        }
        Twist::Mdp(at, value) => {
            if let Some(soc) = snapshot.socs.get_mut(at % socs) {
                soc.mdp = value.map_or_else(
                    || Fact::unknown(Unknown::ToolFailed, "twist"),
                    |value| Fact::known(value, "twist"),
                );
            }
        }
        Twist::SmallBar(at) => {
            let address = snapshot.socs.get(at % socs).map(|soc| soc.address);
            let function = snapshot
                .functions
                .iter_mut()
                .find(|f| Some(f.address) == address);
            for bar in function.into_iter().flat_map(|f| &mut f.bars) {
                bar.size_kib = 64;
            }
        }
        Twist::Cores(at, cores) => {
            if let Some(soc) = snapshot.socs.get_mut(at % socs) {
                soc.cores = Fact::known(cores, "twist");
                soc.cores_free = Fact::known(cores, "twist");
            }
        }
        Twist::Foreign(at) => {
            if let Some(soc) = snapshot.socs.get(at % socs) {
                snapshot.holders.push(Holder {
                    soc: soc.address,
                    kind: HolderKind::Foreign,
                    pid: Some(777),
                    name: "tenant".into(),
                });
            }
        }
        Twist::Word(at, word) => {
            if let Some(port) = port(at) {
                set_acs(snapshot, port, acs(word));
            }
        }
        Twist::UnknownWord(at) => {
            if let Some(port) = port(at) {
                set_acs(snapshot, port, Fact::unknown(Unknown::ShortRead, "twist"));
            }
        }
        Twist::NoAcs(at) => {
            if let Some(port) = port(at) {
                set_acs(snapshot, port, Fact::known(Acs::None, "twist"));
            }
        }
        Twist::Lockdown => snapshot.host.lockdown = Fact::known(Lockdown::Integrity, "twist"),
        Twist::NoQmonitor => {
            snapshot.tools.qmonitor_running = Fact::unknown(Unknown::ToolMissing, "twist");
        }
        Twist::Qmonitor => snapshot.tools.qmonitor_running = Fact::known(true, "twist"),
        Twist::OldSdk => snapshot.tools.platform_sdk = Fact::known("1.12.0".into(), "twist"),
        Twist::NoSerial(at) => {
            if let Some(soc) = snapshot.socs.get_mut(at % socs) {
                soc.serial = Fact::unknown(Unknown::NoPermission, "twist");
            }
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
        Twist::Reboot => {
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
        Twist::Unplug(at) => {
            if let Some(address) = snapshot.socs.get(at % socs).map(|soc| soc.address) {
                snapshot.socs.retain(|soc| soc.address != address);
                snapshot.functions.retain(|f| f.address != address);
            }
        }
    }
}

fn kept(snapshot: &mut HardwareSnapshot, at: usize) -> Option<&mut KeptSettings> {
    let fact = snapshot.settings.kept.get_mut(&SettingsFile::ALL[at % 2])?;
    fact.value.as_mut()
}

pub fn world() -> impl Strategy<Value = World> {
    let slot = prop_oneof![
        4 => Just(Slot::Ultra),
        2 => Just(Slot::Pro),
        1 => Just(Slot::Nic),
        1 => Just(Slot::Vfio),
        1 => Just(Slot::Empty),
    ];
    let root = prop_oneof![
        1 => slot.clone().prop_map(Root::Card),
        3 => proptest::collection::vec(slot, 1..4).prop_map(Root::Switch),
    ];
    let roots = proptest::collection::vec(root, 1..3);
    let twists = proptest::collection::vec(twist(), 0..4);
    (roots, twists).prop_map(|(roots, twists)| World { roots, twists })
}

pub fn twist() -> impl Strategy<Value = Twist> {
    let at = 0_usize..64;
    prop_oneof![
        2 => (at.clone(), 0_usize..4).prop_map(|(at, state)| Twist::Status(at, state)),
        3 => (at.clone(), proptest::option::of(any::<bool>())).prop_map(|(at, mdp)| Twist::Mdp(at, mdp)),
        1 => at.clone().prop_map(Twist::SmallBar),
        1 => (at.clone(), prop_oneof![Just(8_u32), Just(14)]).prop_map(|(at, cores)| Twist::Cores(at, cores)),
        2 => at.clone().prop_map(Twist::Foreign),
        4 => (at.clone(), 0_u16..0x80).prop_map(|(at, word)| Twist::Word(at, word)),
        1 => at.clone().prop_map(Twist::UnknownWord),
        1 => at.clone().prop_map(Twist::NoAcs),
        1 => Just(Twist::Lockdown),
        1 => Just(Twist::NoQmonitor),
        2 => Just(Twist::Qmonitor),
        1 => Just(Twist::OldSdk),
        1 => at.clone().prop_map(Twist::NoSerial),
        1 => Just(Twist::Milliseconds),
        1 => Just(Twist::NoSetting),
        1 => Just(Twist::UnknownSetting),
        1 => at.clone().prop_map(Twist::OwnText),
        1 => at.clone().prop_map(Twist::NoFolder),
        1 => at.clone().prop_map(Twist::UnreadableFile),
        2 => (at.clone(), prop_oneof![Just(2600_u64), Just(2_048_000), Just(7)]).prop_map(|(at, value)| Twist::Overruled(at, value)),
        3 => Just(Twist::Reboot),
        2 => at.prop_map(Twist::Unplug),
    ]
}

prop_compose! {
    fn any_policy()(
        mdp in proptest::option::of(prop_oneof![1 => Just(MdpMode::Enabled), 1 => Just(MdpMode::Disabled), 3 => Just(MdpMode::Groups)]),
        unmanaged in proptest::bool::weighted(0.1),
        neighbours in proptest::option::of(prop_oneof![Just(UntrustedNeighbours::Allow), Just(UntrustedNeighbours::Refuse)]),
        observe in proptest::bool::weighted(0.1),
        whole in proptest::bool::weighted(0.15),
        budget in proptest::option::weighted(0.3, 1_u32..9),
        deletion in proptest::option::of((any::<bool>(), proptest::option::of(any::<bool>()))),
        ultra_only in proptest::bool::weighted(0.2),
        settings in any::<bool>(),
        persist in proptest::bool::weighted(0.4),
    ) -> CardPolicySpec {
        let base = if persist { persistent() } else { policy() };
        CardPolicySpec {
            mdp: mdp.or(Some(MdpMode::Groups)),
            acs: Some(AcsPolicy {
                mode: if unmanaged { AcsMode::Unmanaged } else { AcsMode::Minimal },
                untrusted_neighbours: neighbours,
            }),
            enforcement: if observe { Enforcement::Observe } else { Enforcement::Enforce },
            reset_scope: whole.then_some(ResetScope::Host),
            rollout: budget.map(|budget| Rollout { max_unavailable_socs: Some(budget), ..Rollout::default() }),
            deletion_policy: deletion.map(|(revert, mdp)| DeletionPolicy {
                rule: if revert { DeletionRule::Revert } else { DeletionRule::Retain },
                mdp,
            }),
            devices: ultra_only.then(|| DeviceSelector { addresses: vec![], skus: vec!["PCIe Ultra".into()] }),
            driver: base.driver.clone().filter(|_| settings),
            host: base.host.clone().filter(|_| settings),
            ..base
        }
    }
}

prop_compose! {
    fn any_group()(
        size in prop_oneof![1 => Just(1_u32), 2 => Just(2), 4 => Just(4), 2 => Just(8)],
        per in prop_oneof![Just(SpreadOver::Card), Just(SpreadOver::Switch)],
        count in proptest::option::of(1_u32..3),
        explicit in proptest::option::weighted(0.25, proptest::collection::vec((0_u8..8, 0_u8..4), 8)),
        allow in proptest::option::weighted(0.3, any::<bool>()),
        unproven in proptest::bool::weighted(0.2),
    ) -> P2PGroupSpec {
        let base = automatic(size, per, count);
        let members = explicit.map(|places| {
            let member = |(bus, device): (u8, u8)| Member {
                address: Some(PciAddress { domain: 0, bus, device, function: 0 }),
                path: None,
                serial: None,
            };
            places.into_iter().take(size as usize).map(member).collect::<Vec<_>>()
        });
        P2PGroupSpec {
            automatic: if members.is_some() { None } else { base.automatic.clone() },
            members,
            isolation: allow.map(|allow| GroupIsolation {
                untrusted_neighbours: if allow { UntrustedNeighbours::Allow } else { UntrustedNeighbours::Refuse },
            }),
            verification: unproven.then_some(GroupVerification { mode: VerificationMode::None }),
            ..base
        }
    }
}

pub fn declaration() -> impl Strategy<Value = Declaration> {
    let policies = prop_oneof![
        1 => Just(Vec::new()),
        8 => any_policy().prop_map(|one| vec![one]),
        1 => (any_policy(), any_policy()).prop_map(|(one, other)| vec![one, other]),
    ];
    let models = (
        prop_oneof![Just(1_u32), Just(2), Just(4)],
        any::<bool>(),
        0_u32..3,
    );
    (
        policies,
        proptest::collection::vec(any_group(), 0..3),
        proptest::collection::vec(models, 0..3),
    )
        .prop_map(|(policies, groups, models)| {
            let name = |prefix: &str, at: usize| format!("{prefix}-{at}");
            Declaration {
                policies: policies
                    .into_iter()
                    .enumerate()
                    .map(|(at, spec)| object("CardPolicy", &name("policy", at), spec))
                    .collect(),
                groups: groups
                    .into_iter()
                    .enumerate()
                    .map(|(at, spec)| object("P2PGroup", &name("group", at), spec))
                    .collect(),
                builds: Vec::new(),
                models: models
                    .into_iter()
                    .enumerate()
                    .map(|(at, (shards, direct, replicas))| {
                        let connectivity = if direct {
                            Connectivity::P2P
                        } else {
                            Connectivity::ThroughHost
                        };
                        let mut spec = model(shards, connectivity);
                        spec.replicas = replicas;
                        object("ShardedModel", &name("model", at), spec)
                    })
                    .collect(),
            }
        })
}
