//! Where nodes are told to stand: each in one place, and away wherever it is not there to work on.
use crd::kind::GrantState;
use serde_json::json;

use super::hand::{Hand, MANUAL, automatic};

/// Nobody has anything to do on it, and whoever watches hears that it is gone all the same.
#[test]
fn a_node_as_declared_is_away_while_it_is_not_ready() {
    let mut policy = automatic();
    policy["rollout"] = json!({ "maxUnavailableNodes": 2 });
    let mut hand = Hand::new(&policy);
    for name in ["n1", "n2"] {
        hand.node(name);
        hand.turn();
        hand.reports(name);
    }
    while !hand.turn().is_empty() {}
    for name in ["n1", "n2"] {
        hand.comes_on(name);
        hand.converges(name);
    }
    while !hand.turn().is_empty() {}
    assert_eq!(hand.counted(), [("converged", 2)]);
    for gone in ["Unknown", "False"] {
        hand.readiness("n1", gone);
        while !hand.turn().is_empty() {}
        assert_eq!(hand.counted(), [("away", 1), ("converged", 1)], "{gone}");
    }
    hand.readiness("n1", "True");
    assert_eq!(hand.counted(), [("converged", 2)]);
    // An agent that another process keeps from its work is as far away.
    let idle = ("False", "Idle", "`shardplane up` has this machine");
    hand.says_of("n2", "Ready", idle);
    assert_eq!(hand.counted(), [("away", 1), ("converged", 1)]);
}

#[test]
fn whatever_a_node_waits_for_it_is_away_first() {
    // Nothing was heard of it yet.
    let mut hand = Hand::new(&MANUAL());
    hand.node("n1");
    hand.turn();
    assert_eq!(hand.counted(), [("silent", 1)]);
    hand.readiness("n1", "Unknown");
    assert_eq!(hand.counted(), [("away", 1)]);
    // It waits for approval.
    hand.readiness("n1", "True");
    hand.reports("n1");
    while !hand.turn().is_empty() {}
    assert_eq!(hand.counted(), [("approval", 1)]);
    hand.readiness("n1", "Unknown");
    assert_eq!(hand.counted(), [("away", 1)]);
    // It is at work.
    let mut hand = Hand::at_work(&automatic());
    hand.comes_on("n1");
    hand.turn();
    assert_eq!(hand.counted(), [("working", 1)]);
    hand.readiness("n1", "Unknown");
    assert_eq!(hand.counted(), [("away", 1)]);
}

/// A step may well be what a node went away of: whoever is told that it failed is not told the less then.
#[test]
fn a_node_on_which_a_step_failed_stands_failed() {
    let mut hand = Hand::at_work(&automatic());
    hand.ends("n1", GrantState::Halted);
    while !hand.turn().is_empty() {}
    assert_eq!(hand.counted(), [("failed", 1)]);
    hand.readiness("n1", "Unknown");
    assert_eq!(hand.counted(), [("failed", 1)]);
}
