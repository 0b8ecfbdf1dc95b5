//! Agents that say nothing while a grant lies there for them: what would not be given any more is taken back.
use std::time::Duration;

use crd::{
    id::NodeName,
    kind::{GrantState, NodeProgress},
};
use serde_json::{Value, json};

use super::hand::{Hand, MANUAL, automatic};

/// A node with a grant that its agent has not taken up.
fn granted(policy: &Value, approve: bool) -> Hand {
    let mut hand = Hand::new(policy);
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    hand.turn();
    if approve {
        hand.turn();
        hand.approve(&hand.rollout_digest());
    }
    assert_eq!(hand.turn()[0], "grant n1");
    assert!(hand.turn()[0].ends_with("n1:Applying"));
    assert_eq!(hand.turn(), [""; 0]);
    hand
}

/// Everything that a few turns write.
fn turns(hand: &mut Hand) -> Vec<String> {
    (0..6).flat_map(|_| hand.turn()).collect()
}

fn declared(hand: &mut Hand, change: impl FnOnce(&mut Value)) {
    hand.policy(|policy| {
        let mut spec = serde_json::to_value(&policy.spec).unwrap();
        change(&mut spec);
        policy.spec = serde_json::from_value(spec).unwrap();
    });
}

/// What was done about a grant, and what its rollout says of the node.
fn taken_back(hand: &mut Hand, why: &str) -> Vec<String> {
    let all = turns(hand);
    assert!(all.contains(&"withdraw n1".to_owned()), "{why}: {all:?}");
    let told = hand.world.plans[0].status.as_ref().unwrap();
    let said = told.nodes[0].why.as_deref().unwrap_or_default();
    assert!(said.contains("taken back") && said.contains(why), "{said}");
    assert_eq!(hand.turn(), [""; 0], "{why}");
    all
}

#[test]
fn what_is_not_declared_any_more_is_taken_back() {
    let mut hand = granted(&automatic(), false);
    declared(&mut hand, |spec| spec["enforcement"] = json!("Observe"));
    let all = taken_back(&mut hand, "would be others");
    assert!(
        !all.iter().any(|write| write.starts_with("open")),
        "{all:?}"
    );
}

/// Nobody gave leave, nothing was granted, and then it was not wanted any more: no step of it was carried out, and the
/// rollout does not say so.
#[test]
fn what_was_never_granted_is_not_said_to_be_done() {
    let mut hand = Hand::new(&MANUAL());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    let all = turns(&mut hand);
    assert!(
        all.contains(&"policy AwaitingApproval".to_owned()),
        "{all:?}"
    );
    declared(&mut hand, |spec| spec["enforcement"] = json!("Observe"));
    turns(&mut hand);
    let told = hand.world.plans[0].status.as_ref().unwrap();
    assert_eq!(told.nodes[0].outcome, NodeProgress::Stale);
    let ready = told
        .conditions
        .iter()
        .find(|one| one.type_ == "Ready")
        .unwrap();
    assert_eq!(ready.reason, "Superseded");
    assert!(
        ready
            .message
            .contains("on n1 none of its steps was carried out"),
        "{}",
        ready.message
    );
    assert_eq!(hand.turn(), [""; 0]);
}

#[test]
fn what_nobody_lets_go_ahead_any_more_is_taken_back() {
    // Leave of the rollout's own, withdrawn; and a policy that asks for more than before.
    let mut hand = granted(&MANUAL(), true);
    hand.disapprove();
    let all = taken_back(&mut hand, "nobody's leave");
    assert!(
        all.contains(&"policy AwaitingApproval".to_owned()),
        "{all:?}"
    );

    let mut hand = granted(&automatic(), false);
    declared(&mut hand, |spec| spec["approval"]["mode"] = json!("Manual"));
    let all = taken_back(&mut hand, "nobody's leave");
    assert!(
        all.contains(&"policy AwaitingApproval".to_owned()),
        "{all:?}"
    );
}

