//! Everything of ours deleted at once, in the middle of the work and after it: every node ends as it was found.
use std::collections::BTreeMap;

use crate::{
    control_plane::ControlPlane,
    converging::ready,
    draining::evicted,
    failing::{OBJECTS, apply, observed},
    fleet::{Fleet, until},
    rights,
};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Deletes every object of every kind of ours, as one command does.
fn prune(plane: &ControlPlane) {
    plane
        .kubectl(&["delete", "shardplane", "--all", "--wait=false"])
        .expected();
}

fn words(fleet: &Fleet, plane: &ControlPlane) -> [BTreeMap<String, String>; 3] {
    NODES.map(|node| fleet.acs(plane, node))
}

pub fn all_that_is_declared_may_go_at_once(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &NODES);
    let before = words(&fleet, plane);
    observed(plane, &NODES);
    apply(plane);
    until(
        "a register is written",
        || words(&fleet, plane),
        |now| *now != before,
    );
    prune(plane);
    until(
        "ACS words after a deletion in the middle of the work",
        || words(&fleet, plane),
        |now| *now == before,
    );

    apply(plane);
    ready(plane, &OBJECTS);
    assert_ne!(words(&fleet, plane), before);
    prune(plane);
    until(
        "ACS words after the deletion",
        || words(&fleet, plane),
        |now| *now == before,
    );
    until(
        "nothing is granted any more",
        || {
            let path = "jsonpath={.items[*].spec.grant.digest}";
            plane.kubectl(&["get", "cnode", "-o", path]).expected()
        },
        String::is_empty,
    );
    for node in NODES {
        assert_eq!(fleet.resets(plane, node), [1; 4], "{node}");
    }
    assert_eq!(evicted(plane), [""; 0]);
    rights::suffice(plane);
}
