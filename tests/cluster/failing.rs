//! What goes wrong in a cluster, and that it ends converged, or halted with a reason: never with a second reset.
use std::fs;

use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, none_failed, outcomes, ready, stalled},
    fleet::{Fleet, make_node, policy_with, until},
    lease::{lease, renewed},
};

const QUICKSTART: &str = "examples/quickstart/cluster";
/// The quickstart's objects that are about cards.
pub const OBJECTS: [&str; 2] = ["cardpolicy/quickstart", "p2pgroup/quad"];

/// Declares the quickstart.
pub fn apply(plane: &ControlPlane) {
    plane
        .kubectl(&["apply", "--server-side", "-k", QUICKSTART])
        .expected();
}

/// Has the policy only observe, and waits until every node was reported.
pub fn observed(plane: &ControlPlane, nodes: &[&str]) {
    let file = policy_with(plane, "enforcement: Enforce", "enforcement: Observe");
    let file = file.display().to_string();
    plane
        .kubectl(&["apply", "--server-side", "-f", &file])
        .expected();
    for node in nodes {
        let digest = "jsonpath={.status.snapshotDigest}";
        until(
            "an agent tells of its node",
            || plane.kubectl(&["get", "cnode", node, "-o", digest]).stdout,
            |digest| !digest.is_empty(),
        );
    }
}

