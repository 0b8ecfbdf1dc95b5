//! What the planner says to one thing out of the ordinary at a time.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    id::PciAddress,
    kind::{
        Connectivity, Enforcement, MdpMode, Member, P2PGroupSpec, ResetScope, Rollout, SpreadOver,
        UntrustedNeighbours,
    },
    plan::{Plan, ReportKind, ReportReason},
    snapshot::{HardwareSnapshot, Holder, HolderKind, Lockdown, SocStatus, Unread},
    step::Action,
};

use crate::{
    declare::{automatic, object, policy, quickstart},
    simulate::plan_of,
    world::{Builder, acs, set_acs, two_ultras},
};

/// What is expected of a plan.
#[derive(Default)]
struct Expected {
    blocked: Vec<ReportReason>,
    /// Words that some line must hold.
    says: Vec<&'static str>,
    /// SoCs that are reset, by index.
    resets: Option<usize>,
    clears: Option<usize>,
}

fn check(name: &str, declaration: &Declaration, snapshot: &HardwareSnapshot, expected: &Expected) {
    let plan = plan_of(declaration, std::slice::from_ref(snapshot));
    let blocked = |reason: ReportReason| {
        plan.report
            .iter()
            .any(|line| line.kind == ReportKind::Blocked && line.reason == reason)
    };
    for reason in &expected.blocked {
        assert!(
            blocked(*reason),
            "{name}: not blocked by {reason:?}: {:#?}",
            plan.report
        );
    }
    assert_eq!(
        plan.summary.blocked == 0,
        expected.blocked.is_empty(),
        "{name}: {:#?}",
        plan.report
    );
    for words in &expected.says {
        assert!(
            plan.report.iter().any(|line| line.message.contains(words)),
            "{name}: nobody says {words}: {:#?}",
            plan.report
        );
    }
    if let Some(resets) = expected.resets {
        assert_eq!(plan.summary.resets as usize, resets, "{name}");
    }
    if let Some(clears) = expected.clears {
        assert_eq!(
            count(&plan, |action| matches!(action, Action::ClearAcs { .. })),
            clears,
            "{name}"
        );
    }
}

pub fn count(plan: &Plan, is: impl Fn(&Action) -> bool) -> usize {
    plan.nodes
        .iter()
        .flat_map(|node| &node.steps)
        .filter(|step| is(&step.action))
        .count()
}

fn foreign(snapshot: &mut HardwareSnapshot, soc: usize) {
    let soc = snapshot.socs[soc].address;
    snapshot.holders.push(Holder {
        soc,
        kind: HolderKind::Foreign,
        pid: Some(4711),
        name: "vllm".into(),
        unit: None,
        container: None,
        pod: None,
    });
}

/// The downstream port above a SoC.
pub fn port_of(snapshot: &HardwareSnapshot, soc: usize) -> PciAddress {
    let soc = snapshot.socs[soc].address;
    let function = snapshot.functions.iter().find(|f| f.address == soc);
    function.and_then(|f| f.parent).expect("a SoC below a port")
}

