//! Steps that failed, canaries that do not come and agents that do nothing: whom they hold, and whom not.
use std::sync::Arc;

use crd::kind::{GrantState, MdpMode};
use serde_json::{Value, json};

use super::{
    first,
    hand::{Hand, automatic},
};

/// Another policy, for nodes of that pool.
pub fn of_pool(hand: &mut Hand, pool: &str, rollout: &Value) {
    let mut other = (*hand.world.policies[0]).clone();
    other.metadata.name = Some(format!("of-{pool}"));
    other.metadata.uid = other.metadata.name.clone();
    other.status = None;
    let selector = json!({ "matchLabels": { "pool": pool } });
    other.spec.node_selector = serde_json::from_value(selector).unwrap();
    other.spec.rollout = serde_json::from_value(rollout.clone()).unwrap();
    hand.world.policies.push(Arc::new(other));
}

/// A world in which the first policy is for nodes of one pool.
pub fn pooled(pool: &str, rollout: &Value) -> Hand {
    let mut policy = automatic();
    policy["nodeSelector"] = json!({ "matchLabels": { "pool": pool } });
    policy["rollout"] = rollout.clone();
    Hand::new(&policy)
}

pub fn comes(hand: &mut Hand, name: &str, pool: &str) {
    let labels =
        json!({ "qualcomm.com/qaic": "true", "kubernetes.io/hostname": name, "pool": pool });
    hand.labelled(name, &labels);
    hand.turn();
    hand.reports(name);
}

pub fn turns(hand: &mut Hand) -> Vec<String> {
    (0..4).flat_map(|_| hand.turn()).collect()
}

/// A node comes, and a step of its grant fails.
fn fails(hand: &mut Hand, name: &str, pool: &str) {
    comes(hand, name, pool);
    hand.turn();
    assert_eq!(hand.grants(), [name]);
    hand.turn();
    hand.ends(name, GrantState::Halted);
    turns(hand);
}

/// The same SoC would be reset in vain again.
#[test]
fn what_failed_is_tried_again_for_what_is_declared_there_alone() {
    for here in [false, true] {
        let mut hand = pooled("a", &Value::Null);
        fails(&mut hand, "n1", "a");
        if here {
            hand.policy(|policy| policy.spec.mdp = Some(MdpMode::Enabled));
        } else {
            of_pool(&mut hand, "b", &Value::Null);
        }
        let turned = turns(&mut hand);
        let opened = turned.iter().any(|write| write.starts_with("open"));
        assert_eq!(opened, here, "{turned:?}");
    }
}

/// A step that failed for one policy is nothing to the nodes of another; its own are told which it was and what to do.
#[test]
fn a_failure_holds_the_nodes_of_its_own_policies() {
    let mut hand = pooled("a", &Value::Null);
    of_pool(&mut hand, "b", &Value::Null);
    fails(&mut hand, "n1", "a");
    for (name, pool) in [("n0", "a"), ("n2", "a"), ("n3", "b")] {
        comes(&mut hand, name, pool);
    }
    let granted: Vec<String> = (0..4).flat_map(|_| hand.grants()).collect();
    assert_eq!(granted, ["n3"]);
    hand.converges("n3");
    turns(&mut hand);
    let said = hand.policy_is("Ready");
    let expected = "False StepFailed: n1: a step failed; look at the card, then `kubectl delete changeplan rollout-0001";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with("tries again; not begun: n0, n2"), "{said}");
    let held = hand.world.plans.last().unwrap().status.as_ref().unwrap();
    let said = held
        .conditions
        .iter()
        .find(|said| said.type_ == "Ready")
        .unwrap();
    assert_eq!(said.reason, "RolloutStopped");
    let expected =
        "the rollout stops at the first failed node; n1: a step failed; look at the card";
    assert!(said.message.starts_with(expected), "{}", said.message);
}

/// A canary of one policy is nobody's whom that policy does not select.
#[test]
fn a_canary_that_is_away_holds_its_own_policys_nodes() {
    let canary = json!({ "canary": { "matchLabels": { "kubernetes.io/hostname": "n1" } } });
    let mut hand = pooled("a", &canary);
    of_pool(&mut hand, "b", &Value::Null);
    for (name, pool) in [("n1", "a"), ("n2", "a"), ("n3", "b")] {
        comes(&mut hand, name, pool);
    }
    hand.readiness("n1", "Unknown");
    let granted: Vec<String> = (0..3).flat_map(|_| hand.grants()).collect();
    assert_eq!(granted, ["n3"]);
}

/// Another process has the machine: its agent would take nothing up.
#[test]
fn an_agent_that_is_idle_is_waited_for_and_holds_nobody() {
    let mut hand = Hand::new(&automatic());
    for name in ["n1", "n2"] {
        hand.node(name);
        hand.turn();
        hand.reports(name);
    }
    let idle = ("False", "Idle", "`shardplane up` has this machine");
    hand.says_of("n1", "Ready", idle);
    let granted: Vec<String> = (0..3).flat_map(|_| hand.grants()).collect();
    assert_eq!(granted, ["n2"]);
    let said = hand.policy_says();
    assert!(said.contains("at work: n2"), "{said}");
}

/// A drain that is blocked for ever is tried again and again, and others are not kept from their turn by it.
#[test]
fn whose_turn_came_to_nothing_is_the_last_of_the_next() {
    let (mut hand, granted) = first(json!({}));
    assert_eq!(granted, ["n1"]);
    let mut all = Vec::new();
    for _ in 0..4 {
        hand.turn();
        hand.ends(all.last().map_or("n1", String::as_str), GrantState::Void);
        let turned: Vec<String> = (0..4).flat_map(|_| hand.grants()).collect();
        assert_eq!(turned.len(), 1, "{turned:?}");
        all.extend(turned);
    }
    assert_eq!(all, ["n2", "n3", "n1", "n2"]);
}

/// What failed and was tried again is the later rollout's to tell.
#[test]
fn a_failure_that_was_tried_again_stands_no_longer() {
    let mut hand = Hand::at_work(&automatic());
    hand.ends("n1", GrantState::Halted);
    turns(&mut hand);
    let told = |hand: &Hand| {
        let status = hand.world.plans[0].status.as_ref().unwrap();
        let mut said = status.conditions.iter();
        said.find(|said| said.type_ == "Ready")
            .unwrap()
            .reason
            .clone()
    };
    assert_eq!(told(&hand), "StepFailed");
    hand.request("now");
    turns(&mut hand);
    assert_eq!(told(&hand), "Superseded");
    hand.converges("n1");
    turns(&mut hand);
    assert_eq!(told(&hand), "Superseded");
}
