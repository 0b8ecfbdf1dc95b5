//! Evictions that are handed off to whoever serves `NodeMaintenance`, of which this test plays the part.
use std::fs;

use serde_json::json;

use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    draining::{drain_blocked, evicted, pods_may_be_made, run_pod, socs, was_reset},
    failing::OBJECTS,
    fleet::{Fleet, policy_with, until},
    kubelet::Kubelet,
    rights,
};

const REQUEST: [&str; 4] = [
    "nodemaintenance",
    "shardplane-n1",
    "-n",
    "shardplane-system",
];

/// The kind, with as much of a schema as this takes.
fn define(plane: &ControlPlane) {
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "nodemaintenances.maintenance.nvidia.com" },
        "spec": {
            "group": "maintenance.nvidia.com",
            "scope": "Namespaced",
            "names": { "kind": "NodeMaintenance", "plural": "nodemaintenances", "singular": "nodemaintenance" },
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": any, "status": any } } },
            }],
        },
    });
    let path = plane.folder().join("nodemaintenance.json");
    fs::write(&path, definition.to_string()).expect("the definition is written");
    plane
        .kubectl(&["create", "-f", &path.display().to_string()])
        .expected();
    plane
        .kubectl(&["wait", "--for=condition=Established", "crd", "--all"])
        .expected();
}

pub fn evictions_are_handed_off_where_that_is_served(plane: &mut ControlPlane) {
    let _controllers = plane.start_controllers("serviceaccount-controller");
    define(plane);
    let kubelet = Kubelet::start(plane.folder(), "n1");
    let fleet = Fleet::start_with_kubelet(plane, "n1", kubelet.socket());
    pods_may_be_made(plane);
    let soc = &socs(&fleet, plane)[0];
    run_pod(plane, "holder", 1);
    kubelet.admits("holder", &[soc.as_str()]);
    run_pod(plane, "bystander", 0);
    let drain = "drain: {timeoutSeconds: 120, handOff: NodeMaintenance}\n  rollout:";
    let file = policy_with(plane, "rollout:", drain).display().to_string();
    let group = "examples/quickstart/cluster/group.yaml";
    plane
        .kubectl(&["apply", "--server-side", "-f", group, "-f", &file])
        .expected();

    let asked = "jsonpath={.spec.requestorID} {.spec.nodeName} {.spec.cordon} {.spec.drainSpec.timeoutSeconds} {.spec.drainSpec.podEvictionFilters[0].byResourceNameRegex}";
    let get = [&["get"], &REQUEST[..], &["-o", asked]].concat();
    until(
        "a request is made",
        || plane.kubectl(&get).stdout,
        |said| said.starts_with("shardplane.dev n1 false 120 ^") && said.contains("qualcomm"),
    );
    until(
        "whoever is waited for is named",
        || drain_blocked(plane, OBJECTS[0]),
        |said| said.contains("NodeMaintenance shardplane-n1 is not ready (nobody has taken it up)"),
    );
    // It says so too early: a later look of the agent shows a holder.
    let is_ready =
        r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Ready"}]}}"#;
    let patch = ["--subresource=status", "--type=merge", "-p", is_ready];
    plane
        .kubectl(&[&["patch"], &REQUEST[..], &patch].concat())
        .expected();
    until(
        "whoever is left is named",
        || drain_blocked(plane, OBJECTS[0]),
        |said| said.contains("is ready, and pod default/holder holds a SoC still"),
    );
    assert!(!was_reset(plane), "a SoC is held still");
    kubelet.forgets("holder");
    plane
        .kubectl(&["delete", "pod", "holder", "--force", "--grace-period=0"])
        .expected();
    ready(plane, &OBJECTS);
    all_converged(plane);
    until(
        "the request is over",
        || plane.kubectl(&get).succeeded,
        |there| !there,
    );
    assert_eq!(evicted(plane), [""; 0], "nobody was evicted by us");
    let used = rights::suffice(plane);
    for verb in ["list", "create", "delete"] {
        let right = ["shardplane-controller", "nodemaintenances", verb].map(str::to_owned);
        assert!(used.contains(&right.into()), "{verb}: {used:?}");
    }
}
