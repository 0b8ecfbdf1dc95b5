//! An agent that is killed at a record of its journal, for every record that carrying out a grant writes; and machines that
//! lose power there.
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

    let faults = (0..count).map(|record| (format!("k{record}"), format!("kill:{record}:before")));
    // After the work that the record tells of, before it is written: nothing is harder to come back from.
    let killed = converged(plane, &mut fleet, faults.collect(), 1);
    for node in &killed {
        assert_eq!(fleet.resets(plane, node), [1; 4], "{node}");
    }
    none_failed(plane);
    rights::suffice(plane);
}

/// Power is lost with a step open or between two: the machine boots, its agent starts on what it had written, and what was
/// granted to the boot before is good for nothing.
pub fn a_machine_that_loses_power_at_work_is_planned_anew(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start_for_many(plane);
    apply(plane, "examples/quickstart/cluster/group.yaml");
    let faults = [
        "2:before",
        "5:after",
        "9:torn",
        "14:before",
        "20:after",
        "26:torn",
        "33:before",
        "40:after",
    ];
    let nodes: Vec<(String, String)> = faults
        .iter()
        .enumerate()
        .map(|(number, at)| (format!("p{number}"), format!("power:{at}")))
        .collect();
    let lost = converged(plane, &mut fleet, nodes, 0);
    for node in &lost {
        let resets = fleet.resets(plane, node);
        // A boot resets every SoC too: a request that waits for that needs none of ours.
        assert!(resets.iter().all(|count| *count <= 1), "{node}: {resets:?}");
    }
    let whys = "jsonpath={range .items[*].status.nodes[*]}{.node} {.outcome} {.why};{end}";
    let told = plane.kubectl(&["get", "cplan", "-o", whys]).expected();
    for node in &lost {
        let is_told =
            |one: &str| one.starts_with(&format!("{node} Stale")) && one.contains("booted");
        assert!(told.split(';').any(is_told), "{node}: {told}");
    }
    none_failed(plane);
    rights::suffice(plane);
}

/// Nodes of these names, whose agents end by these faults and are started again, until all of them have converged; which
/// they are. `others` are there already.
fn converged(
    plane: &ControlPlane,
    fleet: &mut Fleet,
    faults: Vec<(String, String)>,
    others: usize,
) -> Vec<String> {
    policy(plane, "Observe");
    let mut ended = BTreeMap::new();
    for (node, fault) in faults {
        fleet.shardplane(plane, &node, &["rack", "fault", &fault]);
        make_node(plane, &node);
        fleet.start_agent(plane, &node);
        ended.insert(node, 0);
    }
    let nodes = "jsonpath={.items[?(@.status.snapshotDigest)].metadata.name}";
    until(
        "every node is told of",
        || plane.kubectl(&["get", "cnode", "-o", nodes]).expected(),
        |told| told.split(' ').count() == ended.len() + others,
    );
    policy(plane, "Enforce");
    let stands = r#"jsonpath={.metadata.generation} {.status.observedGeneration} {.status.conditions[?(@.type=="Ready")].status}"#;
    until(
        "every node converges",
        || {
            for node in fleet.revive(plane) {
                *ended.entry(node).or_default() += 1;
            }
            let answer = plane.kubectl(&["get", OBJECTS[0], "-o", stands]);
            answer.expected()
        },
        |stands| matches!(stands.split(' ').collect::<Vec<_>>()[..], [asked, seen, "True"] if asked == seen),
    );
    ready(plane, &OBJECTS);
    for (node, times) in &ended {
        assert_eq!(*times, 1, "{node} ends once");
    }
    ended.into_keys().collect()
}
