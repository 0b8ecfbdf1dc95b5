//! Turns of the controller over worlds made by hand: what each is to write, in a word a write.
mod again;
mod approval;
mod asked;
mod batches;
mod clocks;
mod counted;
mod departing;
mod draining;
mod hand;
mod in_hand;
mod lacking;
mod leaving;
mod maintenance;
mod pausing;
mod silent;
mod told;
pub mod ultra;

use std::time::Duration;

use crd::kind::GrantState;
use serde_json::json;

use hand::{Hand, MANUAL, automatic};

/// A node that was not heard of, one that was, and how a rollout opens, goes on and ends.
#[test]
fn a_node_is_made_heard_of_planned_granted_and_left() {
    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    assert_eq!(
        hand.turn(),
        ["make n1", "policy AgentSilent", "group AgentSilent"]
    );
    assert_eq!(hand.turn(), ["policy NodeUnreadable"]);
    assert_eq!(hand.turn(), [""; 0], "nothing has changed");

    hand.reports("n1");
    assert_eq!(
        hand.turn(),
        ["open 1 of n1", "policy Planning", "group Planning"]
    );
    assert_eq!(
        hand.turn(),
        [
            "grant n1",
            "policy Applying",
            "group Applying",
            "plan 1 Applying"
        ]
    );
    assert_eq!(hand.turn(), ["plan 1 Applying n1:Applying"]);
    assert_eq!(hand.turn(), [""; 0]);

    // The agent stands where work is kept off: first the taint, then the word.
    hand.awaits("n1");
    assert_eq!(hand.turn(), ["taint n1"]);
    assert_eq!(hand.turn(), ["drained 4 on n1"]);
    assert_eq!(hand.turn(), [""; 0]);

    hand.converges("n1");
    assert_eq!(
        hand.turn(),
        [
            "policy AsDeclared",
            "group AsDeclared",
            "plan 1 Converged n1:Converged"
        ]
    );
    assert_eq!(hand.turn(), ["withdraw n1", "untaint n1"]);
    assert_eq!(hand.turn(), [""; 0]);
}

#[test]
fn a_node_counts_when_it_says_that_it_has_cards() {
    for labels in [json!({}), json!({ "qualcomm.com/qaic": "false" })] {
        let mut hand = Hand::new(&automatic());
        hand.labelled("n1", &labels);
        assert_eq!(hand.turn(), ["policy NoNodes", "group NotGoverned"]);
        assert_eq!(hand.turn(), [""; 0]);
    }
}

#[test]
fn a_plan_waits_for_leave_and_for_its_window() {
    let opened = |policy: &serde_json::Value| {
        let mut hand = Hand::new(policy);
        hand.node("n1");
        hand.turn();
        hand.reports("n1");
        hand.turn();
        hand
    };
    let mut hand = opened(&MANUAL());
    let waits = [
        "policy AwaitingApproval",
        "group AwaitingApproval",
        "plan 1 AwaitingApproval",
    ];
    assert_eq!(hand.turn(), waits);
    hand.approve(&format!("rollout:b3:{}", "0".repeat(64)));
    assert_eq!(hand.turn(), [""; 0], "a stale digest approves nothing");
    for digest in [hand.rollout_digest(), hand.node_digest("n1")] {
        let mut hand = opened(&MANUAL());
        hand.approve(&digest);
        assert_eq!(hand.turn()[0], "grant n1", "{digest}");
        let mut hand = opened(&MANUAL());
        hand.policy_lists(&digest);
        assert_eq!(hand.turn()[0], "grant n1", "{digest} listed in the policy");
    }

    // The world's clock stands at a Thursday, 00:00.
    for (day, expected) in [("Thu", "grant n1"), ("Fri", "policy AwaitingWindow")] {
        let mut policy = automatic();
        policy["rollout"] =
            json!({ "windows": [{ "days": [day], "start": "00:00", "minutes": 60 }] });
        assert_eq!(opened(&policy).turn()[0], expected, "{day}");
    }
}

/// A drain that took too long, a boot: the same steps are planned again, and somebody has approved them.
#[test]
fn leave_for_steps_that_came_to_nothing_is_not_asked_for_twice() {
    for (state, again) in [
        (GrantState::Void, "grant n1"),
        // Carried out, and the same is left to do: somebody undid it.
        (GrantState::Converged, "policy AwaitingApproval"),
    ] {
        let mut hand = Hand::new(&MANUAL());
        hand.node("n1");
        hand.turn();
        hand.reports("n1");
        hand.turn();
        hand.turn();
        hand.approve(&hand.rollout_digest());
        assert_eq!(hand.turn()[0], "grant n1");
        hand.turn();
        hand.ends("n1", state);
        let mut turned = Vec::new();
        for _ in 0..6 {
            turned.extend(hand.turn());
        }
        let opened = turned.iter().filter(|write| write.starts_with("open"));
        let opened: Vec<&String> = opened.collect();
        assert_eq!(opened, ["open 2 of n1"], "{state:?}: {turned:?}");
        assert!(turned.contains(&again.to_owned()), "{state:?}: {turned:?}");
    }
}

