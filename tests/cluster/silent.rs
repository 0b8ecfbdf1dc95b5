//! An agent that says nothing while a grant lies there for it: what somebody thought better of meanwhile is taken back, and
//! one that is never heard of again is waited for only so long.
use std::fs;

use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, outcomes, ready},
    failing::{OBJECTS, apply, observed, reset_once},
    fleet::{Fleet, policy_with, shardplane, until},
    ours::Clock,
};

const NODE: &str = "n1";
/// Longer than any step may take.
const DAY: i64 = 24 * 60 * 60;

fn of_node(plane: &ControlPlane, path: &str) -> String {
    let path = format!("jsonpath={path}");
    plane
        .kubectl(&["get", "cnode", NODE, "-o", &path])
        .expected()
}

fn grant(plane: &ControlPlane) -> String {
    of_node(plane, "{.spec.grant.digest}")
}

/// Declares the quickstart's policy with something changed.
fn declare(plane: &ControlPlane, from: &str, to: &str) {
    let file = policy_with(plane, from, to).display().to_string();
    plane
        .kubectl(&["apply", "--server-side", "-f", &file])
        .expected();
}

fn has_begun(plane: &ControlPlane, fleet: &Fleet) -> bool {
    let journal = fleet.state(plane, NODE).join("journal");
    // A node that never worked has none.
    let text = fs::read(journal).unwrap_or_default();
    String::from_utf8_lossy(&text).contains(r#""record":"intent""#)
}

/// The grant that lies there is taken back, and the agent, which speaks again, does nothing.
fn is_taken_back(plane: &ControlPlane, fleet: &Fleet, why: &str) {
    until("the grant is taken back", || grant(plane), String::is_empty);
    let told = plane.kubectl(&["describe", "cplan"]).expected();
    assert!(
        told.contains("taken back before it began") && told.contains(why),
        "{told}"
    );
    fleet.agent(NODE).signal("CONT").expect("it runs");
    until(
        "the agent has seen that",
        || of_node(plane, "{.metadata.generation} {.status.observedGeneration}"),
        |said| {
            said.split_once(' ')
                .is_some_and(|(asked, seen)| asked == seen)
        },
    );
    assert!(!has_begun(plane, fleet), "something was begun");
}

pub fn a_silent_agent_finds_nothing_that_should_not_be_done(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &[NODE]);
    let before = fleet.acs(plane, NODE);
    observed(plane, &[NODE]);

    // Somebody only wants to look, after all.
    fleet.agent(NODE).signal("STOP").expect("it runs");
    apply(plane);
    until("a grant", || grant(plane), |grant| !grant.is_empty());
    declare(plane, "enforcement: Enforce", "enforcement: Observe");
    is_taken_back(plane, &fleet, "would be others");

    // Or to be asked.
    fleet.agent(NODE).signal("STOP").expect("it runs");
    apply(plane);
    until("a grant", || grant(plane), |grant| !grant.is_empty());
    declare(plane, "mode: Automatic", "mode: Manual");
    is_taken_back(plane, &fleet, "nobody's leave");
    assert_eq!(fleet.acs(plane, NODE), before);
    let digest = until(
        "the policy asks",
        || {
            let path = "jsonpath={.status.pending}";
            plane.kubectl(&["get", OBJECTS[0], "-o", path]).expected()
        },
        |digest| !digest.is_empty(),
    );

    // Its machine dies at work, and nobody hears of it for longer than its steps may take.
    fleet.shardplane(plane, NODE, &["rack", "fault", "kill:14:after"]);
    let admin = plane.admin().display().to_string();
    let given = shardplane(&["approve", &digest, "--kubeconfig", &admin]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    fleet.wait_for_end(NODE);
    until(
        "it is at work",
        || outcomes(plane),
        |all| all.ends_with("Applying"),
    );
    fleet.kill_controller("first");
    fleet.start_controller_at(plane, "tomorrow", Clock::Ahead(DAY));
    let path = r#"jsonpath={.status.conditions[?(@.type=="Stalled")].message}"#;
    until(
        "the policy says what it waited for",
        || plane.kubectl(&["get", OBJECTS[0], "-o", path]).expected(),
        |said| said.contains("see whether it runs") && said.contains("kubectl delete changeplan"),
    );
    until("the grant is taken back", || grant(plane), String::is_empty);
    assert!(outcomes(plane).ends_with("Halted"), "{}", outcomes(plane));

    // Back, it ends what it had begun and begins nothing; then somebody says that it may go on.
    fleet.start_agent(plane, NODE);
    until(
        "the agent has seen that",
        || of_node(plane, "{.status.grant.state} {.status.grant.why}"),
        |said| said.starts_with("Void it was withdrawn"),
    );
    plane.kubectl(&["delete", "cplan", "--all"]).expected();
    let digest = until(
        "the policy asks again",
        || {
            let path = "jsonpath={.status.pending}";
            plane.kubectl(&["get", OBJECTS[0], "-o", path]).expected()
        },
        |digest| !digest.is_empty(),
    );
    let given = shardplane(&["approve", &digest, "--kubeconfig", &admin]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    ready(plane, &OBJECTS);
    all_converged(plane);
    reset_once(plane, NODE);
}