#[test]
fn what_its_window_has_closed_on_waits_for_the_next_one_and_is_not_asked_for_twice() {
    // The world's clock stands at a Thursday, 00:00.
    let mut policy = MANUAL();
    policy["rollout"] =
        json!({ "windows": [{ "days": ["Thu"], "start": "00:00", "minutes": 60 }] });
    let mut hand = granted(&policy, true);
    hand.later(Duration::from_mins(61));
    let all = taken_back(&mut hand, "window has closed");
    assert!(all.contains(&"policy AwaitingWindow".to_owned()), "{all:?}");
    hand.later(Duration::from_hours(7 * 24 - 1));
    assert!(hand.turn().contains(&"grant n1".to_owned()));
}

#[test]
fn what_was_taken_up_goes_on() {
    for state in [GrantState::Working, GrantState::Converged] {
        let mut hand = granted(&MANUAL(), true);
        hand.ends("n1", state);
        hand.disapprove();
        declared(&mut hand, |spec| {
            spec["rollout"] = json!({ "paused": true });
        });
        let all = turns(&mut hand);
        let told = hand.world.plans[0].status.as_ref().unwrap();
        let expected = match state {
            GrantState::Working => NodeProgress::Applying,
            _ => NodeProgress::Converged,
        };
        assert_eq!(told.nodes[0].outcome, expected);
        assert_eq!(
            all.contains(&"withdraw n1".to_owned()),
            state == GrantState::Converged
        );
    }
}

/// A server that dies at work is not waited for as long as all of its steps might take: what it has in hand ends, and the others
/// have their turn. It is planned anew once it is back.
#[test]
fn a_node_that_is_away_at_work_is_given_up_for_now() {
    for taken_up in [true, false] {
        let mut hand = Hand::new(&automatic());
        hand.node("n1");
        hand.node("n2");
        hand.turn();
        hand.reports("n1");
        hand.reports("n2");
        hand.turn();
        assert_eq!(hand.grants(), ["n1"]);
        hand.turn();
        if taken_up {
            hand.comes_on("n1");
        }
        hand.turn();
        hand.readiness("n1", "Unknown");
        turns(&mut hand);
        hand.later(Duration::from_secs(599));
        assert_eq!(turns(&mut hand), [""; 0], "{taken_up}");
        hand.later(Duration::from_secs(1));
        let all = turns(&mut hand);
        assert!(all.contains(&"withdraw n1".to_owned()), "{all:?}");
        let told = hand.world.plans[0].status.as_ref().unwrap();
        let said = told.nodes[0].why.as_deref().unwrap();
        assert!(
            said.contains("is not ready (the kubelet stopped posting) for 10 minutes"),
            "{said}"
        );
        // A step that it may have in hand keeps the budget until it is over, and no longer.
        let begins = "grant n2".to_owned();
        assert_eq!(all.contains(&begins), !taken_up, "{all:?}");
        if taken_up {
            hand.later(Duration::from_mins(31));
            let all = turns(&mut hand);
            assert!(all.contains(&begins), "{all:?}");
        }
        assert_eq!(turns(&mut hand), [""; 0]);
        hand.converges("n2");
        hand.readiness("n1", "True");
        if taken_up {
            hand.gives_up("n1", false);
        }
        let all = turns(&mut hand);
        assert!(all.contains(&"grant n1".to_owned()), "{all:?}");
    }
}

/// A clock that is ahead of the server's makes no minutes of seconds.
#[test]
fn a_node_is_away_since_it_was_seen_to_go() {
    for seen in [true, false] {
        let mut hand = granted(&automatic(), false);
        hand.comes_on("n1");
        hand.readiness("n1", "Unknown");
        hand.later(Duration::from_mins(10));
        if seen {
            let now = hand.world.now;
            hand.world.absences.insert(NodeName("n1".into()), now);
        }
        let back = turns(&mut hand).contains(&"withdraw n1".to_owned());
        assert_eq!(back, !seen);
        hand.later(Duration::from_mins(10));
        let back = turns(&mut hand).contains(&"withdraw n1".to_owned());
        assert_eq!(back, seen);
    }
}