/// The reset steps that a node's journal begins, and how often each.
pub fn resets(plane: &ControlPlane, node: &str) -> Vec<String> {
    let path = plane
        .folder()
        .join(node)
        .join("three")
        .join(node)
        .join("journal");
    // A node that never worked has none.
    let text = fs::read(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines()
        .filter(|line| {
            line.contains(r#""record":"intent""#) && line.contains(r#""verb":"soc.reset""#)
        })
        .filter_map(|line| line.split(r#""id":""#).nth(1)?.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[track_caller]
pub fn reset_once(plane: &ControlPlane, node: &str) {
    let all = resets(plane, node);
    let mut once = all.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 4, "{node} resets each SoC: {all:?}");
    assert_eq!(all.len(), 4, "{node} resets each SoC once: {all:?}");
}

pub fn agents_and_servers_that_die_lose_nothing(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &["n1", "n2", "n3"]);
    // Records of a journal at which the process ends as kill -9 would: an effect begun, done, and verified.
    for (node, fault) in [
        ("n1", "kill:8:after"),
        ("n2", "kill:25:before"),
        ("n3", "kill:40:torn"),
    ] {
        fleet.shardplane(plane, node, &["rack", "fault", fault]);
    }
    // Every node is known before anything begins, or the first rollout is over those that were quick.
    observed(plane, &["n1", "n2", "n3"]);
    apply(plane);
    for node in ["n1", "n2"] {
        fleet.wait_for_end(node);
    }
    // The server is away while both are down.
    plane.restart_server();
    fleet.start_agent(plane, "n1");
    fleet.start_agent(plane, "n2");
    fleet.wait_for_end("n3");
    fleet.start_agent(plane, "n3");
    ready(plane, &OBJECTS);
    for node in ["n1", "n2", "n3"] {
        reset_once(plane, node);
    }
    // A step that the crash overtook is void, and what is left is planned anew.
    none_failed(plane);
}

pub fn a_leader_that_is_paused_wakes_behind_the_fence(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &["n1", "n2", "n3"]);
    fleet.start_controller(plane, "second");
    let holder = || lease(plane, "{.spec.holderIdentity} {.spec.leaseTransitions}");
    until("somebody leads", holder, |now| now == "first 1");
    apply(plane);
    until(
        "n1 has a grant",
        || {
            plane
                .kubectl(&[
                    "get",
                    "cnode",
                    "n1",
                    "-o",
                    "jsonpath={.spec.grant.leaseEpoch}",
                ])
                .stdout
        },
        |epoch| epoch == "1",
    );
    fleet.controller("first").signal("STOP").expect("it runs");
    until("the other leads", holder, |now| now == "second 2");
    fleet.controller("first").signal("CONT").expect("it runs");
    ready(plane, &OBJECTS);
    for node in ["n1", "n2", "n3"] {
        reset_once(plane, node);
    }
    assert_eq!(holder(), "second 2");
    until(
        "the first knows that it leads no more",
        || plane.logs(),
        |logs| logs.contains("first leads no more"),
    );
    // Killed, with no time to give the lease back.
    fleet.kill_controller("second");
    until("the first leads again", holder, |now| now == "first 3");
}

pub fn a_node_that_boots_or_comes_back_is_planned_anew(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1"]);
    apply(plane);
    ready(plane, &OBJECTS);
    let declared = fleet.acs(plane, "n1");
    all_converged(plane);
    let first = outcomes(plane);

    // ACS comes back at a boot, and the agent sees another boot id.
    fleet.shardplane(plane, "n1", &["rack", "reboot"]);
    until(
        "ACS after a boot",
        || fleet.acs(plane, "n1"),
        |now| *now == declared,
    );
    until(
        "rollouts",
        || outcomes(plane),
        |now| *now == format!("{first} Converged"),
    );

    let uid = |what: &str| {
        plane
            .kubectl(&[
                "get",
                what,
                "-o",
                "jsonpath={.metadata.uid}{.status.nodeUid}",
            ])
            .stdout
    };
    let annotations = || {
        let path = "jsonpath={.metadata.annotations}";
        plane
            .kubectl(&["get", "cnode", "n1", "-o", path])
            .expected()
    };
    let before = uid("cnode/n1");
    plane.kubectl(&["delete", "node", "n1"]).expected();
    until("the CardNode is marked", annotations, |now| {
        now.contains("shardplane.dev/node-gone-since")
    });
    make_node(plane, "n1");
    let node = uid("node/n1");
    until(
        "the agent knows its new Node",
        || uid("cnode/n1"),
        |now| now.ends_with(&node),
    );
    assert_ne!(uid("cnode/n1"), before);
    until("the mark goes", annotations, |now| {
        !now.contains("node-gone-since")
    });
    ready(plane, &OBJECTS);
}

/// A kubelet's word, without a kubelet.
pub fn readiness(plane: &ControlPlane, node: &str, ready: &str) {
    let status = format!(
        r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{ready}","reason":"NodeStatusUnknown","message":"the kubelet stopped posting"}}]}}}}"#
    );
    let patch = [
        "patch",
        "node",
        node,
        "--subresource=status",
        "--type=merge",
    ];
    plane
        .kubectl(&[&patch[..], &["-p", &status]].concat())
        .expected();
}

pub fn a_node_that_is_not_ready_is_waited_for(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1"]);
    let before = fleet.acs(plane, "n1");
    readiness(plane, "n1", "Unknown");
    apply(plane);
    until(
        "the policy says what it waits for",
        || plane.kubectl(&["get", "cpol", "quickstart"]).expected(),
        |now| now.contains("NodeNotReady"),
    );
    assert_eq!(fleet.acs(plane, "n1"), before);
    assert_eq!(outcomes(plane), "", "nothing was begun");
    readiness(plane, "n1", "True");
    ready(plane, &OBJECTS);
    all_converged(plane);
}

pub fn a_canary_that_fails_holds_the_others_and_says_why(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1", "n2", "n3"]);
    let others = ["n2", "n3"];
    let before = others.map(|node| fleet.acs(plane, node));
    for port in before[0].keys() {
        let fault = format!("write-ignored:{port}");
        fleet.shardplane(plane, "n1", &["rack", "fault", &fault]);
    }
    let text = fs::read_to_string(tests::root().join(QUICKSTART).join("policy.yaml"))
        .expect("the quickstart has a policy");
    let canary = text.replace(
        "maxUnavailableNodes: 2",
        "maxUnavailableNodes: 2\n    canary:\n      matchLabels:\n        kubernetes.io/hostname: n1",
    );
    assert_ne!(canary, text);
    let path = plane.folder().join("canary.yaml");
    fs::write(&path, canary).expect("the policy is written");
    let group = format!("{QUICKSTART}/group.yaml");
    let path = path.display().to_string();
    plane
        .kubectl(&["apply", "--server-side", "-f", &group, "-f", &path])
        .expected();
    stalled(plane, &["cpol/quickstart"]);
    let told = plane.kubectl(&["describe", "cplan"]).expected();
    for words in ["was ignored", "kubectl delete changeplan", "Halted"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(outcomes(plane).ends_with("Halted"), "{}", outcomes(plane));
    assert_eq!(others.map(|node| fleet.acs(plane, node)), before);

    // Mended, and nothing happens until somebody says so.
    fleet.shardplane(plane, "n1", &["rack", "fault", "--clear"]);
    plane.kubectl(&["delete", "cplan", "--all"]).expected();
    ready(plane, &OBJECTS);
    all_converged(plane);
}

pub fn two_policies_for_one_card_cancel_each_other(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1"]);
    let before = fleet.acs(plane, "n1");
    let policy = |name: &str| {
        let text = fs::read_to_string(tests::root().join(QUICKSTART).join("policy.yaml"))
            .expect("the quickstart has a policy");
        let path = plane.folder().join(format!("{name}.yaml"));
        let named = text.replace("name: quickstart", &format!("name: {name}"));
        fs::write(&path, named).expect("the policy is written");
        path.display().to_string()
    };
    let (one, other) = (policy("one"), policy("other"));
    plane
        .kubectl(&["apply", "--server-side", "-f", &one, "-f", &other])
        .expected();
    let group = format!("{QUICKSTART}/group.yaml");
    plane
        .kubectl(&["apply", "--server-side", "-f", &group])
        .expected();
    stalled(plane, &["cpol/one", "cpol/other"]);
    let told = plane.kubectl(&["get", "cpol"]).expected();
    assert_eq!(told.matches("PolicyConflict").count(), 2, "{told}");
    assert_eq!(fleet.acs(plane, "n1"), before);
    plane.kubectl(&["delete", "cpol/other"]).expected();
    ready(plane, &["cpol/one", "p2pg/quad"]);
    assert_ne!(fleet.acs(plane, "n1"), before);
}

pub fn at_rest_nothing_is_written(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &["n1", "n2"]);
    apply(plane);
    ready(plane, &OBJECTS);
    rests(plane, "cnode,cpol,p2pg,cplan,nodes,smodel,mbuild,jobs");
}

/// Nothing of these kinds is written, in any namespace, while every part of ours looks a few times.
#[track_caller]
pub fn rests(plane: &ControlPlane, kinds: &str) {
    let versions = || {
        plane
            .kubectl(&["get", kinds, "--all-namespaces", "-o", "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion};{end}"])
            .expected()
    };
    // What was under way has ended.
    renewed(plane, 2);
    let rest = versions();
    renewed(plane, 8);
    assert_eq!(versions(), rest);
}
