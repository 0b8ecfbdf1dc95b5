//! An edit of `serving.port` that moves replicas to where siblings listen.
use crd::{kind::Connectivity, snapshot::WorkerState};

use crate::{
    declare::model,
    properties::settle,
    turns::{Numbers, batches, checked, declared, running},
};

#[test]
fn a_replica_comes_after_the_sibling_that_has_its_port() {
    type Case<'a> = ((u32, u16), (u32, u16), Numbers, &'a [&'a [&'a str]]);
    let none = (None, None, None);
    let cases: [Case<'_>; 7] = [
        ((2, 100), (2, 101), none, &[&["replace 1"], &["replace 0"]]),
        ((2, 101), (2, 100), none, &[&["replace 0"], &["replace 1"]]),
        (
            (3, 100),
            (3, 101),
            (None, Some(3), None),
            &[&["replace 2"], &["replace 1"], &["replace 0"]],
        ),
        // Far enough away nobody is in the way.
        (
            (2, 100),
            (2, 102),
            (None, Some(2), None),
            &[&["replace 0", "replace 1"]],
        ),
        (
            (3, 100),
            (2, 101),
            none,
            &[&["stop 2", "replace 1"], &["replace 0"]],
        ),
        // Nobody waits for one that cannot be there before another has gone.
        ((1, 101), (2, 100), none, &[&["replace 0"], &["start 1"]]),
        (
            (2, 101),
            (2, 100),
            (Some(2), None, None),
            &[
                &["start surplus"],
                &["replace 0"],
                &["replace 1"],
                &["stop surplus"],
            ],
        ),
    ];
    for ((replicas, port), (then, to), numbers, expected) in cases {
        let mut before = declared(replicas, numbers);
        let rollout = before.models[0].spec.rollout.clone();
        before.models[0].spec = model(4, Connectivity::ThroughHost);
        before.models[0].spec.replicas = replicas;
        before.models[0].spec.rollout = rollout;
        before.models[0].spec.serving.port = Some(port);
        let mut nodes = running(&before);
        let mut after = before;
        after.models[0].spec.replicas = then;
        after.models[0].spec.serving.port = Some(to);
        let plan = checked(&after, &nodes);
        assert_eq!(batches(&plan), expected, "{replicas} {port} -> {then} {to}");
        settle(&after, &mut nodes, true).expect("it settles");
        assert_eq!(nodes[0].workers.len() as u32, then);
    }
}

#[test]
fn a_replica_that_was_started_too_early_holds_its_sibling_up_no_longer() {
    let mut declaration = declared(2, (None, None, None));
    declaration.models[0].spec = model(4, Connectivity::ThroughHost);
    declaration.models[0].spec.replicas = 2;
    declaration.models[0].spec.serving.port = Some(100);
    let mut nodes = running(&declaration);
    let old = nodes[0].workers[1].clone();
    declaration.models[0].spec.serving.port = Some(101);
    settle(&declaration, &mut nodes, true).expect("it settles");
    // Its sibling still listens where the other was to.
    assert_eq!(old.id.as_str(), "default/tiny-1");
    let workers = &mut nodes[0].workers;
    workers.retain(|worker| worker.id != old.id);
    workers[0].state = WorkerState::Failed;
    workers.push(old);
    assert_eq!(batches(&checked(&declaration, &nodes)), [["replace 1"]]);
}
