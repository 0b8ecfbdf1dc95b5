//! Evictions that are handed off to whoever serves `NodeMaintenance`.
use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Hand, automatic,
    draining::{plain, told},
};
use crate::cluster::controller::maintenance::Maintenance;

/// A node whose agent waits until two pods have let go of its SoCs, under a policy that hands evictions off.
fn draining(served: Maintenance) -> Hand {
    let mut policy = automatic();
    policy["drain"] = json!({ "timeoutSeconds": 120, "handOff": "NodeMaintenance" });
    let mut hand = Hand::new(&policy);
    hand.world.maintenance = served;
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    for _ in 0..3 {
        hand.turn();
    }
    hand.awaits("n1");
    assert_eq!(hand.turn(), ["taint n1"]);
    assert_eq!(hand.turn(), ["drained 4 on n1"]);
    hand.pods("n1", vec![plain("a"), plain("bystander")]);
    hand.awaits_drain("n1", &[told(0, "a")]);
    hand
}

#[test]
fn whoever_serves_it_evicts_and_is_waited_for() {
    let mut hand = draining(Maintenance::Served(BTreeMap::new()));
    let turned = hand.turn();
    assert_eq!(turned[0], "request n1 within 120");
    assert!(turned.iter().all(|write| !write.starts_with("evict")));
    hand.maintained("n1", false);
    hand.turn();
    let said = hand.drain_blocked();
    assert!(
        said[0].starts_with(
            "True NodeMaintenance: n1: NodeMaintenance shardplane-n1 is not ready (Draining); "
        ),
        "{said:?}"
    );
    assert_eq!(hand.turn(), [""; 0]);
    // Nobody holds a SoC any more: whoever drains has to say so too.
    hand.pods("n1", vec![plain("bystander")]);
    hand.awaits_drain("n1", &[]);
    assert_eq!(hand.turn(), [""; 0]);
    hand.maintained("n1", true);
    assert_eq!(hand.turn()[0], "drained 4 on n1");
    hand.converges("n1");
    let mut turned = Vec::new();
    for _ in 0..4 {
        turned.extend(hand.turn());
    }
    assert!(
        turned.contains(&"end shardplane-n1".to_owned()),
        "{turned:?}"
    );
    assert_eq!(hand.turn(), [""; 0]);
}

/// Done is when nobody holds a SoC, and not when somebody says so.
#[test]
fn a_holder_that_is_left_is_named() {
    let mut hand = draining(Maintenance::Served(BTreeMap::new()));
    hand.turn();
    hand.maintained("n1", true);
    let turned = hand.turn();
    assert!(
        turned
            .iter()
            .all(|write| !write.starts_with("evict") && !write.starts_with("drained"))
    );
    let said = hand.drain_blocked();
    assert!(
        said[0]
            .contains("NodeMaintenance shardplane-n1 is ready, and pod models/a holds a SoC still"),
        "{said:?}"
    );
}

#[test]
fn where_nobody_serves_it_evictions_are_ours() {
    assert_eq!(draining(Maintenance::Unserved).turn(), ["evict models/a"]);
    let turned = draining(Maintenance::Unknown).turn();
    assert!(
        turned.iter().all(|write| !write.starts_with("evict")),
        "{turned:?}"
    );
    // Who is not asked to, is not.
    let mut hand = draining(Maintenance::Served(BTreeMap::new()));
    hand.drains_itself();
    assert_eq!(hand.turn(), ["evict models/a"]);
}