/// The first nodes that are granted, with this in the policy's rollout.
fn first(rollout: serde_json::Value) -> (Hand, Vec<String>) {
    let mut policy = automatic();
    policy["rollout"] = rollout;
    let mut hand = Hand::new(&policy);
    for name in ["n1", "n2", "n3"] {
        hand.node(name);
    }
    hand.turn();
    for name in ["n1", "n2", "n3"] {
        hand.reports(name);
    }
    hand.turn();
    let granted = hand.grants();
    (hand, granted)
}

#[test]
fn nodes_go_as_many_at_once_as_the_policy_says_and_canaries_first() {
    assert_eq!(first(json!({})).1, ["n1"]);
    assert_eq!(first(json!({ "maxUnavailableNodes": 2 })).1, ["n1", "n2"]);
    let canary = json!({
        "maxUnavailableNodes": 3,
        "canary": { "matchLabels": { "kubernetes.io/hostname": "n3" } },
    });
    let (mut hand, granted) = first(canary);
    assert_eq!(granted, ["n3"]);
    hand.turn();
    assert_eq!(hand.grants(), [""; 0], "the others wait for it");
    hand.converges("n3");
    assert_eq!(hand.grants(), ["n1", "n2"]);
}

#[test]
fn a_failed_node_ends_the_rollout_until_somebody_asks() {
    for (state, word) in [
        (GrantState::Halted, "Halted"),
        (GrantState::RolledBack, "RolledBack"),
    ] {
        let (mut hand, _) = first(json!({}));
        hand.turn();
        hand.ends("n1", state);
        let ended = hand.turn();
        assert!(ended.contains(&"policy StepFailed".to_owned()), "{ended:?}");
        let plan = format!("plan 1 StepFailed n1:{word}");
        assert!(ended.contains(&plan), "{ended:?}");
        assert_eq!(hand.turn(), ["withdraw n1"]);
        assert_eq!(hand.turn(), [""; 0], "nothing is tried again");
        // What is left of its steps may have another digest.
        hand.request("now");
        assert!(hand.turn().contains(&"open 2 of n1 n2 n3".to_owned()));
    }
}

/// Whichever rollouts they are in: nodes report when they can.
#[test]
fn a_canary_that_failed_holds_nodes_that_report_later() {
    let mut policy = automatic();
    policy["rollout"] = json!({
        "maxUnavailableNodes": 3,
        "canary": { "matchLabels": { "kubernetes.io/hostname": "n1" } },
    });
    let mut hand = Hand::at_work(&policy);
    hand.ends("n1", GrantState::Halted);
    hand.turn();
    for name in ["n2", "n3"] {
        hand.node(name);
        hand.turn();
        hand.reports(name);
    }
    let mut turned = Vec::new();
    for _ in 0..4 {
        turned.extend(hand.turn());
    }
    assert!(turned.contains(&"open 3 of n2 n3".to_owned()), "{turned:?}");
    assert!(
        turned.iter().all(|write| !write.starts_with("grant")),
        "{turned:?}"
    );
    assert!(
        turned.contains(&"plan 3 RolloutStopped".to_owned()),
        "{turned:?}"
    );
    // Tried again, all of them are one rollout.
    hand.request("now");
    assert!(hand.turn().contains(&"open 4 of n1 n2 n3".to_owned()));
    assert_eq!(hand.grants(), ["n1"]);
}

