//! Policies that are deleted and stay until what they changed is put back.
use std::time::Duration;

use crd::kind::GrantState;
use serde_json::json;

use super::{Hand, automatic, hand::MANUAL};

/// These nodes as the policy declares them, on each something that is to be put back; and then all is deleted.
fn deleted(nodes: &[&str], timeout: Option<u32>) -> Hand {
    let mut policy = automatic();
    policy["rollout"] = json!({ "maxUnavailableNodes": 9 });
    policy["deletionPolicy"]["revertTimeoutSeconds"] = json!(timeout);
    let mut hand = Hand::new(&policy);
    for name in nodes {
        hand.node(name);
    }
    hand.turn();
    for name in nodes {
        hand.reports(name);
    }
    hand.turn();
    assert_eq!(hand.grants(), nodes);
    hand.turn();
    for name in nodes {
        hand.converges(name);
    }
    for _ in 0..3 {
        hand.turn();
    }
    assert_eq!(hand.turn(), [""; 0]);
    hand.deletes_all();
    hand
}

/// The same, and they are put back one after the other.
fn deleted_by_turns(nodes: &[&str]) -> Hand {
    let mut hand = deleted(nodes, Some(60));
    hand.policy(|policy| policy.spec.rollout = None);
    hand
}

/// What is granted is carried out: the machine is as before.
fn put_back(hand: &mut Hand, name: &str) {
    hand.ends(name, GrantState::Converged);
    hand.reports(name);
}

#[test]
fn only_a_policy_that_reverts_is_kept() {
    let mut hand = Hand::new(&automatic());
    hand.turn();
    for (deletion, expected) in [
        (json!({ "rule": "Retain" }), &["release policy"][..]),
        (json!({ "rule": "Retain" }), &[]),
        (json!({ "rule": "Revert" }), &["keep policy"]),
        (json!(null), &["release policy"]),
    ] {
        hand.deletion(&deletion);
        assert_eq!(hand.turn(), expected, "{deletion}");
    }
    // Nothing was ever done: it goes at once.
    hand.deletion(&json!({ "rule": "Revert" }));
    assert_eq!(hand.turn(), ["keep policy"]);
    hand.node("n1");
    hand.turn();
    hand.turn();
    hand.deletes_all();
    assert!(hand.turn().contains(&"release policy".to_owned()));
    assert_eq!(hand.turn(), [""; 0]);
}

#[test]
fn it_goes_when_all_is_put_back() {
    let mut hand = deleted(&["n1", "n2"], None);
    assert_eq!(hand.turn(), ["open 2 of n1 n2", "policy Planning"]);
    let turned = hand.turn();
    assert_eq!(
        turned,
        ["grant n1", "grant n2", "policy Applying", "plan 2 Applying"],
        "the budget is the policy's"
    );
    let said = hand.policy_says();
    for part in [
        "it is being deleted, and what it changed is put back first; 0 of 2 nodes",
        "; `kubectl annotate cardpolicy quickstart shardplane.dev/release=now` lets it go at once",
    ] {
        assert!(said.contains(part), "{said}");
    }
    hand.turn();
    for name in ["n1", "n2"] {
        put_back(&mut hand, name);
        let mut turned = Vec::new();
        for _ in 0..4 {
            turned.extend(hand.turn());
        }
        let released = turned.contains(&"release policy".to_owned());
        assert_eq!(released, name == "n2", "{name}: {turned:?}");
    }
    assert_eq!(hand.turn(), [""; 0]);
}

#[test]
fn nodes_that_cannot_be_reached_are_listed_and_waited_for_so_long() {
    for timeout in [None, Some(60)] {
        let mut hand = deleted(&["n1", "n2"], timeout);
        hand.readiness("n2", "Unknown");
        hand.turn();
        assert_eq!(hand.grants(), ["n1"], "others are put back meanwhile");
        hand.turn();
        put_back(&mut hand, "n1");
        for _ in 0..3 {
            hand.turn();
        }
        assert_eq!(hand.turn(), [""; 0]);
        let said = hand.policy_says();
        let until = if timeout.is_some() {
            "00:01:00"
        } else {
            "01:00:00"
        };
        let expected = format!(
            "it is being deleted, and what it changed is put back first; waiting until 1970-01-01T{until}.000Z for what cannot be reached: n2 (its Node is not ready (the kubelet stopped posting)); `kubectl annotate"
        );
        assert!(said.starts_with(&expected), "{said}");
        let patience = u64::from(timeout.unwrap_or(3600));
        hand.later(Duration::from_secs(patience - 1));
        assert_eq!(hand.turn(), [""; 0]);
        hand.later(Duration::from_secs(1));
        assert_eq!(hand.turn(), ["release policy"]);
        // Its ledger knows: it is put back when it is there again.
        hand.readiness("n2", "True");
        assert_eq!(hand.grants(), ["n2"]);
    }
}

