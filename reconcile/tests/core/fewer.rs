//! A group that asks for fewer sets than there are keeps those that are worth most.
use crd::{
    Fact,
    declaration::Declaration,
    id::PciAddress,
    kind::SpreadOver,
    plan::ReportKind,
    snapshot::{HardwareSnapshot, SocStatus},
    step::Action,
};
use reconcile::NodeInput;

use crate::{
    declare::{automatic, object, quickstart},
    simulate::{apply, plan_of},
    world::two_ultras,
};

fn declared(count: u32) -> Declaration {
    let mut declared = quickstart();
    declared.models.clear();
    let group = automatic(4, SpreadOver::Card, Some(count));
    declared.groups = vec![object("P2PGroup", "g", group)];
    declared
}

/// Two cards with a set each.
fn two_sets() -> HardwareSnapshot {
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(&declared(2), &nodes), &mut nodes, false).is_empty());
    assert_eq!(nodes[0].ledger.groups.len(), 2);
    nodes.remove(0)
}

/// Indices of the sets that a plan gives up.
fn given_up(node: &HardwareSnapshot, declared: &Declaration) -> Vec<u32> {
    let plan = plan_of(declared, std::slice::from_ref(node));
    let nodes = [NodeInput::Read(node.clone())];
    assert_eq!(reconcile::check(&plan, declared, &nodes), []);
    let steps = plan.nodes[0].steps.iter();
    let gone = steps.filter_map(|step| match &step.action {
        Action::AssignGroup { group, members } if members.is_empty() => Some(group.index),
        _ => None,
    });
    gone.collect()
}

/// Takes a SoC of the first set off the bus.
fn unplugged(mut node: HardwareSnapshot) -> HardwareSnapshot {
    let soc: PciAddress = node.ledger.groups[0].members[1].address;
    node.functions.retain(|function| function.address != soc);
    node.socs.retain(|found| found.address != soc);
    node
}

#[test]
fn the_first_stays_where_all_are_alike() {
    assert_eq!(given_up(&two_sets(), &declared(1)), [1]);
    assert_eq!(given_up(&two_sets(), &declared(2)), [0_u32; 0]);
}

#[test]
fn one_that_lost_a_soc_goes_first_and_the_other_needs_nothing() {
    let node = unplugged(two_sets());
    assert_eq!(
        given_up(&node, &declared(2)),
        [0_u32; 0],
        "nobody asked for fewer"
    );
    assert_eq!(given_up(&node, &declared(1)), [0]);
    let mut nodes = vec![node];
    let plan = plan_of(&declared(1), &nodes);
    let blocked = plan
        .report
        .iter()
        .find(|line| line.kind == ReportKind::Blocked);
    // What stood in ports of the SoC that is gone is kept for its return, and that is no goal's trouble.
    assert_eq!(blocked, None);
    assert!(apply(&plan, &mut nodes, false).is_empty());
    let again = plan_of(&declared(1), &nodes);
    assert!(!again.applyable, "{:#?}", again.nodes[0].steps);
    // Whoever wants two again has the place of the one that went.
    let back = plan_of(&declared(2), &[two_sets()]);
    assert!(!back.applyable);
}

#[test]
fn one_that_cannot_be_used_goes_before_one_that_can() {
    let mut node = two_sets();
    node.socs[2].status = Fact::known(SocStatus::Error, "test");
    assert_eq!(given_up(&node, &declared(1)), [0]);
}
