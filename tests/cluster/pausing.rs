//! A rollout that somebody pauses: what is under way ends, nothing else begins, and it goes on where it was.
use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    failing::{OBJECTS, observed, reset_once, resets},
    fleet::{Fleet, policy_with, until},
};

fn pause(plane: &ControlPlane, word: &str) {
    let patch = format!(r#"{{"spec":{{"rollout":{{"paused":{word}}}}}}}"#);
    plane
        .kubectl(&["patch", "cpol", "quickstart", "--type=merge", "-p", &patch])
        .expected();
}

/// Whether the API server has an event of the policy with this reason.
fn told(plane: &ControlPlane, reason: &str) {
    until(
        reason,
        || {
            let of = format!("--field-selector=reason={reason},involvedObject.name=quickstart");
            plane.kubectl(&["get", "events", "-A", &of]).stdout
        },
        |events| events.contains("rollout"),
    );
}

pub fn a_paused_rollout_begins_nothing(plane: &mut ControlPlane) {
    let nodes = ["n1", "n2"];
    let mut fleet = Fleet::start(plane, &nodes);
    observed(plane, &nodes);
    // Nobody is there to carry out what n1 is granted before the pause.
    fleet.kill_agent("n1");
    let file = policy_with(plane, "maxUnavailableNodes: 2", "maxUnavailableNodes: 1");
    let file = file.display().to_string();
    let group = "examples/quickstart/cluster/group.yaml";
    plane
        .kubectl(&["apply", "--server-side", "-f", group, "-f", &file])
        .expected();
    let grant = |node: &str| {
        let epoch = "jsonpath={.spec.grant.leaseEpoch}";
        plane.kubectl(&["get", "cnode", node, "-o", epoch]).stdout
    };
    until("n1 has a grant", || grant("n1"), |epoch| epoch == "1");
    pause(plane, "true");
    let pending = r#"jsonpath={.status.conditions[?(@.type=="PlanPending")].message}"#;
    let policy = ["get", "cpol", "quickstart", "-o"];
    until(
        "the pause is said while n1 is at work",
        || plane.kubectl(&[&policy[..], &[pending]].concat()).stdout,
        |said| said.starts_with("CardPolicy quickstart pauses its rollout"),
    );
    told(plane, "Paused");

    fleet.start_agent(plane, "n1");
    let stalled = r#"jsonpath={.status.conditions[?(@.type=="Stalled")].status} {.status.conditions[?(@.type=="Stalled")].message}"#;
    until(
        "n1 ends, and n2 is held back",
        || plane.kubectl(&[&policy[..], &[stalled]].concat()).stdout,
        |said| said.starts_with("True CardPolicy quickstart pauses") && said.contains("on n2 "),
    );
    reset_once(plane, "n1");
    assert_eq!(resets(plane, "n2"), [""; 0]);
    assert_eq!(grant("n2"), "");

    pause(plane, "false");
    ready(plane, &OBJECTS);
    all_converged(plane);
    told(plane, "Resumed");
    for node in nodes {
        reset_once(plane, node);
    }
}
