//! An agent that is killed at a record of its journal, for every record that carrying out a grant writes.
use std::{collections::BTreeMap, fs};

use crate::{
    control_plane::ControlPlane,
    converging::{none_failed, ready},
    fleet::{Fleet, make_node, policy_with, until},
    rights,
};

const OBJECTS: [&str; 2] = ["cardpolicy/quickstart", "p2pgroup/quad"];
/// Nodes at work at once, for the sake of the machine that they all share.
const AT_ONCE: usize = 16;

fn apply(plane: &ControlPlane, file: &str) {
    plane
        .kubectl(&["apply", "--server-side", "-f", file])
        .expected();
}

/// The quickstart's policy in an enforcement.
fn policy(plane: &ControlPlane, enforcement: &str) {
    let more = format!("maxUnavailableNodes: {AT_ONCE}");
    let path = policy_with(plane, "maxUnavailableNodes: 2", &more);
    let text = fs::read_to_string(&path).expect("it was just written");
    let told = text.replace(
        "enforcement: Enforce",
        &format!("enforcement: {enforcement}"),
    );
    fs::write(&path, told).expect("the policy is written");
    apply(plane, &path.display().to_string());
}

/// Records of a node's journal.
fn records(fleet: &Fleet, plane: &ControlPlane, node: &str) -> usize {
    let journal = fleet.state(plane, node).join("journal");
    let text = fs::read_to_string(journal).expect("a node that worked has a journal");
    text.lines().count()
}

pub fn an_agent_is_killed_at_every_record(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start_for_many(plane);
    // One that nothing happens to says how many records there are.
    make_node(plane, "calm");
    fleet.start_agent(plane, "calm");
    apply(plane, "examples/quickstart/cluster/group.yaml");
    policy(plane, "Enforce");
    ready(plane, &OBJECTS);
    let count = records(&fleet, plane, "calm");
    assert!(count > 40, "{count} records prove nothing");

    policy(plane, "Observe");
    let mut killed = BTreeMap::new();
    for record in 0..count {
        // After the work that the record tells of, before it is written: nothing is harder to come back from.
        let (node, fault) = (format!("k{record}"), format!("kill:{record}:before"));
        fleet.shardplane(plane, &node, &["rack", "fault", &fault]);
        make_node(plane, &node);
        fleet.start_agent(plane, &node);
        killed.insert(node, 0);
    }
    let nodes = "jsonpath={.items[?(@.status.snapshotDigest)].metadata.name}";
    until(
        "every node is told of",
        || plane.kubectl(&["get", "cnode", "-o", nodes]).expected(),
        |told| told.split(' ').count() == count + 1,
    );
    policy(plane, "Enforce");
    let stands = r#"jsonpath={.metadata.generation} {.status.observedGeneration} {.status.conditions[?(@.type=="Ready")].status}"#;
    until(
        "every node converges",
        || {
            for node in fleet.revive(plane) {
                *killed.entry(node).or_default() += 1;
            }
            let answer = plane.kubectl(&["get", OBJECTS[0], "-o", stands]);
            answer.expected()
        },
        |stands| matches!(stands.split(' ').collect::<Vec<_>>()[..], [asked, seen, "True"] if asked == seen),
    );
    ready(plane, &OBJECTS);
    for (node, times) in &killed {
        assert_eq!(*times, 1, "{node} is killed once");
        assert_eq!(fleet.resets(plane, node), [1; 4], "{node}");
    }
    none_failed(plane);
    rights::suffice(plane);
}
