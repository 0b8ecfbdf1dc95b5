//! Rollouts that a policy pauses.
use serde_json::json;

use super::{Hand, MANUAL, first};

/// Nodes at work end, the others do not begin, and it goes on where it was.
#[test]
fn a_pause_begins_nothing_and_ends_what_is_under_way() {
    let (mut hand, granted) = first(json!({ "maxUnavailableNodes": 1 }));
    assert_eq!(granted, ["n1"]);
    hand.turn();
    assert_eq!(hand.told(), ["Granted n1 carries out 23 steps"]);
    hand.pauses(true);
    let turned = hand.turn();
    assert_eq!(
        turned,
        [
            "policy Applying",
            "group Applying",
            "plan 1 Applying n1:Applying"
        ],
        "both the work and the pause are said"
    );
    let [policy, plan] = hand.pending();
    let expected = "True Paused: CardPolicy quickstart pauses its rollout; nothing begins on n2, n3 before `rollout.paused` is taken away";
    assert_eq!((policy.as_str(), plan.as_str()), (expected, expected));
    assert_eq!(hand.told(), [format!("Paused {}", &expected[13..])]);
    assert_eq!(hand.turn(), [""; 0]);

    // What its agent waits for goes on: it is under way.
    hand.awaits("n1");
    assert_eq!(hand.turn(), ["taint n1"]);
    assert_eq!(hand.turn(), ["drained 4 on n1"]);
    hand.converges("n1");
    assert_eq!(
        hand.turn(),
        [
            "policy Paused",
            "group Paused",
            "plan 1 Paused n1:Converged"
        ]
    );
    assert_eq!(hand.turn(), ["withdraw n1", "untaint n1"]);
    assert_eq!(hand.turn(), [""; 0]);
    assert_eq!(hand.told(), ["Converged every step was verified on n1"]);

    hand.pauses(false);
    assert_eq!(hand.turn()[..2], ["grant n2", "policy Applying"]);
    assert_eq!(hand.told(), ["Resumed its rollout goes on"]);
    assert!(hand.pending()[0].starts_with("False NothingPending"));
}

/// Leave is asked for all the same, and given in vain as long as the pause lasts.
#[test]
fn whoever_approves_a_paused_rollout_begins_nothing() {
    let mut policy = MANUAL();
    policy["rollout"] = json!({ "paused": true });
    let mut hand = Hand::new(&policy);
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    hand.turn();
    assert_eq!(hand.turn()[0], "policy AwaitingApproval");
    hand.approve(&hand.rollout_digest());
    let held = ["policy Paused", "group Paused", "plan 1 Paused"];
    assert_eq!(hand.turn(), held);
    assert_eq!(hand.turn(), [""; 0]);
    hand.pauses(false);
    assert_eq!(hand.turn()[0], "grant n1");
}

/// Others wait for a canary whatever that one waits for.
#[test]
fn a_pause_of_the_canarys_policy_holds_the_others() {
    let (mut hand, granted) = first(json!({
        "maxUnavailableNodes": 3,
        "canary": { "matchLabels": { "kubernetes.io/hostname": "n3" } },
    }));
    assert_eq!(granted, ["n3"]);
    hand.turn();
    hand.pauses(true);
    hand.turn();
    hand.converges("n3");
    for _ in 0..4 {
        assert_eq!(hand.grants(), [""; 0]);
    }
    hand.pauses(false);
    assert_eq!(hand.grants(), ["n1", "n2"]);
}