#[test]
fn one_thing_out_of_the_ordinary() {
    type Change = fn(&mut Declaration, &mut HardwareSnapshot);
    let rows: Vec<(&str, Change, Expected)> = vec![
        (
            "nothing",
            |_, _| {},
            Expected {
                resets: Some(8),
                clears: Some(8),
                ..Expected::default()
            },
        ),
        (
            "somebody who cannot be seen may hold one",
            |_, node| {
                foreign(node, 1);
                let holder = node.holders.last_mut().unwrap();
                holder.kind = HolderKind::Unseen {
                    why: Unknown::NoPermission,
                };
                holder.pid = None;
                holder.name = "/proc/1/fd".into();
            },
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["somebody who cannot be seen (/proc/1/fd: NoPermission)"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "a device that went while it was read",
            |_, node| {
                node.unread.push(Unread {
                    path: "/sys/bus/pci/devices/0000:77:00.0/vendor".into(),
                    why: Unknown::Absent,
                });
            },
            Expected {
                says: vec!["could not be read: /sys/bus/pci/devices/0000:77:00.0/vendor (Absent)"],
                resets: Some(8),
                clears: Some(8),
                ..Expected::default()
            },
        ),
        (
            "a foreign holder",
            |_, node| foreign(node, 1),
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["pid 4711 (vllm)"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "cores in use by nobody we know",
            |_, node| node.socs[1].cores_free = Fact::known(2, "test"),
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["14 of 16 cores"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "a SoC that is Initializing",
            |_, node| node.socs[5].status = Fact::known(SocStatus::Initializing, "test"),
            Expected {
                blocked: vec![ReportReason::Initializing],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "a SoC in Error",
            |_, node| node.socs[5].status = Fact::known(SocStatus::Error, "test"),
            Expected {
                blocked: vec![ReportReason::NotReady],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "an unknown ACS word",
            |_, node| {
                let port = port_of(node, 0);
                set_acs(node, port, Fact::unknown(Unknown::ShortRead, "test"));
            },
            Expected {
                blocked: vec![ReportReason::AcsUnknown],
                clears: Some(4),
                ..Expected::default()
            },
        ),
        (
            "lockdown",
            |_, node| node.host.lockdown = Fact::known(Lockdown::Integrity, "test"),
            Expected {
                blocked: vec![ReportReason::Lockdown, ReportReason::NoFittingGroup],
                clears: Some(0),
                resets: Some(0),
                ..Expected::default()
            },
        ),
        (
            "a port that is clear already",
            |_, node| {
                let port = port_of(node, 0);
                set_acs(node, port, acs(0x0011));
            },
            Expected {
                clears: Some(7),
                ..Expected::default()
            },
        ),
        (
            "a BAR of 64 KiB",
            |_, node| {
                let soc = node.socs[0].address;
                for function in node.functions.iter_mut().filter(|f| f.address == soc) {
                    function.bars.value.as_mut().unwrap()[0].size_kib = 64;
                }
            },
            Expected {
                says: vec!["has 64 KiB"],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "a VFIO neighbour of the card's switch",
            |_, node| {
                let soc = node.socs[0].clone();
                let mut stranger = node
                    .functions
                    .iter()
                    .find(|f| f.address == soc.address)
                    .expect("there")
                    .clone();
                stranger.address.function = 1;
                stranger.path = "0000:00:01.0/00.0/00.0/00.0/00.0/00.1".into();
                stranger.driver = Fact::known("vfio-pci".into(), "test");
                node.functions.push(stranger);
            },
            Expected {
                blocked: vec![ReportReason::UntrustedNeighbour],
                says: vec!["driver vfio-pci"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "a budget below the group's size",
            |declared, _| {
                declared.policies[0].spec.rollout = Some(Rollout {
                    max_unavailable_socs: Some(3),
                    ..Rollout::default()
                });
            },
            Expected {
                blocked: vec![ReportReason::BudgetTooSmall, ReportReason::NoFittingGroup],
                resets: Some(0),
                ..Expected::default()
            },
        ),
        (
            "a budget for both groups",
            |declared, _| {
                declared.policies[0].spec.rollout = Some(Rollout {
                    max_unavailable_socs: Some(8),
                    ..Rollout::default()
                });
            },
            Expected {
                resets: Some(8),
                ..Expected::default()
            },
        ),
        (
            "resets of the whole machine",
            |declared, _| declared.policies[0].spec.reset_scope = Some(ResetScope::Host),
            Expected {
                resets: Some(8),
                says: vec!["all 8 SoCs"],
                ..Expected::default()
            },
        ),
        (
            "resets of the whole machine, and a SoC that no driver serves",
            |declared, node| {
                declared.policies[0].spec.reset_scope = Some(ResetScope::Host);
                let soc = node.socs[7].address;
                let mut functions = node.functions.iter_mut();
                let function = functions
                    .find(|f| f.address == soc)
                    .expect("the SoC's function");
                function.driver = Fact::unknown(Unknown::Absent, "test");
            },
            Expected {
                blocked: vec![ReportReason::NotReady],
                says: vec!["bound to no driver"],
                resets: Some(0),
                clears: Some(0),
            },
        ),
        (
            "observing",
            |declared, _| declared.policies[0].spec.enforcement = Enforcement::Observe,
            Expected {
                blocked: vec![],
                says: vec![
                    "Enforce would do soc.reset",
                    "Enforce would do worker.start",
                ],
                resets: Some(0),
                clears: Some(0),
            },
        ),
        (
            "two policies on every SoC",
            |declared, _| {
                declared
                    .policies
                    .push(object("CardPolicy", "other", policy()))
            },
            Expected {
                blocked: vec![ReportReason::PolicyConflict],
                says: vec![
                    "8 SoCs are matched by other too",
                    "8 SoCs are matched by cards too",
                ],
                resets: Some(0),
                clears: Some(0),
            },
        ),
        (
            "no policy",
            |declared, _| declared.policies.clear(),
            Expected {
                blocked: vec![ReportReason::NotGoverned],
                resets: Some(0),
                clears: Some(0),
                ..Expected::default()
            },
        ),
        (
            "partitioning turned off",
            |declared, _| declared.policies[0].spec.mdp = Some(MdpMode::Disabled),
            Expected {
                blocked: vec![ReportReason::MdpOff],
                resets: Some(0),
                clears: Some(0),
                ..Expected::default()
            },
        ),
        (
            "a driver that counts milliseconds",
            |_, node| {
                node.settings.driver.clear();
                node.settings
                    .driver
                    .insert("control_resp_timeout".into(), Fact::known(60_000, "test"));
            },
            Expected {
                resets: Some(8),
                ..Expected::default()
            },
        ),
        (
            "more shards than any group",
            |declared, _| declared.models[0].spec.shards = 8,
            Expected {
                blocked: vec![ReportReason::NoFittingGroup],
                resets: Some(8),
                ..Expected::default()
            },
        ),
        (
            "a member that is not there",
            |declared, _| {
                let member = |text: &str| Member {
                    address: text.parse().ok(),
                    path: None,
                    serial: None,
                };
                declared.groups[0].spec = P2PGroupSpec {
                    automatic: None,
                    members: Some(vec![member("0000:05:00.0"), member("0000:77:00.0")]),
                    ..automatic(2, SpreadOver::Card, None)
                };
            },
            Expected {
                blocked: vec![ReportReason::MemberMissing, ReportReason::NoFittingGroup],
                says: vec!["0000:77:00.0 is not on lab"],
                resets: Some(0),
                ..Expected::default()
            },
        ),
    ];
    for (name, change, expected) in rows {
        let (mut declaration, mut snapshot) = (quickstart(), two_ultras("lab"));
        change(&mut declaration, &mut snapshot);
        check(name, &declaration, &snapshot, &expected);
    }
}

#[test]
fn cards_on_their_own_root_ports_have_no_p2p() {
    let mut builder = Builder::new("lab");
    for _ in 0..8 {
        let root = builder.root();
        builder.soc(root, "PCIe Standard");
    }
    let snapshot = builder.build();
    let mut declaration = quickstart();
    declaration.groups[0].spec = automatic(4, SpreadOver::Switch, None);
    let expected = Expected {
        blocked: vec![ReportReason::NoCommonSwitch],
        clears: Some(0),
        resets: Some(0),
        ..Expected::default()
    };
    check("separate roots", &declaration, &snapshot, &expected);
    declaration.models[0].spec.connectivity = Connectivity::ThroughHost;
    declaration.groups.clear();
    let plan = plan_of(&declaration, &[snapshot]);
    assert_eq!(
        (plan.summary.blocked, plan.summary.deferred),
        (0, 1),
        "{:#?}",
        plan.report
    );
}

#[test]
fn a_stranger_on_the_host_switch_matters_only_to_groups_that_span_it() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    builder.ultra(slots[0]);
    builder.ultra(slots[1]);
    let stranger = builder.device(slots[2], 0x10de, "vfio-pci");
    let snapshot = builder.build();
    let mut declaration = quickstart();
    check(
        "inside cards",
        &declaration,
        &snapshot,
        &Expected {
            clears: Some(8),
            ..Expected::default()
        },
    );
    declaration.groups[0].spec = automatic(8, SpreadOver::Switch, None);
    let refused = Expected {
        blocked: vec![
            ReportReason::UntrustedNeighbour,
            ReportReason::NoFittingGroup,
        ],
        clears: Some(0),
        ..Expected::default()
    };
    check("across cards", &declaration, &snapshot, &refused);
    if let Some(acs) = &mut declaration.policies[0].spec.acs {
        acs.untrusted_neighbours = Some(UntrustedNeighbours::Allow);
    }
    let plan = plan_of(&declaration, &[snapshot]);
    // Four ports inside each card, and the two of the host switch that lead to them.
    assert_eq!(
        count(&plan, |action| matches!(action, Action::ClearAcs { .. })),
        10
    );
    let named = plan.nodes[0]
        .steps
        .iter()
        .filter_map(|step| step.disruption.isolation.as_ref());
    assert_eq!(
        named
            .filter(|change| change.neighbours.contains(&stranger))
            .count(),
        2
    );
}
