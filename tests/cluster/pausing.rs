//! A rollout that somebody pauses, or deletes: what is under way ends, nothing else begins, and it goes on where it was.
use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    draining::socs,
    failing::{OBJECTS, apply, observed, reset_once, resets},
    fleet::{Fleet, make_node, policy_with, until},
    lease::renewed,
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

/// While a SoC is being reset, somebody takes back what asked for that, and deletes the rollout. What was seen before the
/// reset is as declared again, and is not judged.
pub fn a_step_in_hand_ends_though_its_rollout_is_deleted(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start_for_many(plane);
    make_node(plane, "n1");
    fleet.start_agent(plane, "n1");
    apply(plane);
    ready(plane, &OBJECTS);
    let socs = socs(&fleet, plane);
    for soc in &socs {
        let fault = format!("reset-hangs:{soc}");
        fleet.shardplane(plane, "n1", &["rack", "fault", &fault]);
    }
    let partitioned = |word: &str| {
        let patch = format!(r#"{{"spec":{{"mdp":"{word}"}}}}"#);
        plane
            .kubectl(&["patch", "cpol", "quickstart", "--type=merge", "-p", &patch])
            .expected();
    };
    let read = |object: &str, path: &str| {
        let path = format!("jsonpath={path}");
        plane.kubectl(&["get", object, "-o", &path]).expected()
    };
    partitioned("Disabled");
    let works = r#"{.status.conditions[?(@.type=="Ready")].reason} {.spec.drainedFor}"#;
    until(
        "SoCs are drained, and the agent says that it goes on",
        || read("cnode/n1", works),
        |said| said.starts_with("CarryingOut n1/"),
    );
    partitioned("Groups");
    let names = ["get", "cplan", "--sort-by=.metadata.creationTimestamp"];
    let names = plane.kubectl(&[&names[..], &["-o", "name"]].concat());
    let names = names.expected();
    let last = names.lines().last().expect("there is a rollout");
    plane.kubectl(&["delete", last]).expected();

    let stands = r#"{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}"#;
    for object in OBJECTS {
        until(
            "it says what is waited for",
            || read(object, stands),
            |said| said.starts_with("False") && said.ends_with("in hand ends first on n1"),
        );
    }
    assert_eq!(read("cnode/n1", "{.spec.grant.digest}"), "");
    // The leader has had a few more looks.
    renewed(plane, 2);
    for object in OBJECTS {
        assert!(read(object, stands).starts_with("False"), "{object}");
    }
    let taints = || read("node/n1", "{.spec.taints[*].key}");
    assert!(taints().contains("shardplane.dev/draining"));
    assert_eq!(read("cnode/n1", "{.status.grant.state}"), "Working");

    // The SoCs come back, which the step waits for.
    fleet.shardplane(plane, "n1", &["rack", "fault", "--clear"]);
    for soc in &socs {
        fleet.shardplane(plane, "n1", &["rack", "reset-soc", soc]);
    }
    until(
        "it is waited for no more",
        || read("cnode/n1", "{.metadata.annotations}"),
        |marks| !marks.contains("in-hand-until"),
    );
    ready(plane, &OBJECTS);
    until("the taint goes", taints, |now| !now.contains("draining"));
}
