//! What a policy changed is put back under that policy's own rules, as long as it is there.
use std::collections::BTreeMap;

use crd::kind::{GrantState, MdpMode, NodeSelector};
use serde_json::{Value, json};

use super::{
    again::{comes, pooled, turns},
    draining::{plain, told},
    hand::Hand,
};
use crate::cluster::controller::maintenance::Maintenance;

/// Two nodes as a policy declares them, with a group's sets on each, or with what is the policy's own.
fn converged(group: bool) -> Hand {
    let mut hand = pooled("a", &Value::Null);
    if !group {
        hand.world.groups.clear();
    }
    hand.policy(|policy| {
        if !group {
            policy.spec.mdp = Some(MdpMode::Enabled);
        }
        let deletion = json!({ "rule": "Revert", "mdp": true });
        policy.spec.deletion_policy = serde_json::from_value(deletion).unwrap();
    });
    for name in ["n1", "n2"] {
        comes(&mut hand, name, "a");
        hand.turn();
        assert_eq!(hand.grants(), [name]);
        hand.turn();
        hand.converges(name);
        turns(&mut hand);
    }
    assert_eq!(hand.turn(), [""; 0]);
    hand
}

fn of_others() -> Option<NodeSelector> {
    serde_json::from_value(json!({ "matchLabels": { "pool": "none" } })).unwrap()
}

/// A way in which nodes leave a policy.
type Leave = (&'static str, fn(&mut Hand));

/// It is deleted, or it selects them no more.
const LEAVE: [Leave; 2] = [
    ("deleted", Hand::deletes_all),
    ("of others", |hand| {
        hand.policy(|policy| policy.spec.node_selector = of_others());
    }),
];

/// What a policy's rollout says by then, and the nodes that begin.
type Rule = (Value, &'static [&'static str]);

#[test]
fn budget_pause_and_windows_of_a_policy_hold_for_what_it_leaves() {
    // The world's clock stands at a Thursday, 00:00.
    let on = |day: &str| json!({ "windows": [{ "days": [day], "start": "00:00", "minutes": 60 }] });
    let rules: [Rule; 6] = [
        (Value::Null, &["n1"]),
        (json!({ "maxUnavailableNodes": 2 }), &["n1", "n2"]),
        (json!({ "paused": true }), &[]),
        (json!({ "paused": false }), &["n1"]),
        (on("Thu"), &["n1"]),
        (on("Fri"), &[]),
    ];
    for (how, leave) in LEAVE {
        for (rollout, begin) in &rules {
            let mut hand = converged(false);
            hand.policy(|policy| {
                policy.spec.rollout = serde_json::from_value(rollout.clone()).unwrap();
            });
            leave(&mut hand);
            let granted: Vec<String> = (0..4).flat_map(|_| hand.grants()).collect();
            assert_eq!(granted, *begin, "{how}: {rollout}");
        }
    }
}

/// Whoever lets go of a pause on a policy that is being deleted has what it changed put back.
#[test]
fn a_policy_that_goes_can_be_let_go_on() {
    let mut hand = converged(true);
    hand.pauses(true);
    hand.deletes_all();
    turns(&mut hand);
    assert_eq!(hand.grants(), [""; 0]);
    hand.pauses(false);
    assert_eq!(hand.grants(), ["n1"]);
}

/// What is taken back and is declared again meanwhile is left as it is.
#[test]
fn what_is_declared_again_is_taken_back_no_further() {
    let here: Option<NodeSelector> =
        serde_json::from_value(json!({ "matchLabels": { "pool": "a" } })).unwrap();
    let of_group = |gone: bool, hand: &mut Hand, kept: &mut Vec<_>| {
        if gone {
            kept.append(&mut hand.world.groups);
        } else {
            hand.world.groups.append(kept);
        }
    };
    for again in [true, false] {
        for group in [true, false] {
            let mut hand = converged(group);
            let mut kept = Vec::new();
            let mut change = |hand: &mut Hand, gone: bool| {
                if group {
                    of_group(gone, hand, &mut kept);
                } else {
                    let selector = if gone { of_others() } else { here.clone() };
                    hand.policy(|policy| policy.spec.node_selector = selector);
                }
            };
            change(&mut hand, true);
            hand.turn();
            assert_eq!(hand.grants(), ["n1"]);
            hand.turn();
            hand.ends("n1", GrantState::Working);
            hand.turn();
            if again {
                change(&mut hand, false);
            }
            let turned = turns(&mut hand);
            let back = turned.contains(&"withdraw n1".to_owned());
            assert_eq!(back, again, "group {group}: {turned:?}");
        }
    }
}

/// A window that closes lets a batch end, and none begin.
#[test]
fn no_batch_begins_in_a_window_that_has_closed() {
    for (waits, later, goes_on) in [(true, 59, true), (true, 60, false), (false, 60, true)] {
        let rollout = json!({ "windows": [{ "days": ["Thu"], "start": "00:00", "minutes": 60 }] });
        let mut hand = pooled("a", &rollout);
        comes(&mut hand, "n1", "a");
        hand.turn();
        assert_eq!(hand.grants(), ["n1"]);
        hand.turn();
        if waits {
            hand.awaits_drain("n1", &[]);
        } else {
            hand.ends("n1", GrantState::Working);
        }
        hand.later(std::time::Duration::from_mins(later));
        let turned = turns(&mut hand);
        let back = turned.contains(&"withdraw n1".to_owned());
        assert_eq!(back, !goes_on, "{waits} {later}: {turned:?}");
        let outcome = &hand.world.plans[0].status.as_ref().unwrap().nodes[0];
        let why = outcome.why.as_deref().unwrap_or_default();
        assert_eq!(why.starts_with("its window has closed"), back, "{why}");
    }
}

/// Evictions are handed off for what a policy leaves as for what it declares.
#[test]
fn evictions_for_what_is_left_are_handed_off_too() {
    let mut hand = converged(true);
    let drain = json!({ "timeoutSeconds": 900, "handOff": "NodeMaintenance" });
    hand.policy(|policy| policy.spec.drain = serde_json::from_value(drain).unwrap());
    hand.world.maintenance = Maintenance::Served(BTreeMap::new());
    hand.deletes_all();
    turns(&mut hand);
    hand.awaits_drain("n1", &[told(0, "a")]);
    hand.pods("n1", vec![plain("a")]);
    let turned = turns(&mut hand);
    assert!(
        turned.contains(&"request n1 within 900".to_owned()),
        "{turned:?}"
    );
    assert!(
        !turned.iter().any(|write| write.starts_with("evict")),
        "{turned:?}"
    );
}
