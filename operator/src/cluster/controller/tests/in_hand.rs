//! Grants that are taken back while their agent is inside a step, for somebody deleted the rollout: the node is at work until
//! its agent says how that ended.
use std::time::Duration;

use crd::kind::GrantState;
use kube_client::ResourceExt;
use machine::Timestamp;
use serde_json::json;

use super::{Hand, automatic, first};
use crate::cluster::names::IN_HAND_UNTIL;

/// A node whose agent has a step in hand, behind a drain that was done.
fn inside_a_step() -> Hand {
    let mut hand = Hand::at_work(&automatic());
    hand.awaits("n1");
    assert_eq!(hand.turn(), ["taint n1"]);
    assert_eq!(hand.turn(), ["drained 4 on n1"]);
    hand.ends("n1", GrantState::Working);
    assert_eq!(hand.turn(), [""; 0]);
    hand
}

/// Somebody declares nothing for cards any more.
fn take_back(hand: &mut Hand) {
    hand.world.groups.clear();
    hand.policy(|policy| {
        let spec = json!({ "enforcement": "Enforce", "approval": { "mode": "Automatic" } });
        policy.spec = serde_json::from_value(spec).unwrap();
        policy.metadata.finalizers = None;
    });
}

/// Until when a node is waited for.
fn until(hand: &Hand, name: &str) -> Option<Timestamp> {
    let mut all = hand.world.card_nodes.iter();
    let (_, card_node) = all.find(|(node, _)| node.as_str() == name).unwrap();
    Timestamp::printed(card_node.annotations().get(IN_HAND_UNTIL)?)
}

/// What happens when somebody deletes every rollout: the grant is taken back, and nothing else.
fn delete_plans(hand: &mut Hand) {
    hand.world.plans.clear();
    let turned = hand.turn();
    assert!(turned.contains(&"withdraw n1".to_owned()), "{turned:?}");
    for word in ["untaint", "open", "grant", "policy AsDeclared"] {
        let said = turned.iter().any(|write| write.starts_with(word));
        assert!(!said, "{turned:?}");
    }
    assert_eq!(hand.turn(), [""; 0]);
    let said = hand.policy_is("Ready");
    assert_eq!(
        said,
        "False Applying: 0 of 1 nodes are as declared; at work: n1; what was granted is taken back, and the step that its agent has in hand ends first on n1"
    );
}

#[test]
fn a_step_in_hand_ends_before_anything_is_planned_again() {
    let mut hand = inside_a_step();
    delete_plans(&mut hand);
    hand.later(Duration::from_mins(15));
    assert_eq!(hand.turn(), [""; 0]);
    hand.gives_up("n1", false);
    assert_eq!(
        hand.turn(),
        [
            "wait for n1 no more",
            "untaint n1",
            "open 1 of n1",
            "policy Planning",
            "group Planning"
        ]
    );
    assert_eq!(hand.turn()[0], "grant n1");
    assert_eq!(until(&hand, "n1"), None);
}

#[test]
fn what_was_seen_before_the_step_is_not_said_to_be_as_declared() {
    let mut hand = inside_a_step();
    take_back(&mut hand);
    delete_plans(&mut hand);
    hand.gives_up("n1", false);
    assert_eq!(
        hand.turn(),
        ["wait for n1 no more", "untaint n1", "policy AsDeclared"]
    );
    assert_eq!(hand.turn(), [""; 0]);
}

/// Its machine may be dead: nobody is kept waiting for ever.
#[test]
fn a_step_that_never_ends_is_waited_for_so_long() {
    let mut hand = inside_a_step();
    delete_plans(&mut hand);
    let until = until(&hand, "n1").expect("it is noted");
    // A SoC has a quarter of an hour to be ready again, and clocks may differ by as much.
    assert_eq!(until, hand.world.now.plus(Duration::from_mins(30)));
    hand.later(Duration::from_mins(30) - Duration::from_millis(1));
    assert_eq!(hand.turn(), [""; 0]);
    hand.later(Duration::from_millis(1));
    let turned = hand.turn();
    assert_eq!(
        turned[..3],
        ["wait for n1 no more", "untaint n1", "open 1 of n1"]
    );
}

#[test]
fn a_machine_that_booted_or_another_of_its_name_has_no_step_in_hand() {
    let mut hand = inside_a_step();
    delete_plans(&mut hand);
    hand.gives_up("n1", true);
    assert_eq!(hand.turn()[0], "wait for n1 no more");

    let mut hand = inside_a_step();
    delete_plans(&mut hand);
    hand.is_made_anew("n1");
    assert_eq!(hand.turn()[0], "wait for n1 no more");

    let mut hand = inside_a_step();
    delete_plans(&mut hand);
    hand.loses("n1");
    let turned: Vec<String> = (0..3).flat_map(|_| hand.turn()).collect();
    assert!(
        turned.contains(&"wait for n1 no more".to_owned()),
        "{turned:?}"
    );
    assert!(turned.contains(&"mark n1".to_owned()), "{turned:?}");
}

