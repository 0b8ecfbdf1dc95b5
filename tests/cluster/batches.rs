//! A rollout in batches: the second begins when the first has ended.
use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    failing::{OBJECTS, observed, reset_once},
    fleet::{Fleet, policy_with, until},
    lease::renewed,
};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

pub fn a_batch_begins_when_the_one_before_has_ended(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &NODES);
    observed(plane, &NODES);
    // Nobody is there to end what the first batch is granted.
    fleet.kill_agent("n1");
    let batches = "maxUnavailableNodes: 3\n    batches: [1]";
    let file = policy_with(plane, "maxUnavailableNodes: 2", batches);
    let file = file.display().to_string();
    let group = "examples/quickstart/cluster/group.yaml";
    plane
        .kubectl(&["apply", "--server-side", "-f", group, "-f", &file])
        .expected();
    let granted = || {
        let path = "jsonpath={range .items[?(@.spec.grant)]}{.metadata.name} {end}";
        plane.kubectl(&["get", "cnode", "-o", path]).expected()
    };
    until("the first batch has a grant", granted, |now| {
        !now.is_empty()
    });
    renewed(plane, 3);
    assert_eq!(granted(), "n1 ");
    fleet.start_agent(plane, "n1");
    ready(plane, &OBJECTS);
    all_converged(plane);
    for node in NODES {
        reset_once(plane, node);
    }
}
