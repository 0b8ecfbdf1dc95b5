//! A grant at work, and somebody changes what it was planned for: what is not asked for any more goes no further.
use std::sync::Arc;

use crd::kind::{Enforcement, GrantState, MdpMode, NodeSelector, P2PGroupSpec};
use serde_json::json;

use super::{
    draining::{plain, told},
    hand::{Hand, automatic},
};

/// What somebody changes, and what is said to the rollout of it.
type Change = (&'static str, fn(&mut Hand), Option<&'static str>);

fn group(hand: &mut Hand, change: impl FnOnce(&mut P2PGroupSpec)) {
    let mut group = (*hand.world.groups[0]).clone();
    change(&mut group.spec);
    hand.world.groups[0] = Arc::new(group);
}

fn of_others() -> NodeSelector {
    serde_json::from_value(json!({ "matchLabels": { "pool": "other" } })).unwrap()
}

const CHANGES: [Change; 10] = [
    ("nothing", |_| {}, None),
    ("a pause", |hand| hand.pauses(true), None),
    (
        "another setting",
        |hand| {
            hand.policy(|policy| {
                policy.spec.driver = Some(crd::kind::DriverPolicy {
                    control_response_timeout_seconds: Some(2600),
                    persistence: None,
                });
            });
        },
        None,
    ),
    (
        "no group",
        |hand| hand.world.groups.clear(),
        Some("P2PGroup/quad is not declared for it any more"),
    ),
    (
        "a group of others",
        |hand| group(hand, |spec| spec.node_selector = Some(of_others())),
        Some("P2PGroup/quad is not declared for it any more"),
    ),
    (
        "pairs",
        |hand| group(hand, |spec| spec.size = 2),
        Some("P2PGroup/quad has sets of 2 SoCs now"),
    ),
    (
        "a policy that observes",
        |hand| hand.policy(|policy| policy.spec.enforcement = Enforcement::Observe),
        Some("its policies only observe now"),
    ),
    (
        "one policy more",
        |hand| {
            let mut other = (*hand.world.policies[0]).clone();
            other.metadata.name = Some("second".to_owned());
            other.metadata.uid = other.metadata.name.clone();
            hand.world.policies.push(Arc::new(other));
        },
        Some("it is other policies' now"),
    ),
    (
        "a policy of others",
        |hand| hand.policy(|policy| policy.spec.node_selector = Some(of_others())),
        Some("no policy is for it any more"),
    ),
    (
        "no policy",
        Hand::deletes_all,
        Some("no policy is for it any more"),
    ),
];

#[test]
fn what_is_asked_for_no_more_goes_no_further() {
    for (name, change, expected) in CHANGES {
        let mut hand = Hand::at_work(&automatic());
        hand.ends("n1", GrantState::Working);
        hand.turn();
        change(&mut hand);
        let turned: Vec<String> = (0..3).flat_map(|_| hand.turn()).collect();
        let back = turned.contains(&"withdraw n1".to_owned());
        assert_eq!(back, expected.is_some(), "{name}: {turned:?}");
        assert!(
            !turned.iter().any(|write| write.starts_with("open")),
            "{name}: {turned:?}"
        );
        let told = hand.world.plans[0].status.as_ref().unwrap();
        let why = told.nodes[0].why.as_deref().unwrap_or_default();
        let whole = "what it has in hand ends, and no step follows";
        let expected = expected.map(|said| format!("{said}: {whole}"));
        assert_eq!(why, expected.unwrap_or_default(), "{name}");
    }
}

/// Partitioning that was asked for SoC by SoC, and is now asked for the other way, or not at all.
#[test]
fn partitioning_goes_on_as_long_as_a_policy_declares_it() {
    for (mode, goes_on) in [
        (Some(MdpMode::Enabled), true),
        (Some(MdpMode::Disabled), false),
        (Some(MdpMode::Groups), false),
        (None, false),
    ] {
        let mut policy = automatic();
        policy["mdp"] = json!("Enabled");
        let mut hand = Hand::new(&policy);
        hand.world.groups.clear();
        let mut hand = hand.begun();
        hand.ends("n1", GrantState::Working);
        hand.policy(|policy| policy.spec.mdp = mode);
        let turned: Vec<String> = (0..2).flat_map(|_| hand.turn()).collect();
        let back = turned.contains(&"withdraw n1".to_owned());
        assert_eq!(back, !goes_on, "{mode:?}: {turned:?}");
    }
}

/// Who holds SoCs is not evicted in the very turn in which that is found out.
#[test]
fn nobody_is_evicted_for_what_is_asked_for_no_more() {
    for gone in [false, true] {
        let mut hand = Hand::at_work(&automatic());
        hand.pods("n1", vec![plain("serve")]);
        hand.awaits_drain("n1", &[told(0, "serve")]);
        if gone {
            hand.world.groups.clear();
        }
        let turned: Vec<String> = (0..3).flat_map(|_| hand.turn()).collect();
        let evicted = turned.iter().any(|write| write.starts_with("evict"));
        assert_eq!(evicted, !gone, "{turned:?}");
    }
}