#[test]
fn nobody_else_begins_meanwhile() {
    let (mut hand, granted) = first(json!({ "maxUnavailableNodes": 1 }));
    assert_eq!(granted, ["n1"]);
    hand.turn();
    hand.ends("n1", GrantState::Working);
    assert_eq!(hand.turn(), [""; 0]);
    hand.world.plans.clear();
    let turned: Vec<String> = (0..4).flat_map(|_| hand.turn()).collect();
    assert!(turned.contains(&"withdraw n1".to_owned()), "{turned:?}");
    for word in ["open", "grant"] {
        let said = turned.iter().any(|write| write.starts_with(word));
        assert!(!said, "{turned:?}");
    }
    hand.gives_up("n1", false);
    assert!(hand.turn().contains(&"open 1 of n1 n2 n3".to_owned()));
    assert_eq!(hand.grants(), ["n1"]);
}

/// A rollout that somebody made: what ends counts among those that are at work at once.
#[test]
fn what_ends_takes_its_place_in_the_budget() {
    for (limit, begun) in [(1, &[][..]), (2, &["n2"])] {
        let (mut hand, _) = first(json!({ "maxUnavailableNodes": limit }));
        hand.turn();
        hand.ends("n1", GrantState::Working);
        hand.turn();
        let mut plan = (*hand.world.plans[0]).clone();
        plan.status = None;
        plan.metadata.uid = Some("another".to_owned());
        plan.spec.digest.0 = format!("rollout:b3:{}", "0".repeat(64));
        plan.spec
            .nodes
            .retain(|planned| planned.node.as_str() != "n1");
        plan.spec.order.retain(|name| name.as_str() != "n1");
        // Whoever was granted something beside n1 is not at work: its agent never took it up.
        hand.world.plans = vec![plan.into()];
        let turned: Vec<String> = (0..4).flat_map(|_| hand.turn()).collect();
        let granted: Vec<&str> = turned
            .iter()
            .filter_map(|write| write.strip_prefix("grant "))
            .collect();
        assert_eq!(granted, begun, "{limit}: {turned:?}");
    }
}

/// An earlier rollout of the same steps says nothing of how a later one came out.
#[test]
fn an_earlier_rollout_does_not_answer_for_it() {
    let mut hand = Hand::at_work(&automatic());
    hand.converges("n1");
    for _ in 0..3 {
        hand.turn();
    }
    // Somebody undid it all: the same steps again.
    hand.reports("n1");
    assert_eq!(hand.turn()[0], "open 2 of n1");
    assert_eq!(hand.turn()[0], "grant n1");
    hand.turn();
    hand.ends("n1", GrantState::Working);
    assert_eq!(hand.turn(), [""; 0]);
    hand.world.plans.pop();
    let turned = hand.turn();
    assert!(turned.contains(&"withdraw n1".to_owned()), "{turned:?}");
    assert!(until(&hand, "n1").is_some());
    let turned: Vec<String> = (0..4).flat_map(|_| hand.turn()).collect();
    assert!(
        !turned.iter().any(|write| write.starts_with("open")),
        "{turned:?}"
    );
    // The one that is left stays what it was.
    let told = hand.world.plans[0].status.as_ref().unwrap();
    let mut conditions = told.conditions.iter();
    assert_eq!(
        conditions
            .find(|said| said.type_ == "Ready")
            .unwrap()
            .reason,
        "Converged"
    );
}

/// A rollout that gave its agent up has waited for all of its steps.
#[test]
fn who_was_given_up_is_not_waited_for_again() {
    let mut hand = inside_a_step();
    hand.later(Duration::from_hours(25));
    let turned: Vec<String> = (0..4).flat_map(|_| hand.turn()).collect();
    assert!(
        turned.contains(&"plan 1 StepFailed n1:Halted".to_owned()),
        "{turned:?}"
    );
    assert!(turned.contains(&"withdraw n1".to_owned()), "{turned:?}");
    assert_eq!(until(&hand, "n1"), None);
}

/// What a step in hand leaves behind is in no ledger yet: a policy that is deleted meanwhile is not let go for that.
#[test]
fn a_policy_that_reverts_waits_for_the_step_in_hand() {
    let mut hand = inside_a_step();
    hand.deletes_all();
    let mut before = Vec::new();
    for _ in 0..4 {
        before.extend(hand.turn());
    }
    assert!(!before.contains(&"release policy".to_owned()), "{before:?}");
    hand.gives_up("n1", false);
    let mut after = Vec::new();
    for _ in 0..4 {
        after.extend(hand.turn());
    }
    assert!(after.contains(&"release policy".to_owned()), "{after:?}");
    assert_eq!(hand.turn(), [""; 0]);
}
