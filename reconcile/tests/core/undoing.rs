//! Every step of a run that can be undone is undone by its compensation, in reverse order, to the same words.
use crd::{
    declaration::Declaration,
    id::{BootId, PciAddress},
    judgement::Judgement,
    plan::ReportReason,
    snapshot::{HardwareSnapshot, LedgerTarget, PciFunction},
};
use reconcile::{compensation, judge, ledger};

use crate::{
    declare::quickstart,
    properties::settle,
    simulate::{carry_out_one, plan_of},
    world::{two_ultras, word},
};

#[test]
fn compensations_bring_back_words_settings_and_ledger() {
    let mut node = two_ultras("lab");
    let before = node.clone();
    let plan = plan_of(&quickstart(), std::slice::from_ref(&node));
    let mut undo = Vec::new();
    // A run that fails before it has asked for any partitioning: ACS of the first card is relaxed.
    for step in plan.nodes[0]
        .steps
        .iter()
        .take_while(|step| !step.id.0.contains("qmonitor"))
    {
        let known = node.ledger.clone();
        carry_out_one(step, &mut node);
        node.ledger = ledger::after(&node.ledger, step, &node);
        undo.extend(compensation(step, &known));
    }
    assert_eq!(node.ledger.entries.len(), 4);
    for step in undo.iter().rev() {
        assert_eq!(judge(step, &node), Judgement::Ready, "{step:#?}");
        carry_out_one(step, &mut node);
        node.ledger = ledger::after(&node.ledger, step, &node);
    }
    for function in &before.functions {
        assert_eq!(
            word(&node, function.address),
            word(&before, function.address)
        );
    }
    assert_eq!(node.ledger, before.ledger);
}

/// The boot could not be read while a port was written: what was written is no less ours.
#[test]
fn what_was_written_in_a_boot_that_is_not_known_is_restored() {
    let mut nodes = vec![two_ultras("lab")];
    let before = nodes[0].clone();
    settle(&quickstart(), &mut nodes, true).expect("it settles");
    for entry in &mut nodes[0].ledger.entries {
        entry.boot_id = BootId(String::new());
    }
    settle(&Declaration::default(), &mut nodes, true).expect("it settles");
    for function in &before.functions {
        assert_eq!(
            word(&nodes[0], function.address),
            word(&before, function.address)
        );
    }
}

/// A card that was taken off the bus, and not out of its slot, keeps its words: they are not forgotten before a boot.
#[test]
fn what_is_off_the_bus_is_restored_when_it_is_back() {
    let mut nodes = vec![two_ultras("lab")];
    let before = nodes[0].clone();
    settle(&quickstart(), &mut nodes, true).expect("it settles");
    let there = nodes[0].clone();
    let port = there
        .ledger
        .entries
        .iter()
        .find_map(|entry| match &entry.target {
            LedgerTarget::Acs { port, path: _ } => Some(*port),
            _ => None,
        });
    let port = port.expect("a port was relaxed");
    let path = &there
        .functions
        .iter()
        .find(|f| f.address == port)
        .unwrap()
        .path;
    let is_below = |function: &PciFunction| function.path.0.starts_with(&path.0);
    let gone: Vec<PciAddress> = there
        .functions
        .iter()
        .filter(|f| is_below(f))
        .map(|f| f.address)
        .collect();
    nodes[0]
        .functions
        .retain(|function| !gone.contains(&function.address));
    nodes[0].socs.retain(|soc| !gone.contains(&soc.address));
    nodes[0].holders.clear();
    nodes[0].workers.clear();
    settle(&Declaration::default(), &mut nodes, true).expect("it settles");
    let plan = plan_of(&Declaration::default(), &nodes);
    let said = plan
        .report
        .iter()
        .find(|line| line.reason == ReportReason::MemberMissing);
    assert!(
        said.is_some_and(|line| line.message.contains("is not on the bus")),
        "{:#?}",
        plan.report
    );
    let word_of = |nodes: &[HardwareSnapshot], address| word(&nodes[0], address);
    // Back, as it was left.
    for function in &there.functions {
        if gone.contains(&function.address) {
            nodes[0].functions.push(function.clone());
        }
    }
    nodes[0].functions.sort_by_key(|function| function.address);
    nodes[0].socs.extend(
        there
            .socs
            .iter()
            .filter(|soc| gone.contains(&soc.address))
            .cloned(),
    );
    nodes[0].socs.sort_by_key(|soc| soc.address);
    settle(&Declaration::default(), &mut nodes, true).expect("it settles");
    for function in &before.functions {
        assert_eq!(
            word_of(&nodes, function.address),
            word(&before, function.address)
        );
    }
}
