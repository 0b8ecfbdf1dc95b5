//! Work that waits: for a window that has gone by, and for leave that was given to a plan that is no more.
use std::fs;

use crate::{
    control_plane::ControlPlane,
    converging::{outcomes, ready},
    failing::{OBJECTS, observed},
    fleet::{Fleet, policy_with, shardplane, until},
};

const GROUP: &str = "examples/quickstart/cluster/group.yaml";
const NODES: [&str; 2] = ["n1", "n2"];

fn apply(plane: &ControlPlane, policy: &str) {
    let path = plane.folder().join("waiting.yaml");
    fs::write(&path, policy).expect("the policy is written");
    let path = path.display().to_string();
    plane
        .kubectl(&["apply", "--server-side", "-f", GROUP, "-f", &path])
        .expected();
}

/// Waits until the policy says this, and does not wait for a plan of an earlier declaration.
#[track_caller]
fn says(plane: &ControlPlane, reason: &str) -> String {
    let path = r#"jsonpath={.metadata.generation} {.status.observedGeneration} {.status.conditions[?(@.type=="Ready")].reason} {.status.pending}"#;
    let said = until(
        reason,
        || plane.kubectl(&["get", OBJECTS[0], "-o", path]).expected(),
        |said| {
            let words: Vec<&str> = said.split(' ').collect();
            words[0] == words[1] && words[2] == reason && !words[3].is_empty()
        },
    );
    said.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// The day before yesterday: no window that opened then is open.
fn gone_day(plane: &ControlPlane) -> &'static str {
    let now = plane
        .kubectl(&[
            "get",
            "namespace",
            "default",
            "-o",
            "jsonpath={.metadata.creationTimestamp}",
        ])
        .expected();
    let number = |from: usize, to: usize| -> usize {
        now.get(from..to)
            .and_then(|text| text.parse().ok())
            .expect("a time as Kubernetes writes it")
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Sakamoto's way from a date to its day of the week, Sunday being 0.
    let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1];
    let year = if month < 3 { year - 1 } else { year };
    let today = (year + year / 4 - year / 100 + year / 400 + shift + day) % 7;
    ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][(today + 5) % 7]
}

pub fn what_is_out_of_date_lets_nothing_begin(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &NODES);
    let before = NODES.map(|node| fleet.acs(plane, node));
    observed(plane, &NODES);
    let quickstart = fs::read_to_string(policy_with(plane, "mode: Automatic", "mode: Manual"))
        .expect("it was just written");

    // A digest of what was declared before: given, listed, and good for nothing.
    apply(plane, &quickstart);
    let stale = says(plane, "AwaitingApproval");
    let other = quickstart.replace("2048000", "1048576");
    assert_ne!(other, quickstart);
    apply(plane, &other);
    let fresh = until(
        "the plan is another",
        || says(plane, "AwaitingApproval"),
        |digest| *digest != stale,
    );
    let admin = plane.folder().join("kubeconfig").display().to_string();
    let approve = |digest: &str| shardplane(&["approve", digest, "--kubeconfig", &admin]);
    let refused = approve(&stale);
    assert_eq!(refused.code, Some(11), "{}", refused.stderr);
    let listed = other.replace(
        "mode: Manual",
        &format!("mode: Manual\n    digests: [\"{stale}\"]"),
    );
    apply(plane, &listed);
    assert_eq!(says(plane, "AwaitingApproval"), fresh);

    // Approved, and the window for it has gone by.
    let window = format!(
        "maxUnavailableNodes: 2\n    windows:\n      - {{ days: [{}], start: \"00:00\", minutes: 60 }}",
        gone_day(plane)
    );
    let closed = listed.replace("maxUnavailableNodes: 2", &window);
    apply(plane, &closed);
    let given = approve(&fresh);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    says(plane, "AwaitingWindow");
    let told = plane.kubectl(&["describe", OBJECTS[0]]).expected();
    assert!(
        told.contains("no window of their policies is open before "),
        "{told}"
    );
    let table = plane.kubectl(&["get", "cplan"]).expected();
    assert!(table.contains("AwaitingWindow"), "{table}");
    assert_eq!(NODES.map(|node| fleet.acs(plane, node)), before);
    assert_eq!(outcomes(plane), "", "nothing was begun");

    // Open all day, and nobody is asked twice.
    let whole = NODES.len().to_string();
    let open = listed.replace(
        "maxUnavailableNodes: 2",
        "maxUnavailableNodes: 2\n    windows:\n      - { start: \"00:00\", minutes: 1440 }",
    );
    apply(plane, &open);
    ready(plane, &OBJECTS);
    let converged = "jsonpath={.status.convergedNodes}";
    until(
        "both nodes",
        || {
            plane
                .kubectl(&["get", OBJECTS[0], "-o", converged])
                .expected()
        },
        |now| *now == whole,
    );
}
