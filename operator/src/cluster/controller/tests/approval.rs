//! The approval that governs a removal: the one that the policies asked for last, whatever they asked for at first.
use crd::kind::ApprovalMode;

use super::{Hand, automatic};

/// A node as the policy declares it, which asked for no leave.
fn converged() -> Hand {
    let mut hand = Hand::at_work(&automatic());
    hand.converges("n1");
    hand.turn();
    assert_eq!(hand.turn(), ["withdraw n1"]);
    assert_eq!(hand.turn(), [""; 0]);
    hand
}

#[test]
fn a_policy_that_asks_for_leave_later_has_its_removal_wait_for_it() {
    let mut hand = converged();
    hand.asks_for(ApprovalMode::Manual);
    assert_eq!(hand.turn(), ["have n1 keep Manual"]);
    assert_eq!(hand.turn(), [""; 0], "it is asked once");
    hand.keeps_approval("n1");
    assert_eq!(hand.turn(), ["withdraw n1"]);
    assert_eq!(hand.turn(), [""; 0]);
    hand.deletes_all();
    hand.turn();
    assert!(hand.turn().contains(&"policy AwaitingApproval".to_owned()));
    let said = hand.policy_says();
    assert!(
        said.contains(
            "the policy under which n1 was configured wanted its plans approved by digest"
        ),
        "{said}"
    );
    hand.approve(&hand.rollout_digest());
    assert_eq!(hand.grants(), ["n1"]);
}

#[test]
fn without_a_change_the_removal_goes_by_what_was_asked_for() {
    let mut hand = converged();
    hand.deletes_all();
    hand.turn();
    assert_eq!(hand.grants(), ["n1"]);
}

/// Nothing of ours is there to be removed.
#[test]
fn a_node_that_holds_nothing_is_asked_to_keep_nothing() {
    let mut hand = converged();
    hand.reports("n1");
    hand.asks_for(ApprovalMode::Manual);
    for _ in 0..4 {
        let turned = hand.turn();
        assert!(
            turned.iter().all(|write| !write.contains("keep")),
            "{turned:?}"
        );
    }
}
