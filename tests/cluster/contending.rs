//! Somebody else who writes the same objects all the time: relabels, edits, on stale versions and on new ones.
use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use serde_json::Value;

use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    draining::evicted,
    failing::{OBJECTS, apply, observed, rests},
    fleet::{Fleet, until},
    raw::Raw,
    rights,
};

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const KINDS: &str = "/apis/shardplane.dev/v1alpha1";

/// Our requests that the server answered with 409, by resource.
fn conflicts(plane: &ControlPlane) -> Vec<String> {
    let text = fs::read_to_string(plane.folder().join(rights::LOG)).expect("the audit is kept");
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event.pointer("/responseStatus/code") == Some(&Value::from(409)))
        .filter_map(|event| Some(event.pointer("/objectRef/resource")?.as_str()?.to_owned()))
        .collect()
}

/// Paths of every object that our controller writes; rollouts are found as they come.
fn paths(plane: &ControlPlane) -> Vec<String> {
    let plans = plane
        .kubectl(&["get", "cplan", "-o", "jsonpath={.items[*].metadata.name}"])
        .stdout;
    let plans = plans
        .split_whitespace()
        .map(|name| format!("{KINDS}/changeplans/{name}"));
    let lease =
        "/apis/coordination.k8s.io/v1/namespaces/shardplane-system/leases/shardplane-controller";
    NODES
        .iter()
        .flat_map(|node| {
            [
                format!("{KINDS}/cardnodes/{node}"),
                format!("/api/v1/nodes/{node}"),
            ]
        })
        .chain([
            format!("{KINDS}/cardpolicies/quickstart"),
            format!("{KINDS}/p2pgroups/quad"),
            lease.to_owned(),
        ])
        .chain(plans)
        .collect()
}

pub fn whoever_else_writes_only_costs_time(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &NODES);
    let raw = Raw::open(plane);
    observed(plane, &NODES);
    let over = AtomicBool::new(false);
    let written = AtomicUsize::new(0);
    let plane = &*plane;
    thread::scope(|scope| {
        // Bulk relabelling of everything, as fast as the server takes it.
        scope.spawn(|| {
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                round += 1;
                let label =
                    format!(r#"{{"metadata":{{"labels":{{"example.com/round":"{round}"}}}}}}"#);
                for path in paths(plane) {
                    if raw.patch(&path, &label) == Some(200) {
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        // An editor that saves what it read long ago: the server refuses every one.
        scope.spawn(|| {
            let stale = r#"{"metadata":{"resourceVersion":"1"},"spec":{"enforcement":"Observe"}}"#;
            let policy = format!("{KINDS}/cardpolicies/quickstart");
            while !over.load(Ordering::Relaxed) {
                let answer = raw.patch(&policy, stale);
                assert_ne!(answer, Some(200), "a stale edit was taken");
            }
        });
        let finish = scope.spawn(|| {
            apply(plane);
            ready(plane, &OBJECTS);
            all_converged(plane);
            until(
                "our controller met conflicts",
                || conflicts(plane),
                |all| !all.is_empty(),
            );
        });
        let ended = finish.join();
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
    let log = fs::read_to_string(plane.folder().join("controller-first.log"))
        .expect("a controller writes a log");
    assert!(!log.contains("leads no more"), "{log}");
    let written = written.load(Ordering::Relaxed);
    assert!(written > 100, "{written} writes are no crowd");
    for node in NODES {
        assert_eq!(fleet.resets(plane, node), [1; 4], "{node}");
    }
    assert_eq!(evicted(plane), [""; 0]);
    ready(plane, &OBJECTS);
    rests(plane, "cnode,cpol,p2pg,cplan,nodes");
    rights::suffice(plane);
}
