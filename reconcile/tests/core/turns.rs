//! Who of a model's replicas may stop when: batches, surplus replicas, downtime, and what is blocked with which numbers.
use std::collections::BTreeMap;

use crd::{
    Fact,
    declaration::Declaration,
    kind::{Connectivity, ModelRollout},
    plan::{Plan, ReportKind, ReportReason},
    snapshot::{HardwareSnapshot, WorkerState},
    step::{Action, StepReason},
};
use reconcile::{Inputs, NodeInput, Scope, check};

use crate::{
    declare::{model, quickstart},
    properties::settle,
    simulate::{apply, plan_of},
    world::two_ultras,
};

/// `minAvailable`, `maxUnavailable`, `allowDowntime`.
pub type Numbers = (Option<u32>, Option<u32>, Option<bool>);

/// Two cards, a set on each, and a model with so many replicas.
pub fn declared(replicas: u32, numbers: Numbers) -> Declaration {
    let mut declaration = quickstart();
    let (min_available, max_unavailable, allow_downtime) = numbers;
    let spec = &mut declaration.models[0].spec;
    spec.replicas = replicas;
    spec.rollout = Some(ModelRollout {
        max_unavailable,
        min_available,
        allow_downtime,
    });
    declaration
}

/// The machine once all that runs.
pub fn running(declaration: &Declaration) -> Vec<HardwareSnapshot> {
    let mut nodes = vec![two_ultras("lab")];
    settle(declaration, &mut nodes, true).expect("it settles");
    assert_eq!(
        nodes[0].workers.len() as u32,
        declaration.models[0].spec.replicas
    );
    nodes
}

/// Another number of slots: every worker is started from another declaration.
pub fn edited(mut declaration: Declaration) -> Declaration {
    declaration.models[0].spec.serving.slots += 1;
    declaration
}

pub fn checked(declaration: &Declaration, nodes: &[HardwareSnapshot]) -> Plan {
    let plan = plan_of(declaration, nodes);
    let given: Vec<NodeInput> = nodes.iter().cloned().map(NodeInput::Read).collect();
    assert_eq!(check(&plan, declaration, &given), Vec::new());
    plan
}

/// `verb worker` of each worker step, batch by batch.
pub fn batches(plan: &Plan) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    for step in plan.nodes.iter().flat_map(|node| &node.work) {
        let (verb, id) = match &step.action {
            Action::StartWorker { worker } => ("start", &worker.id),
            Action::ReplaceWorker { worker } => ("replace", &worker.id),
            Action::StopWorker { worker } => ("stop", worker),
            _ => continue,
        };
        let batch = step.batch as usize;
        batches.resize(batches.len().max(batch + 1), Vec::new());
        let name = id.0.trim_start_matches("default/tiny-");
        batches[batch].push(format!("{verb} {name}"));
    }
    batches
}

/// What is blocked because too few would serve.
pub fn blocked(plan: &Plan) -> Vec<String> {
    let lines = plan.report.iter();
    lines
        .filter(|line| {
            line.kind == ReportKind::Blocked && line.reason == ReportReason::TooFewServing
        })
        .map(|line| format!("{}; {}", line.message, line.hint))
        .collect()
}

pub fn down(plan: &Plan) -> bool {
    let mut lines = plan.report.iter();
    lines.any(|line| line.reason == ReportReason::Downtime)
}

fn resets(plan: &Plan) -> u32 {
    plan.summary.resets
}

