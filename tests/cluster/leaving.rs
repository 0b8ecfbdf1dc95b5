//! A policy that is deleted with Revert: it stays until what it changed is put back, says where that is not so yet, and is
//! let go after its time, or at once when somebody says so. And which approval its removal goes by.
use std::fs;

use crate::{
    control_plane::ControlPlane,
    converging::ready,
    failing::{OBJECTS, apply, readiness},
    fleet::{Fleet, policy_with, until},
};

/// What the policy says of itself; empty once it is gone.
pub fn said(plane: &ControlPlane) -> String {
    let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].reason}: {.status.conditions[?(@.type=="Ready")].message}"#;
    let get = ["get", OBJECTS[0], "-o", ready, "--ignore-not-found"];
    plane.kubectl(&get).expected()
}

/// Takes the documented way out.
pub fn release(plane: &ControlPlane) {
    plane
        .kubectl(&["annotate", OBJECTS[0], "shardplane.dev/release=now"])
        .expected();
}

/// Waits until the policy is gone.
#[track_caller]
pub fn gone(plane: &ControlPlane) {
    until("the policy is gone", || said(plane), String::is_empty);
}

fn delete(plane: &ControlPlane) {
    plane
        .kubectl(&["delete", "--wait=false", OBJECTS[0], OBJECTS[1]])
        .expected();
}

pub fn a_deleted_policy_waits_for_what_it_changed(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &["n1", "n2"]);
    let before = ["n1", "n2"].map(|node| fleet.acs(plane, node));
    apply(plane);
    ready(plane, &OBJECTS);
    readiness(plane, "n2", "Unknown");
    fleet.kill_agent("n2");
    delete(plane);
    until(
        "n1 is as before",
        || fleet.acs(plane, "n1"),
        |now| *now == before[0],
    );
    until(
        "the policy says what it waits for",
        || said(plane),
        |said| {
            said.starts_with("NodesUnreachable: ")
                && said.contains("n2 (its Node is not ready (the kubelet stopped posting))")
        },
    );
    release(plane);
    gone(plane);
    let kept = fleet.acs(plane, "n2");
    assert_ne!(kept, before[1]);
    // Back again, it is put back without anybody's word: its ledger knows.
    readiness(plane, "n2", "True");
    fleet.start_agent(plane, "n2");
    let restored = |fleet: &Fleet| {
        until(
            "n2 is as before",
            || fleet.acs(plane, "n2"),
            |now| *now == before[1],
        )
    };
    restored(&fleet);

    let file = policy_with(
        plane,
        "rule: Revert",
        "rule: Revert\n    revertTimeoutSeconds: 1",
    );
    let file = file.display().to_string();
    let group = "examples/quickstart/cluster/group.yaml";
    plane
        .kubectl(&["apply", "--server-side", "-f", group, "-f", &file])
        .expected();
    ready(plane, &OBJECTS);
    readiness(plane, "n2", "Unknown");
    delete(plane);
    gone(plane);
    assert_eq!(fleet.acs(plane, "n1"), before[0], "n1 could be reached");
    assert_eq!(fleet.acs(plane, "n2"), kept);
    readiness(plane, "n2", "True");
    restored(&fleet);
}

pub fn the_approval_asked_for_last_governs_a_removal(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1"]);
    let before = fleet.acs(plane, "n1");
    apply(plane);
    ready(plane, &OBJECTS);
    let declared = fleet.acs(plane, "n1");
    let manual = r#"{"spec":{"approval":{"mode":"Manual"}}}"#;
    plane
        .kubectl(&["patch", OBJECTS[0], "--type=merge", "-p", manual])
        .expected();
    // Nothing is to be done on the node, and its ledger keeps what is asked for now.
    until(
        "the ledger keeps it",
        || fs::read_to_string(fleet.state(plane, "n1").join("ledger.json")).unwrap_or_default(),
        |ledger| ledger.contains("Manual"),
    );
    delete(plane);
    until(
        "the removal waits for leave",
        || said(plane),
        |said| said.starts_with("AwaitingApproval: "),
    );
    assert_eq!(fleet.acs(plane, "n1"), declared);
    let digest = "jsonpath={.items[-1:].spec.digest}";
    let sorted = [
        "get",
        "cplan",
        "--sort-by=.metadata.creationTimestamp",
        "-o",
    ];
    let digest = plane.kubectl(&[&sorted[..], &[digest]].concat()).expected();
    let given = format!(
        r#"{{"status":{{"approval":{{"digest":"{digest}","by":"{}"}}}}}}"#,
        me(plane)
    );
    let newest = "jsonpath={.items[-1:].metadata.name}";
    let name = plane.kubectl(&[&sorted[..], &[newest]].concat()).expected();
    plane
        .kubectl(&[
            "patch",
            "cplan",
            &name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &given,
        ])
        .expected();
    until("ACS words", || fleet.acs(plane, "n1"), |now| *now == before);
    gone(plane);
}

/// The name by which the API server knows whoever runs kubectl here.
fn me(plane: &ControlPlane) -> String {
    let name = "jsonpath={.status.userInfo.username}";
    plane.kubectl(&["auth", "whoami", "-o", name]).expected()
}
