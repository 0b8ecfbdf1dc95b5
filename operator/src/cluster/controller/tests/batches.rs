//! Rollouts in batches: after the canaries, and each when nothing is left to do on the nodes of those before it.
use crd::kind::GrantState;
use serde_json::{Value, json};

use super::{Hand, MANUAL, automatic};

const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// Four nodes that have reported, and a rollout over them.
fn four(mut policy: Value, rollout: Value) -> Hand {
    policy["rollout"] = rollout;
    let mut hand = Hand::new(&policy);
    for name in NODES {
        hand.node(name);
    }
    hand.turn();
    for name in NODES {
        hand.reports(name);
    }
    hand.turn();
    hand
}

/// What these nodes are granted once these have ended so.
fn after(hand: &mut Hand, ended: &[&str], state: GrantState) -> Vec<String> {
    hand.turn();
    for name in ended {
        if state == GrantState::Converged {
            hand.converges(name);
        } else {
            hand.ends(name, state);
        }
    }
    let mut granted = Vec::new();
    for _ in 0..3 {
        granted.extend(hand.grants());
    }
    granted
}

#[test]
fn each_batch_begins_when_the_one_before_has_ended() {
    let rollout = json!({ "maxUnavailableNodes": 4, "batches": [1, 2] });
    let mut hand = four(automatic(), rollout);
    assert_eq!(hand.grants(), ["n1"]);
    let converged = GrantState::Converged;
    assert_eq!(after(&mut hand, &["n1"], converged), ["n2", "n3"]);
    assert_eq!(
        after(&mut hand, &["n3"], converged),
        [""; 0],
        "n2 is at work"
    );
    assert_eq!(after(&mut hand, &["n2"], converged), ["n4"]);
}

#[test]
fn canaries_are_in_no_batch_and_go_before_all() {
    let rollout = json!({
        "maxUnavailableNodes": 4,
        "batches": [2],
        "canary": { "matchLabels": { "kubernetes.io/hostname": "n2" } },
    });
    let mut hand = four(automatic(), rollout);
    assert_eq!(hand.grants(), ["n2"]);
    let converged = GrantState::Converged;
    assert_eq!(after(&mut hand, &["n2"], converged), ["n1", "n3"]);
    assert_eq!(after(&mut hand, &["n1", "n3"], converged), ["n4"]);
}

#[test]
fn the_budget_holds_within_a_batch() {
    let rollout = json!({ "maxUnavailableNodes": 1, "batches": [2] });
    let mut hand = four(automatic(), rollout);
    assert_eq!(hand.grants(), ["n1"]);
    assert_eq!(after(&mut hand, &["n1"], GrantState::Converged), ["n2"]);
}

#[test]
fn a_failure_that_is_allowed_ends_a_batch_as_success_does() {
    let rollout = |threshold| json!({ "batches": [1], "failureThreshold": threshold });
    let mut hand = four(automatic(), rollout(2));
    assert_eq!(hand.grants(), ["n1"]);
    assert_eq!(after(&mut hand, &["n1"], GrantState::Halted), ["n2"]);
    let mut hand = four(automatic(), rollout(1));
    assert_eq!(hand.grants(), ["n1"]);
    assert_eq!(after(&mut hand, &["n1"], GrantState::Halted), [""; 0]);
}

/// Whatever keeps a node of the first batch, the second waits; but nobody waits for a Node that is not there.
#[test]
fn the_next_batch_waits_for_whatever_the_one_before_waits_for() {
    let rollout = || json!({ "maxUnavailableNodes": 4, "batches": [2] });
    let mut hand = four(MANUAL(), rollout());
    hand.turn();
    hand.approve(&hand.node_digest("n3"));
    assert_eq!(hand.grants(), [""; 0]);
    hand.approve(&hand.rollout_digest());
    assert_eq!(hand.grants(), ["n1", "n2"]);

    let mut hand = four(automatic(), rollout());
    hand.readiness("n2", "Unknown");
    assert_eq!(hand.grants(), ["n1"]);
    let converged = GrantState::Converged;
    assert_eq!(after(&mut hand, &["n1"], converged), ["n3", "n4"]);
    hand.readiness("n2", "True");
    assert_eq!(hand.grants(), ["n2"], "it is its own turn once it is back");
}