#[test]
fn an_edit_goes_through_the_replicas_as_the_numbers_allow() {
    // Replicas, numbers, batches, blocked lines, downtime.
    type Case<'a> = (u32, Numbers, &'a [&'a [&'a str]], usize, bool);
    let one_by_one: &[&[&str]] = &[&["replace 0"], &["replace 1"]];
    let cases: [Case<'_>; 8] = [
        // A plain single replica is stopped and started again, as it always was.
        (1, (None, None, None), &[&["replace 0"]], 0, false),
        (2, (None, None, None), one_by_one, 0, false),
        (2, (Some(1), None, None), one_by_one, 0, false),
        (
            2,
            (None, Some(2), None),
            &[&["replace 0", "replace 1"]],
            0,
            false,
        ),
        // The other card's set is free: one more serves meanwhile, whether downtime is allowed or not.
        (
            1,
            (Some(1), None, Some(true)),
            &[&["start surplus"], &["replace 0"], &["stop surplus"]],
            0,
            false,
        ),
        // Both sets are taken.
        (2, (Some(2), None, None), &[], 1, false),
        (2, (Some(2), None, Some(true)), one_by_one, 0, true),
        // More than there are: no surplus replica makes that true.
        (1, (Some(2), None, None), &[], 1, false),
    ];
    for (replicas, numbers, expected, lines, downtime) in cases {
        let before = declared(replicas, numbers);
        let mut nodes = running(&before);
        let after = edited(before);
        let plan = checked(&after, &nodes);
        assert_eq!(batches(&plan), expected, "{replicas} {numbers:?}");
        assert_eq!(blocked(&plan).len(), lines, "{replicas} {numbers:?}");
        assert_eq!(down(&plan), downtime, "{replicas} {numbers:?}");
        assert_eq!(plan.complete, lines == 0);
        settle(&after, &mut nodes, true).expect("it settles");
        let serving: Vec<&str> = nodes[0].workers.iter().map(|w| w.id.as_str()).collect();
        assert_eq!(serving.len() as u32, replicas, "{serving:?}");
    }
}

#[test]
fn turns_say_who_when_and_how_many_serve() {
    let before = declared(1, (Some(1), None, None));
    let nodes = running(&before);
    let plan = checked(&edited(before), &nodes);
    let [turns] = plan.turns.as_slice() else {
        panic!("{:?}", plan.turns);
    };
    assert_eq!((turns.replicas, turns.serving, turns.least), (1, 1, 1));
    assert!(!turns.downtime);
    let surplus = turns.surplus.clone().expect("a surplus replica");
    assert_eq!(turns.batches[0], std::slice::from_ref(&surplus));
    assert_eq!(turns.batches[2], [surplus]);
    let work = &plan.nodes[0].work;
    let start = work
        .iter()
        .find(|step| step.reason == StepReason::SurplusNeeded);
    let start = start.expect("it is started");
    let replace = work
        .iter()
        .find(|step| step.reason == StepReason::WorkerDiffers);
    assert_eq!(
        replace.expect("it is replaced").depends_on.last(),
        Some(&start.id)
    );
}

#[test]
fn a_new_replica_that_is_not_ready_stops_the_others() {
    for allow in [None, Some(true)] {
        let before = declared(2, (None, None, allow));
        let mut nodes = running(&before);
        let after = edited(before);
        let mut first = plan_of(&after, &nodes);
        first.nodes[0].work.retain(|step| step.batch == 0);
        assert!(apply(&first, &mut nodes, true).is_empty());
        let state = |nodes: &mut Vec<HardwareSnapshot>, state| nodes[0].workers[0].state = state;
        assert_eq!(nodes[0].workers[0].id.as_str(), "default/tiny-1");
        nodes[0].workers.swap(0, 1);
        // It starts: the other waits its turn.
        state(&mut nodes, WorkerState::Starting);
        let plan = checked(&after, &nodes);
        assert_eq!(batches(&plan), [vec![], vec!["replace 1".to_owned()]]);
        assert_eq!(blocked(&plan), Vec::<String>::new());
        // It ends: the other goes on as it was, with downtime allowed too.
        state(&mut nodes, WorkerState::Failed);
        let plan = checked(&after, &nodes);
        assert_eq!(batches(&plan), Vec::<Vec<String>>::new());
        let said = blocked(&plan);
        assert!(
            said[0].starts_with("default/tiny-1 goes on as it was started: 1 of 2 replicas serves")
                && said[0].contains("rollout.maxUnavailable: 1"),
            "{said:?}"
        );
        // Another edit replaces first what serves nobody.
        let again = edited(after);
        assert_eq!(
            batches(&checked(&again, &nodes)),
            [["replace 0"], ["replace 1"]]
        );
    }
}