#[test]
fn a_node_that_is_not_ready_is_waited_for() {
    for (ready, granted) in [
        ("True", vec!["n1", "n2"]),
        ("False", vec!["n2", "n3"]),
        ("Unknown", vec!["n2", "n3"]),
    ] {
        let mut policy = automatic();
        policy["rollout"] = json!({ "maxUnavailableNodes": 2 });
        let mut hand = Hand::new(&policy);
        for name in ["n1", "n2", "n3"] {
            hand.node(name);
        }
        hand.readiness("n1", ready);
        hand.turn();
        for name in ["n1", "n2", "n3"] {
            hand.reports(name);
        }
        hand.turn();
        assert_eq!(hand.grants(), granted, "{ready}");
    }
    // Alone, it is what the policy waits for, and nobody has to do anything but bring it back.
    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    hand.readiness("n1", "Unknown");
    hand.turn();
    hand.reports("n1");
    hand.turn();
    let waits = [
        "policy NodeNotReady",
        "group NodeNotReady",
        "plan 1 NodeNotReady",
    ];
    assert_eq!(hand.turn(), waits);
    assert_eq!(hand.turn(), [""; 0]);
    hand.readiness("n1", "True");
    assert_eq!(hand.turn()[0], "grant n1");
}

#[test]
fn an_agent_that_says_nothing_for_longer_than_its_steps_may_take_has_failed() {
    // One who cannot read what was granted does not wait for ever either.
    for readable in [true, false] {
        let (mut hand, granted) = first(json!({}));
        assert_eq!(granted, ["n1"]);
        hand.turn();
        if !readable {
            hand.damage_grant("n1");
        }
        // A reset of four SoCs alone has an hour.
        hand.later(Duration::from_hours(1));
        assert_eq!(hand.turn(), [""; 0]);
        hand.later(Duration::from_hours(24));
        let turned = hand.turn();
        assert!(
            turned.contains(&"plan 1 StepFailed n1:Halted".to_owned()),
            "{turned:?}"
        );
        assert_eq!(hand.turn(), ["withdraw n1"]);
        assert_eq!(hand.turn(), [""; 0], "nothing more begins");
    }
}

#[test]
fn what_no_longer_fits_is_planned_anew() {
    // Nothing of it began: it goes at once.
    let mut hand = Hand::new(&MANUAL());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    hand.turn();
    hand.node("n2");
    hand.turn();
    hand.reports("n2");
    let turned = hand.turn();
    assert_eq!(turned[..2], ["forget 1", "open 2 of n1 n2"]);

    // It goes a turn later where the server refused, and is told nothing as long as it is to go.
    hand.node("n3");
    hand.turn();
    hand.reports("n3");
    let turned = hand.turn_without("forget");
    assert_eq!(turned[..2], ["forget 2", "open 3 of n1 n2 n3"]);
    let turned = hand.turn();
    assert_eq!(turned[0], "forget 2");
    for plan in ["plan 1", "plan 2"] {
        assert!(
            turned.iter().all(|write| !write.starts_with(plan)),
            "{turned:?}"
        );
    }
    assert_eq!(hand.turn(), [""; 0]);

    // A node at work ends the step that it has in hand, whatever it is that changed.
    let (mut hand, _) = first(json!({ "maxUnavailableNodes": 2 }));
    hand.turn();
    hand.ends("n1", GrantState::Working);
    hand.ends("n2", GrantState::Working);
    hand.forget_group();
    let turned = hand.turn();
    assert!(
        turned
            .iter()
            .all(|write| !write.starts_with("open") && !write.starts_with("grant")),
        "{turned:?}"
    );
    // How they stand is recorded, and what was granted taken back, before anything else is opened.
    assert_eq!(hand.turn()[..2], ["withdraw n1", "withdraw n2"]);
    assert_eq!(hand.turn(), [""; 0]);
    hand.gives_up("n1", false);
    hand.gives_up("n2", false);
    let turned: Vec<String> = (0..2).flat_map(|_| hand.turn()).collect();
    assert!(
        turned.contains(&"open 2 of n1 n2 n3".to_owned()),
        "{turned:?}"
    );
}

#[test]
fn a_boot_or_another_node_voids_a_grant() {
    for change in [Hand::boots as fn(&mut Hand, &str), Hand::is_made_anew] {
        let (mut hand, granted) = first(json!({}));
        assert_eq!(granted, ["n1"]);
        hand.turn();
        change(&mut hand, "n1");
        let turned = hand.turn();
        assert!(
            turned.iter().any(|write| write.contains("n1:Stale")),
            "{turned:?}"
        );
    }
}

#[test]
fn a_node_that_is_gone_is_kept_for_half_an_hour() {
    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    hand.turn();
    hand.loses("n1");
    assert!(hand.turn().contains(&"mark n1".to_owned()));
    hand.later(Duration::from_mins(29));
    assert_eq!(hand.turn(), [""; 0]);
    hand.node("n1");
    assert!(hand.turn().contains(&"unmark n1".to_owned()));
    hand.loses("n1");
    hand.turn();
    hand.later(Duration::from_mins(30));
    assert_eq!(hand.turn(), ["delete n1"]);
}
