//! Fewer replicas than run: whoever serves stays, whatever its number, unless its port goes by that.
use std::collections::BTreeMap;

use crd::{
    snapshot::WorkerState,
    step::{Action, StepReason},
};
use reconcile::{FailedSteps, Inputs, NodeInput, Scope, Sources, plan};

use crate::turns::{batches, checked, declared, running};

/// What is planned where one replica is asked for and two ran, of which the first is in this state by now; none where it is gone.
fn one_of_two(first: Option<WorkerState>, port: Option<u16>) -> Vec<Vec<String>> {
    let mut declaration = declared(2, (Some(1), None, None));
    declaration.models[0].spec.serving.port = port;
    let mut nodes = running(&declaration);
    match first {
        Some(state) => nodes[0].workers[0].state = state,
        None => drop(nodes[0].workers.remove(0)),
    }
    declaration.models[0].spec.replicas = 1;
    batches(&checked(&declaration, &nodes))
}

#[test]
fn whoever_serves_stays_and_nobody_is_started_in_its_stead() {
    use WorkerState::{Draining, Failed, Ready, Starting};
    let none: [Vec<String>; 0] = [];
    assert_eq!(one_of_two(None, None), none);
    assert_eq!(one_of_two(Some(Ready), None), [["stop 1"]]);
    for state in [Starting, Draining, Failed] {
        assert_eq!(one_of_two(Some(state), None), [["stop 0"]], "{state:?}");
    }
}

/// Clients know a replica by its port.
#[test]
fn the_first_has_the_port_that_is_declared() {
    assert_eq!(
        one_of_two(Some(WorkerState::Ready), Some(8000)),
        [["stop 1"]]
    );
    let planned = one_of_two(None, Some(8000));
    assert!(
        planned.concat().contains(&"start 0".to_owned()),
        "{planned:?}"
    );
}

/// More are asked for again: the one that stayed is one of them.
#[test]
fn the_others_come_beside_the_one_that_stayed() {
    let mut declaration = declared(2, (Some(1), None, None));
    let mut nodes = running(&declaration);
    nodes[0].workers.remove(0);
    declaration.models[0].spec.replicas = 1;
    assert!(batches(&checked(&declaration, &nodes)).is_empty());
    declaration.models[0].spec.replicas = 2;
    assert_eq!(batches(&checked(&declaration, &nodes)), [["start 0"]]);
}

/// The second serves in the stead of the first, which nothing declares any more: not as the sets are declared, nor as they were left.
#[test]
fn the_one_that_goes_is_declared_no_more_in_every_scope() {
    let mut declaration = declared(2, (Some(1), None, None));
    let mut nodes = running(&declaration);
    nodes[0].workers[0].state = WorkerState::Failed;
    declaration.models[0].spec.replicas = 1;
    let nodes: Vec<NodeInput> = nodes.into_iter().map(NodeInput::Read).collect();
    for scope in [Scope::Everything, Scope::Kept] {
        let plan = plan(&Inputs {
            declaration: &declaration,
            nodes: &nodes,
            models: &BTreeMap::new(),
            scope,
            unbuilt: &BTreeMap::new(),
            sources: Sources::Any,
            failed: &FailedSteps::new(),
        });
        assert_eq!(batches(&plan), [["stop 0"]], "{scope:?}");
        let mut work = plan.nodes.iter().flat_map(|node| &node.work);
        let stop = work.find(|step| matches!(step.action, Action::StopWorker { .. }));
        assert_eq!(
            stop.map(|step| step.reason),
            Some(StepReason::WorkerGone),
            "{scope:?}"
        );
    }
}