#[test]
fn the_next_has_its_turn_as_soon_as_enough_serve_not_when_all_before_it_are_ready() {
    let mut before = declared(3, (None, Some(2), None));
    let rollout = before.models[0].spec.rollout.clone();
    before.models[0].spec = model(4, Connectivity::ThroughHost);
    before.models[0].spec.replicas = 3;
    before.models[0].spec.rollout = rollout;
    let mut nodes = running(&before);
    let after = edited(before);
    let mut first = checked(&after, &nodes);
    let expected: [&[&str]; 2] = [&["replace 0", "replace 1"], &["replace 2"]];
    assert_eq!(batches(&first), expected);
    first.nodes[0].work.retain(|step| step.batch == 0);
    assert!(apply(&first, &mut nodes, true).is_empty());
    let starting = |nodes: &mut Vec<HardwareSnapshot>, ids: &[&str]| {
        for worker in &mut nodes[0].workers {
            let starts = ids.contains(&worker.id.as_str());
            worker.state = if starts {
                WorkerState::Starting
            } else {
                WorkerState::Ready
            };
        }
    };
    // One serves, and one must.
    starting(&mut nodes, &["default/tiny-0", "default/tiny-1"]);
    let expected: [&[&str]; 2] = [&[], &["replace 2"]];
    assert_eq!(batches(&checked(&after, &nodes)), expected);
    // Two serve: one of them may stop, whatever becomes of the third.
    starting(&mut nodes, &["default/tiny-1"]);
    let plan = checked(&after, &nodes);
    assert_eq!(batches(&plan), [["replace 2"]]);
    assert_eq!(plan.turns[0].least, 1);
}

#[test]
fn fewer_replicas_and_none_are_no_rollout() {
    let before = declared(2, (Some(2), None, None));
    let nodes = running(&before);
    let fewer = declared(1, (Some(1), None, None));
    assert_eq!(batches(&checked(&fewer, &nodes)), [["stop 1"]]);
    let mut gone = before;
    gone.models.clear();
    assert_eq!(batches(&checked(&gone, &nodes)), [["stop 0", "stop 1"]]);
}

#[test]
fn replicas_that_hold_nothing_have_room_for_one_more() {
    let mut before = declared(2, (Some(2), None, None));
    let rollout = before.models[0].spec.rollout.clone();
    before.models[0].spec = model(4, Connectivity::ThroughHost);
    before.models[0].spec.replicas = 2;
    before.models[0].spec.serving.port = Some(65_534);
    before.models[0].spec.rollout = rollout;
    let nodes = running(&before);
    let plan = checked(&edited(before), &nodes);
    let expected: [&[&str]; 4] = [
        &["start surplus"],
        &["replace 0"],
        &["replace 1"],
        &["stop surplus"],
    ];
    assert_eq!(batches(&plan), expected);
    let ports = plan.nodes[0]
        .work
        .iter()
        .filter_map(|step| match &step.action {
            Action::StartWorker { worker } => Some(worker.port),
            _ => None,
        });
    // No port is left after the last one's.
    assert_eq!(ports.collect::<Vec<_>>(), [None]);
}

/// Partitioning of every SoC is off again: each set needs resets.
fn unpartitioned(nodes: &mut [HardwareSnapshot]) {
    for soc in &mut nodes[0].socs {
        soc.mdp = Fact::known(false, "test");
    }
}

