//! What policies and groups say of each other's trouble, and when nothing has to be said.
use crd::kind::Enforcement;
use serde_json::json;

use super::{Hand, automatic, first};

/// Registers change and sets are verified all the time: a group's status is written when a node begins or ends.
#[test]
fn a_node_at_work_that_comes_on_changes_no_status() {
    let (mut hand, _) = first(json!({ "maxUnavailableNodes": 2 }));
    hand.turn();
    assert_eq!(hand.turn(), [""; 0]);
    for name in ["n1", "n2"] {
        hand.comes_on(name);
        assert_eq!(hand.turn(), [""; 0], "{name}");
    }
    hand.converges("n1");
    assert!(hand.turn().contains(&"group Applying".to_owned()));
    let status = hand.world.groups[0].status.clone().unwrap();
    assert_eq!((status.sets, status.verified_sets), (Some(1), Some(1)));
}

/// What was proven with ports relaxed is not proven with them as they were, whether or not anybody is to change them.
#[test]
fn a_proof_of_another_state_is_none() {
    let (mut hand, _) = first(json!({ "maxUnavailableNodes": 2 }));
    hand.turn();
    for name in ["n1", "n2"] {
        hand.comes_on(name);
        hand.converges(name);
    }
    for _ in 0..3 {
        hand.turn();
    }
    let verified = |hand: &Hand| hand.world.groups[0].status.clone().unwrap().verified_sets;
    assert_eq!(verified(&hand), Some(2));
    hand.policy(|policy| policy.spec.enforcement = Enforcement::Observe);
    hand.ports_are_set_back("n1");
    for _ in 0..3 {
        hand.turn();
    }
    assert_eq!(verified(&hand), Some(1));
}

/// A machine that is not as declared is not said to be, only because nobody is to change it.
#[test]
fn what_only_observes_says_what_would_be_done() {
    let mut policy = automatic();
    policy["enforcement"] = json!("Observe");
    let mut hand = Hand::new(&policy);
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    let turned = hand.turn();
    assert_eq!(turned, ["policy ObserveOnly", "group ObserveOnly"]);
    let said = hand.policy_says();
    assert!(
        said.starts_with("1 of 1 nodes are not as declared (n1), and their policy only observes: on n1 Enforce would do ")
            && said.ends_with("; declare `enforcement: Enforce` to have it done"),
        "{said}"
    );
    assert_eq!(
        hand.world.policies[0]
            .status
            .as_ref()
            .unwrap()
            .converged_nodes,
        Some(0)
    );
    assert_eq!(hand.turn(), [""; 0]);
}

/// Its own goals are met, so it is Ready; that its cards are not of all the use that was declared, it says beside that.
#[test]
fn a_policy_is_degraded_where_a_group_is_blocked() {
    let mut hand = Hand::new(&automatic());
    hand.too_large();
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    let turned = hand.turn();
    assert_eq!(turned[0], "policy AsDeclared");
    assert!(turned[1].starts_with("group "), "{turned:?}");
    let said = hand.policy_says();
    assert_eq!(
        said,
        "all of 1 nodes are as it declares; what others declare is blocked on n1"
    );
    let degraded = hand.policy_is("Degraded");
    assert!(degraded.starts_with("True "), "{degraded}");
    assert_eq!(hand.turn(), [""; 0]);

    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    hand.turn();
    assert!(
        hand.policy_is("Degraded")
            .starts_with("False NothingBlocked")
    );
}

/// A SKU in other words than the tool's: nothing stands against the policy, and nothing of it is done.
#[test]
fn a_policy_that_selects_no_soc_says_so() {
    for (sku, reason) in [("PCIe Standard", "NoSocs"), ("PCIe Ultra", "Applying")] {
        let mut policy = automatic();
        policy["devices"] = json!({ "skus": [sku] });
        policy["mdp"] = json!("Enabled");
        let mut hand = Hand::new(&policy);
        hand.world.groups.clear();
        hand.node("n1");
        hand.turn();
        hand.reports("n1");
        for _ in 0..3 {
            hand.turn();
        }
        let said = hand.policy_is("Ready");
        assert!(said.contains(reason), "{said}");
        let named = said.contains("on n1 it selects no SoC") && said.contains("PCIe Ultra");
        assert_eq!(named, reason == "NoSocs", "{said}");
    }
}
