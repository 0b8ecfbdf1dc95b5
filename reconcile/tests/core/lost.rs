//! A SoC that left the bus in a reset of ours: no other is reset until it is back or the machine has booted, and all that needs no
//! reset goes on.
use crd::{
    Fact,
    declaration::Declaration,
    id::{BootId, MhiSerial, PciAddress},
    judgement::Judgement,
    kind::{DeletionPolicy, DeletionRule, MdpMode},
    plan::{Plan, ReportKind},
    snapshot::{HardwareSnapshot, LedgerTarget, LostSoc},
    step::Action,
};
use reconcile::{judge, lost::noted, topology::identity};

use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

/// One of a machine's SoCs, by a place and a serial that nobody has now.
pub fn lost(snapshot: &HardwareSnapshot, bus: u8) -> LostSoc {
    let mut soc = identity(&snapshot.socs[0]);
    soc.address.bus = 0xa0 + bus;
    soc.path.0 = format!("{}/lost.{bus}", soc.path.0);
    soc.serial = Some(MhiSerial(format!("0xdead{bus:04x}")));
    LostSoc {
        soc,
        boot_id: snapshot.boot_id.get().expect("known").clone(),
    }
}

/// Partitioning on every SoC: each is a goal of its own.
fn all_on() -> Declaration {
    let mut declared = quickstart();
    declared.groups.clear();
    declared.policies[0].spec.mdp = Some(MdpMode::Enabled);
    declared
}

/// The machine without a SoC, its function and whatever is said of it.
fn without(snapshot: &HardwareSnapshot, soc: PciAddress) -> HardwareSnapshot {
    let mut left = snapshot.clone();
    left.functions.retain(|function| function.address != soc);
    left.socs.retain(|found| found.address != soc);
    left
}

fn resets(plan: &Plan) -> usize {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    let resets = steps.filter(|step| matches!(step.action, Action::Reset { .. }));
    resets.count()
}

/// What is blocked by it.
fn held(plan: &Plan) -> Vec<&str> {
    let lines = plan.report.iter().filter(|line| {
        line.kind == ReportKind::Blocked && line.message.contains("no other is reset for now")
    });
    lines.map(|line| line.message.as_str()).collect()
}

#[test]
fn no_other_is_reset_and_ports_and_settings_are_as_before() {
    let node = two_ultras("lab");
    let free = plan_of(&quickstart(), std::slice::from_ref(&node));
    assert!(resets(&free) > 0 && held(&free).is_empty());
    for (name, declared) in [("a group", quickstart()), ("each for itself", all_on())] {
        let mut node = node.clone();
        let gone = lost(&node, 1);
        node.ledger.lost = vec![gone.clone()];
        let plan = plan_of(&declared, std::slice::from_ref(&node));
        assert_eq!(resets(&plan), 0, "{name}");
        let said = held(&plan);
        assert!(
            !said.is_empty()
                && said
                    .iter()
                    .all(|said| said.contains(&gone.soc.address.to_string())),
            "{name}: {:#?}",
            plan.report
        );
        assert!(!plan.complete, "{name}");
    }
}

#[test]
fn a_plan_of_before_is_void_at_its_next_reset() {
    let mut node = two_ultras("lab");
    let plan = plan_of(&all_on(), std::slice::from_ref(&node));
    let gone = lost(&node, 1);
    node.ledger.lost = vec![gone];
    let steps = plan.nodes[0].steps.iter();
    let mut seen = 0;
    for step in steps.filter(|step| matches!(step.action, Action::Reset { .. })) {
        let judged = judge(step, &node);
        assert!(matches!(judged, Judgement::Void { .. }), "{judged:?}");
        seen += 1;
    }
    assert!(seen > 1);
}

#[test]
fn it_ends_with_its_return_wherever_it_is_put_or_with_a_boot() {
    let whole = two_ultras("lab");
    let gone = whole.socs[3].address;
    let left = without(&whole, gone);
    let mut node = left.clone();
    let there = [identity(&whole.socs[3])];
    node.ledger = noted(&node.ledger, &there, &node);
    assert_eq!(node.ledger.lost.len(), 1);
    let plan = |node: &HardwareSnapshot| plan_of(&all_on(), std::slice::from_ref(node));
    assert_eq!(resets(&plan(&node)), 0);

    // Its place has nobody, and what cannot be read brings nobody back.
    let mut unread = node.clone();
    unread.unread.push(crd::snapshot::Unread {
        path: format!("/sys/bus/pci/devices/{gone}"),
        why: crd::Unknown::NoPermission,
    });
    assert_eq!(resets(&plan(&unread)), 0);

    let mut back = whole.clone();
    back.ledger = node.ledger.clone();
    assert_eq!(resets(&plan(&back)), 8);
    assert_eq!(noted(&back.ledger, &[], &back).lost, []);

    // In another slot it is known by its serial.
    let mut elsewhere = node.clone();
    let mut moved = whole.socs[3].clone();
    moved.address.bus = 0xe0;
    elsewhere.socs.push(moved);
    assert_eq!(noted(&elsewhere.ledger, &[], &elsewhere).lost, []);

    let mut booted = node;
    booted.boot_id = Fact::known(BootId("another".into()), "test");
    assert_eq!(resets(&plan(&booted)), 7);
    assert_eq!(noted(&booted.ledger, &[], &booted).lost, []);
}

/// A policy that switches all that is left is not done: whoever looks again hears of it. And what was written for the lost one is
/// kept, whatever the rule.
#[test]
fn nothing_else_to_do_is_not_as_declared_and_its_entry_stays() {
    for rule in [DeletionRule::Retain, DeletionRule::Revert] {
        let mut declared = all_on();
        declared.policies[0].spec.deletion_policy = Some(DeletionPolicy {
            rule,
            mdp: (rule == DeletionRule::Revert).then_some(true),
            revert_timeout_seconds: None,
        });
        let mut nodes = vec![two_ultras("lab")];
        assert!(apply(&plan_of(&declared, &nodes), &mut nodes, false).is_empty());
        let gone = identity(&nodes[0].socs[5]);
        let mut node = without(&nodes[0], gone.address);
        let entry = LedgerTarget::Mdp { soc: gone.address };
        let has_entry = |node: &HardwareSnapshot| {
            let entries = &mut node.ledger.entries.iter();
            entries.any(|found| found.target == entry)
        };
        node.ledger = noted(&node.ledger, &[gone], &node);
        assert!(has_entry(&node));
        let plan = plan_of(&declared, std::slice::from_ref(&node));
        assert!(!plan.complete, "{:#?}", plan.report);
        assert_eq!(held(&plan).len(), 1, "{:#?}", plan.report);
        let mut nodes = vec![node];
        assert!(apply(&plan, &mut nodes, false).is_empty());
        assert!(has_entry(&nodes[0]), "{rule:?}");
    }
}

/// What is taken back waits as well where it takes a reset.
#[test]
fn a_removal_resets_nobody_either() {
    let mut declared = all_on();
    declared.policies[0].spec.deletion_policy = Some(DeletionPolicy {
        rule: DeletionRule::Revert,
        mdp: Some(true),
        revert_timeout_seconds: None,
    });
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(&declared, &nodes), &mut nodes, false).is_empty());
    let nothing = Declaration::default();
    assert_eq!(resets(&plan_of(&nothing, &nodes)), 8);
    let gone = lost(&nodes[0], 1);
    nodes[0].ledger.lost = vec![gone];
    let plan = plan_of(&nothing, &nodes);
    assert_eq!(resets(&plan), 0);
    assert_eq!(held(&plan).len(), 1, "{:#?}", plan.report);
    assert!(!plan.complete);
}
