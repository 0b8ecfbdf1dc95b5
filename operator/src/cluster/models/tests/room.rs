//! Pods for which a scheduler finds no node: a revision's waits for room, or makes some where that is permitted.
use std::sync::Arc;

use serde_json::json;

use super::{
    super::placeless::Placeless,
    declared::with,
    hand::{Hand, at},
};

/// A pod of a model's, as a scheduler leaves it that found it no node.
fn no_node_takes(hand: &mut Hand, name: &str) {
    let pod = json!({
        "metadata": { "name": name, "namespace": "team", "labels": { "shardplane.dev/model": "tiny" } },
        "status": { "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available" },
        ] },
    });
    let pod = serde_json::from_value(pod).unwrap();
    hand.world.pods.insert(at(name), Arc::new(pod));
}

/// What a deployment may miss and have beside itself.
fn rolling(hand: &Hand) -> serde_json::Value {
    let deployment = serde_json::to_value(hand.deployment("tiny")).unwrap();
    deployment["spec"]["strategy"]["rollingUpdate"].clone()
}

#[test]
fn a_pod_that_no_node_takes_is_said_after_a_while_and_ends_no_replica_unasked() {
    for (rollout, expected) in [
        (json!({ "minAvailable": 2 }), "DrainBlocked"),
        (json!({ "minAvailable": 2, "allowDowntime": true }), ""),
        (json!({}), "Unschedulable"),
    ] {
        let mut hand = Hand::served();
        hand.model("tiny", &with(|model| model["rollout"] = rollout.clone()));
        hand.turn();
        let first = rolling(&hand);
        let surplus = first["maxSurge"].as_i64().unwrap();
        // A revision rolls: both of the old serve where a surplus one comes first.
        let counts = json!({
            "replicas": 2 + surplus, "updatedReplicas": 1, "readyReplicas": 1 + surplus,
            "availableReplicas": 1 + surplus,
        });
        hand.deployment_says("tiny", &counts);
        no_node_takes(&mut hand, "tiny-2");
        let mut placeless = Placeless::default();
        let mut look = |hand: &mut Hand, seconds: u64| {
            hand.world.now = hand.world.now.plus(std::time::Duration::from_secs(seconds));
            hand.world.placeless = placeless.look(&hand.world);
            hand.turn()
        };
        assert_eq!(look(&mut hand, 0), ["model Starting"], "{rollout}");
        assert_eq!(look(&mut hand, 29), [""; 0], "{rollout}");
        let said = look(&mut hand, 1);
        let permitted = json!({ "maxUnavailable": 1, "maxSurge": 1 });
        if rollout["allowDowntime"] == json!(true) {
            assert!(
                said.iter().any(|write| write.contains("Deployment")),
                "{said:?}"
            );
            assert_eq!(rolling(&hand), permitted);
        } else {
            assert_eq!(said, [format!("model stalled {expected}")], "{rollout}");
            assert_eq!(rolling(&hand), first, "{rollout}");
            let words = hand.says("tiny");
            assert!(words.contains("no node takes pod tiny-2"), "{words}");
            assert!(
                words.contains("`rollout.allowDowntime: true`") == (expected == "DrainBlocked"),
                "{words}"
            );
        }
        // There is room.
        hand.world.pods.clear();
        look(&mut hand, 1);
        hand.pods_are("tiny", 2, 2);
        look(&mut hand, 1);
        assert_eq!(rolling(&hand), first, "{rollout}");
        assert!(hand.says("tiny").contains("2 of 2 replicas serve"));
    }
}
