//! Every step of a run that can be undone is undone by its compensation, in reverse order, to the same words.
use crd::{declaration::Declaration, id::BootId, judgement::Judgement};
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
