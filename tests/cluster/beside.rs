//! Beside the vendor's operator: its agent resets SoCs of its node, and of two we are never the second.
use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    failing::{OBJECTS, apply, observed, reset_once, resets},
    fleet::{Fleet, until},
};

/// What is said of an object, and what of the agent is published.
fn told(plane: &ControlPlane, object: &str, path: &str) -> String {
    let output = format!("jsonpath={path}");
    plane.kubectl(&["get", object, "-o", &output]).stdout
}

const STALLED: &str = r#"{.status.conditions[?(@.type=="Stalled")].status} {.status.conditions[?(@.type=="Stalled")].reason}: {.status.conditions[?(@.type=="Stalled")].message}"#;

pub fn the_vendors_agent_is_left_the_resets(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1"]);
    fleet.shardplane(plane, "n1", &["rack", "set", "vendor-agent", "running"]);
    // A policy has to select the node before anything is published of it.
    observed(plane, &["n1"]);
    until(
        "the agent of the vendor is published",
        || told(plane, "cnode/n1", "{.status.vendorAgent}"),
        |said| said.contains("listens on port 62472") && said.contains("of pod 6d2f3c1a"),
    );
    apply(plane);
    let said = until(
        "what stands in the way is said",
        || told(plane, "p2pgroup/quad", STALLED),
        |said| said.starts_with("True VendorAgent: "),
    );
    let next = "take the vendor's agent off this node";
    assert!(said.contains(next), "{said}");
    assert_eq!(resets(plane, "n1"), [""; 0]);

    // It goes, as its operator's node selector makes it: what it stood in the way of is done, once.
    fleet.shardplane(plane, "n1", &["rack", "set", "vendor-agent", "stopped"]);
    ready(plane, &OBJECTS);
    all_converged(plane);
    reset_once(plane, "n1");
    assert_eq!(told(plane, "cnode/n1", "{.status.vendorAgent}"), "");

    // It comes back to a node that is as declared: it is told, and nothing is wrong.
    fleet.shardplane(plane, "n1", &["rack", "set", "vendor-agent", "running"]);
    until(
        "it is published again",
        || told(plane, "cnode/n1", "{.status.vendorAgent}"),
        |said| !said.is_empty(),
    );
    ready(plane, &OBJECTS);
}