#[test]
fn a_node_that_is_gone_is_waited_for_too() {
    let mut hand = deleted(&["n1"], None);
    hand.loses("n1");
    for _ in 0..3 {
        hand.turn();
    }
    let said = hand.policy_says();
    assert!(said.contains("n1 (its Node is gone)"), "{said}");
    // What was known of it is forgotten, and with that what would have to be put back.
    hand.later(Duration::from_mins(30));
    assert_eq!(hand.turn(), ["delete n1"]);
    assert_eq!(hand.turn(), ["release policy"]);
}

/// Whatever stands in the way.
#[test]
fn the_annotation_lets_it_go_at_once() {
    let mut hand = deleted(&["n1"], None);
    hand.turn();
    assert_eq!(hand.grants(), ["n1"]);
    hand.turn();
    hand.ends("n1", GrantState::Halted);
    for _ in 0..3 {
        hand.turn();
    }
    assert_eq!(hand.turn(), [""; 0]);
    let said = hand.policy_says();
    assert!(
        said.contains("first; n1: a step failed; look at the card"),
        "{said}"
    );
    hand.later(Duration::from_hours(48));
    assert_eq!(
        hand.turn(),
        [""; 0],
        "it can be reached: nothing is given up by itself"
    );
    hand.releases();
    assert_eq!(hand.turn(), ["release policy"]);
}

/// One whose agent is dead is no sooner heard of than one whose Node is away, and nobody waits behind it for ever.
#[test]
fn an_agent_that_takes_nothing_up_is_waited_for_so_long() {
    let mut hand = deleted(&["n1"], Some(60));
    hand.turn();
    assert_eq!(hand.grants(), ["n1"]);
    hand.turn();
    hand.later(Duration::from_secs(59));
    for _ in 0..3 {
        assert!(!hand.turn().contains(&"release policy".to_owned()));
    }
    hand.later(Duration::from_secs(1));
    let turned: Vec<String> = (0..3).flat_map(|_| hand.turn()).collect();
    assert!(turned.contains(&"release policy".to_owned()), "{turned:?}");
}

#[test]
fn whose_turn_does_not_come_is_not_waited_for_longer_than_whom_it_waits_for() {
    let mut hand = deleted_by_turns(&["n1", "n2"]);
    hand.turn();
    assert_eq!(hand.grants(), ["n1"]);
    hand.turn();
    hand.comes_on("n1");
    hand.turn();
    hand.readiness("n1", "Unknown");
    for _ in 0..3 {
        assert!(!hand.turn().contains(&"release policy".to_owned()));
    }
    let said = hand.policy_says();
    let who = "next: n2; at work before: n1 (its Node is not ready";
    assert!(said.contains(who), "{said}");
    hand.later(Duration::from_mins(1));
    let turned: Vec<String> = (0..3).flat_map(|_| hand.turn()).collect();
    assert!(turned.contains(&"release policy".to_owned()), "{turned:?}");
    // While the one at work can be reached, all are waited for.
    let mut hand = deleted_by_turns(&["n1", "n2"]);
    hand.turn();
    assert_eq!(hand.grants(), ["n1"]);
    hand.turn();
    hand.comes_on("n1");
    hand.later(Duration::from_mins(1));
    for _ in 0..3 {
        assert!(!hand.turn().contains(&"release policy".to_owned()));
    }
}

/// As long as ports are relaxed it is said so, whether or not anything can be done about it, and no sooner.
#[test]
fn isolation_is_told_as_the_agents_tell_it() {
    let mut hand = Hand::new(&MANUAL());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    for _ in 0..3 {
        hand.turn();
    }
    let before = hand.policy_is("IsolationReduced");
    assert_eq!(
        before, "False Isolated: no port is relaxed",
        "what is only planned"
    );
    let mut hand = deleted(&["n1"], None);
    let relaxed = "ACS is relaxed on 4 ports, so that SoCs reach each other directly";
    hand.says_of("n1", "IsolationReduced", ("True", "AcsRelaxed", relaxed));
    hand.readiness("n1", "Unknown");
    for _ in 0..3 {
        hand.turn();
    }
    let said = hand.policy_is("IsolationReduced");
    assert!(
        said.starts_with("True AcsRelaxed: n1: ACS is relaxed on "),
        "{said}"
    );
}

/// Steps that a policy asked for go no further once nobody does.
#[test]
fn what_nobody_declares_any_more_goes_no_further() {
    for rule in ["Retain", "Revert"] {
        let mut policy = automatic();
        policy["deletionPolicy"]["rule"] = json!(rule);
        let mut hand = Hand::at_work(&policy);
        hand.ends("n1", GrantState::Working);
        assert!(!hand.turn().contains(&"withdraw n1".to_owned()));
        hand.deletes_all();
        let turned: Vec<String> = (0..3).flat_map(|_| hand.turn()).collect();
        assert!(turned.contains(&"withdraw n1".to_owned()), "{turned:?}");
        assert!(
            !turned.iter().any(|write| write.starts_with("open")),
            "{turned:?}"
        );
        let told = hand.world.plans[0].status.as_ref().unwrap();
        let why = told.nodes[0].why.as_deref().unwrap_or_default();
        assert!(why.contains("no policy is for it any more"), "{why}");
    }
}