#[test]
fn cards_are_reset_under_no_more_replicas_than_may_be_missing() {
    let cases: [(u32, Numbers, u32, bool); 5] = [
        (1, (None, None, None), 8, false),
        (2, (None, None, None), 4, false),
        (2, (None, Some(2), None), 8, false),
        // Nothing may stop, and there is no room.
        (2, (Some(2), None, None), 0, false),
        (2, (Some(2), None, Some(true)), 4, true),
    ];
    for (replicas, numbers, expected, downtime) in cases {
        let declaration = declared(replicas, numbers);
        let mut nodes = running(&declaration);
        unpartitioned(&mut nodes);
        let plan = checked(&declaration, &nodes);
        assert_eq!(resets(&plan), expected, "{replicas} {numbers:?}");
        assert_eq!(
            blocked(&plan).is_empty(),
            expected == 8,
            "{:?}",
            blocked(&plan)
        );
        assert_eq!(down(&plan), downtime);
        settle(&declaration, &mut nodes, true).expect("it settles");
        let off = nodes[0]
            .socs
            .iter()
            .filter(|soc| soc.mdp.get() == Some(&false));
        assert_eq!(off.count() as u32, if expected == 0 { 8 } else { 0 });
        assert_eq!(nodes[0].workers.len() as u32, replicas);
    }
}

#[test]
fn the_numbers_are_over_all_nodes() {
    let declaration = declared(4, (None, None, None));
    let mut nodes = vec![two_ultras("a"), two_ultras("b")];
    settle(&declaration, &mut nodes, true).expect("it settles");
    let counts: Vec<usize> = nodes.iter().map(|node| node.workers.len()).collect();
    assert_eq!(counts, [2, 2]);
    let plan = checked(&edited(declaration.clone()), &nodes);
    let one_by_one = [["replace 0"], ["replace 1"], ["replace 2"], ["replace 3"]];
    assert_eq!(batches(&plan), one_by_one);
    for at in 0..2 {
        unpartitioned(&mut nodes[at..=at]);
    }
    let plan = checked(&declaration, &nodes);
    assert_eq!((resets(&plan), plan.order.len()), (4, 1));
    settle(&declaration, &mut nodes, true).expect("it settles");
    let off = nodes.iter().flat_map(|node| &node.socs);
    assert_eq!(off.filter(|soc| soc.mdp.get() == Some(&false)).count(), 0);
}

#[test]
fn a_surplus_replica_serves_while_its_siblings_card_is_reset() {
    let declaration = declared(1, (Some(1), None, None));
    let mut nodes = running(&declaration);
    let held = nodes[0].workers[0].socs.clone();
    for soc in &mut nodes[0].socs {
        soc.mdp = Fact::known(!held.contains(&soc.address), "test");
    }
    let plan = checked(&declaration, &nodes);
    assert_eq!(
        (resets(&plan), batches(&plan)),
        (0, vec![vec!["start surplus".to_owned()]])
    );
    let said = blocked(&plan);
    assert!(
        said[0].contains("default/tiny-0 there would stop: 1 of 1 replica serves, and 1 must (rollout.minAvailable: 1)"),
        "{said:?}"
    );
    assert!(apply(&plan, &mut nodes, true).is_empty());
    let plan = checked(&declaration, &nodes);
    assert_eq!(resets(&plan), 4);
    assert_eq!(batches(&plan), [["start 0"], ["stop surplus"]]);
    settle(&declaration, &mut nodes, true).expect("it settles");
    assert_eq!(nodes[0].workers.len(), 1);
}

#[test]
fn cards_alone_keep_to_the_numbers_too() {
    let declaration = declared(2, (None, None, None));
    let mut nodes = running(&declaration);
    unpartitioned(&mut nodes);
    let given: Vec<NodeInput> = nodes.iter().cloned().map(NodeInput::Read).collect();
    // What is declared now cannot be built, say: workers are left as they are.
    let declaration = edited(declaration);
    let plan = reconcile::plan(&Inputs {
        declaration: &declaration,
        nodes: &given,
        models: &BTreeMap::new(),
        scope: Scope::Cards,
        unbuilt: &BTreeMap::new(),
        sources: reconcile::Sources::Any,
        failed: &BTreeMap::new(),
    });
    assert_eq!(check(&plan, &declaration, &given), Vec::new());
    assert_eq!((resets(&plan), batches(&plan).len()), (4, 0));
    assert_eq!(blocked(&plan).len(), 1);
    assert!(plan.nodes[0].work.is_empty());
}
