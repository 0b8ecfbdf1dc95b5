//! Sets that are cut from SoCs which a model is on: card work waits for no replica whose place it makes, and stops none that
//! does not need what it changes.
use std::collections::BTreeSet;

use crd::{kind::SpreadOver, step::Action};

use crate::{
    declare::automatic,
    properties::settle,
    simulate::apply,
    turns::{Numbers, batches, blocked, checked, declared, down, edited, running},
    world::ultras,
};

/// One card with a set of four that a model serves on; then sets of two and more replicas, in one edit.
#[test]
fn a_replica_whose_place_is_cut_from_anothers_socs_is_not_waited_for() {
    // Replicas, numbers, whether anything stops, downtime.
    let cases: [(u32, Numbers, bool, bool); 6] = [
        (2, (None, None, None), true, false),
        // More than there is room for: what has a place goes ahead.
        (3, (None, None, None), true, false),
        // One has to serve, and nothing else may: no room for a surplus replica either.
        (2, (Some(1), None, None), false, false),
        (2, (Some(1), None, Some(true)), true, true),
        (2, (Some(2), None, None), false, false),
        (2, (None, Some(2), None), true, false),
    ];
    for (replicas, numbers, stops, downtime) in cases {
        let before = declared(1, (None, None, None));
        let mut nodes = vec![ultras("lab", 1)];
        settle(&before, &mut nodes, true).expect("it settles");
        assert_eq!(nodes[0].workers.len(), 1);
        let mut after = declared(replicas, numbers);
        after.groups[0].spec = automatic(2, SpreadOver::Card, None);
        after.models[0].spec.shards = 2;
        let plan = checked(&after, &nodes);
        assert_eq!(
            blocked(&plan).is_empty(),
            stops,
            "{replicas} {numbers:?}: {:?}",
            blocked(&plan)
        );
        assert_eq!(down(&plan), downtime, "{replicas} {numbers:?}");
        settle(&after, &mut nodes, true).expect("it settles");
        let serving = nodes[0].workers.len();
        assert_eq!(serving, if stops { 2 } else { 1 }, "{replicas} {numbers:?}");
    }
}

/// Two cards: while one is cut, the other's replica serves on, and those that wait for room on it hold nobody up.
#[test]
fn cards_are_cut_one_by_one_under_replicas_that_serve() {
    let before = declared(2, (None, None, None));
    let mut nodes = running(&before);
    let mut after = declared(4, (None, None, None));
    after.groups[0].spec = automatic(2, SpreadOver::Card, None);
    after.models[0].spec.shards = 2;
    let plan = checked(&after, &nodes);
    let drained: BTreeSet<&str> = (plan.nodes[0].steps.iter())
        .filter_map(|step| match &step.action {
            Action::Drain { workers, .. } => Some(workers),
            _ => None,
        })
        .flatten()
        .map(crd::id::WorkerId::as_str)
        .collect();
    assert_eq!(drained.len(), 1, "{drained:?}");
    settle(&after, &mut nodes, true).expect("it settles");
    assert_eq!(nodes[0].workers.len(), 4);
}

/// A set over two cards, of which a model uses a part of one; then a set for each card. The ports between the cards go back
/// under whoever talks within one.
#[test]
fn a_set_that_is_split_goes_on_serving_on_its_parts() {
    for numbers in [
        (None, None, None),
        (Some(1), None, None),
        (Some(1), None, Some(true)),
    ] {
        let mut before = declared(1, numbers);
        before.groups[0].spec = automatic(8, SpreadOver::Switch, None);
        before.models[0].spec.shards = 3;
        let mut nodes = running(&before);
        let mut after = before;
        after.groups[0].spec = automatic(4, SpreadOver::Card, None);
        after.models[0].spec.shards = 4;
        settle(&after, &mut nodes, true).expect("it settles");
        let plan = checked(&after, &nodes);
        assert!(
            blocked(&plan).is_empty(),
            "{numbers:?}: {:?}",
            blocked(&plan)
        );
        let names: Vec<&str> = nodes[0].workers.iter().map(|w| w.id.as_str()).collect();
        assert_eq!(names, ["default/tiny-0"], "{numbers:?}");
        assert_eq!(nodes[0].ledger.groups.len(), 2);
        assert_eq!(nodes[0].workers[0].socs.len(), 4);
    }
}

/// Sets of one under three replicas become a single set of four, which houses one of them.
#[test]
fn sets_are_joined_under_more_replicas_than_they_then_house() {
    for allow in [None, Some(true)] {
        let mut before = declared(3, (None, None, allow));
        before.groups[0].spec = automatic(1, SpreadOver::Card, None);
        before.models[0].spec.shards = 1;
        let mut nodes = vec![ultras("lab", 1)];
        settle(&before, &mut nodes, true).expect("it settles");
        assert_eq!(nodes[0].workers.len(), 3);
        let mut after = before.clone();
        after.groups[0].spec = automatic(4, SpreadOver::Card, None);
        settle(&after, &mut nodes, true).expect("it settles");
        let plan = checked(&after, &nodes);
        let joined = nodes[0]
            .ledger
            .groups
            .iter()
            .any(|set| set.members.len() == 4);
        assert_eq!(joined, allow == Some(true), "{:#?}", blocked(&plan));
        assert_eq!(nodes[0].workers.len(), if joined { 1 } else { 2 });
    }
}

#[test]
fn downtime_goes_on_without_replicas_that_have_no_place() {
    for allow in [None, Some(true)] {
        let mut declaration = declared(2, (None, None, allow));
        let mut nodes = running(&declaration);
        // Two sets, three replicas.
        declaration.models[0].spec.replicas = 3;
        let declaration = edited(declaration);
        let plan = checked(&declaration, &nodes);
        if allow.is_none() {
            assert_eq!(batches(&plan), Vec::<Vec<String>>::new());
            assert!(blocked(&plan)[0].contains("`allowDowntime: true` let it go on"));
            continue;
        }
        assert!(down(&plan));
        assert_eq!(blocked(&plan), Vec::<String>::new());
        assert_eq!(batches(&plan), [["replace 0"], ["replace 1"]]);
        assert!(apply(&plan, &mut nodes, true).is_empty());
        assert_eq!(
            batches(&checked(&declaration, &nodes)),
            Vec::<Vec<String>>::new()
        );
    }
}
