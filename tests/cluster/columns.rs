//! What `kubectl get` prints of every kind, in the states that objects come through: the very words, where nothing in them
//! depends on the run.
use crate::{
    control_plane::ControlPlane,
    converging::ready,
    failing::{OBJECTS, observed},
    fleet::{Fleet, policy_with, shardplane, until},
};

const QUICKSTART: &str = "examples/quickstart/cluster";

/// A table without ages, digests and what is longer than a column: cells of a line, one blank between them.
fn table(plane: &ControlPlane, kind: &str) -> Vec<String> {
    let printed = plane.kubectl(&["get", kind]).expected();
    let cells = |line: &str| {
        let cells: Vec<&str> = line
            .split_whitespace()
            .map(|cell| {
                if cell.starts_with("rollout") {
                    "…"
                } else {
                    cell
                }
            })
            .collect();
        // The last one is the age.
        cells[..cells.len() - 1].join(" ")
    };
    printed.lines().map(cells).collect()
}

/// Waits until a table reads so.
#[track_caller]
fn reads(plane: &ControlPlane, kind: &str, expected: &[&str]) {
    until(kind, || table(plane, kind), |now| now == expected);
}

/// What describe says of an object has these words.
#[track_caller]
fn describes(plane: &ControlPlane, object: &str, words: &[&str]) {
    let told = plane.kubectl(&["describe", object]).expected();
    for word in words {
        assert!(told.contains(word), "{word}: {told}");
    }
}

pub fn every_state_reads_aloud(plane: &mut ControlPlane) {
    const POLICY: &str = "NAME ENFORCEMENT APPROVAL NODES CONVERGED READY REASON";
    const GROUP: &str = "NAME SIZE SETS VERIFIED READY REASON";
    const PLAN: &str = "NAME DIGEST DISRUPTION RESETS APPROVED BY READY REASON";
    const NODE: &str = "NAME SOCS HELD DEVIATIONS READY REASON";
    let fleet = Fleet::start(plane, &["n1"]);
    observed(plane, &["n1"]);
    reads(plane, "cnode", &[NODE, "n1 4 0 0 True Reporting"]);

    // It waits for approval.
    let manual = policy_with(plane, "mode: Automatic", "mode: Manual");
    let (manual, group) = (
        manual.display().to_string(),
        format!("{QUICKSTART}/group.yaml"),
    );
    plane
        .kubectl(&["apply", "--server-side", "-f", &manual, "-f", &group])
        .expected();
    reads(
        plane,
        "cpol",
        &[
            POLICY,
            "quickstart Enforce Manual 1 0 False AwaitingApproval",
        ],
    );
    reads(plane, "p2pg", &[GROUP, "quad 4 0 0 False AwaitingApproval"]);
    reads(
        plane,
        "cplan",
        &[PLAN, "… … device 4 False AwaitingApproval"],
    );
    describes(
        plane,
        OBJECTS[0],
        &["shardplane approve rollout:b3:", "it is not stuck"],
    );

    // It works: an agent that stands still shows that.
    let digest = plane
        .kubectl(&["get", OBJECTS[0], "-o", "jsonpath={.status.pending}"])
        .expected();
    fleet.agent("n1").signal("STOP").expect("it runs");
    let admin = plane.admin().display().to_string();
    let given = shardplane(&["approve", &digest, "--kubeconfig", &admin]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    reads(
        plane,
        "cpol",
        &[POLICY, "quickstart Enforce Manual 1 0 False Applying"],
    );
    reads(plane, "cplan", &[PLAN, "… … device 4 admin False Applying"]);
    describes(plane, "cplan", &["at work: n1", "n1 carries out"]);
    fleet.agent("n1").signal("CONT").expect("it runs");
    ready(plane, &OBJECTS);
    reads(
        plane,
        "cpol",
        &[POLICY, "quickstart Enforce Manual 1 1 True AsDeclared"],
    );
    reads(plane, "p2pg", &[GROUP, "quad 4 1 1 True AsDeclared"]);
    reads(plane, "cplan", &[PLAN, "… … device 4 admin True Converged"]);
    describes(
        plane,
        "cplan",
        &["every step was verified on n1", "nothing is left to do"],
    );
    let wide = plane.kubectl(&["get", "cpol", "-o", "wide"]).expected();
    assert!(wide.contains("all of 1 nodes are as declared"), "{wide}");

    // It stalls: registers take no writes after a boot, and a step fails.
    for port in fleet.acs(plane, "n1").keys() {
        let fault = format!("write-ignored:{port}");
        fleet.shardplane(plane, "n1", &["rack", "fault", &fault]);
    }
    let automatic = format!("{QUICKSTART}/policy.yaml");
    plane
        .kubectl(&["apply", "--server-side", "-f", &automatic])
        .expected();
    fleet.shardplane(plane, "n1", &["rack", "reboot"]);
    reads(
        plane,
        "cpol",
        &[POLICY, "quickstart Enforce Automatic 1 0 False StepFailed"],
    );
    until(
        "the agent says so too",
        || table(plane, "cnode"),
        |now| now[1].ends_with("False Halted"),
    );
    let words = [
        "was ignored",
        "kubectl delete changeplan",
        "nothing goes on until",
    ];
    describes(plane, OBJECTS[0], &words);
    describes(plane, "cnode/n1", &["was ignored", "delete the ChangePlan"]);
    // Events are told of one object alone.
    let plans = plane.kubectl(&["get", "cplan", "-o", "name"]).expected();
    let last = plans.lines().next_back().unwrap_or_default();
    describes(plane, last, &["Warning", "Halted", "n1/acs.clear"]);
    fleet.shardplane(plane, "n1", &["rack", "fault", "--clear"]);
    plane.kubectl(&["delete", "cplan", "--all"]).expected();
    ready(plane, &OBJECTS);

    // It is blocked: two policies for one card.
    let other = policy_with(plane, "name: quickstart", "name: other");
    let other = other.display().to_string();
    plane
        .kubectl(&["apply", "--server-side", "-f", &other])
        .expected();
    reads(
        plane,
        "cpol",
        &[
            POLICY,
            "other Enforce Automatic 1 0 False PolicyConflict",
            "quickstart Enforce Automatic 1 0 False PolicyConflict",
        ],
    );
    describes(plane, "cpol/other", &["quickstart"]);
    plane.kubectl(&["delete", "cpol/other"]).expected();
    ready(plane, &OBJECTS);

    // It goes: what is left to do stands in the rollout.
    plane
        .kubectl(&["delete", OBJECTS[0], OBJECTS[1]])
        .expected();
    until(
        "what was relaxed goes back",
        || table(plane, "cplan"),
        |now| {
            let mut rollouts = now.iter().skip(1);
            rollouts
                .clone()
                .any(|row| row == "… … isolation 0 True Converged")
                && rollouts.all(|row| row.ends_with(" True Converged"))
        },
    );
    reads(plane, "cnode", &[NODE, "n1 4 0 0 True Reporting"]);
}
