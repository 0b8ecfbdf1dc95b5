//! Worlds of which something is missing: every policy, or what one of them means.
use std::sync::Arc;

use crd::kind::rack::VendorTool;
use serde_json::json;

use super::hand::{Hand, automatic};
use crate::cluster::read::Unread;

/// Somebody pruned everything, policies too: what the ledger is to put back is heard of only with the object there.
#[test]
fn a_node_with_cards_is_heard_of_with_no_policy() {
    let mut hand = Hand::new(&automatic());
    hand.world.policies.clear();
    hand.world.groups.clear();
    hand.node("n1");
    assert_eq!(hand.turn(), ["make n1"]);
    assert_eq!(hand.turn(), [""; 0]);
}

/// A definition that is newer than the controller: it says so once, begins nothing, and undoes nothing.
#[test]
fn what_is_not_understood_lets_nothing_begin() {
    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    let policies = std::mem::take(&mut hand.world.policies);
    hand.world.unread = vec![Arc::new(Unread {
        kind: "CardPolicy".to_owned(),
        metadata: policies[0].metadata.clone(),
        why: "unknown field `future`".to_owned(),
        conditions: Vec::new(),
        observed: None,
        status: json!({}),
    })];
    assert_eq!(
        hand.turn(),
        ["group NotUnderstood", "CardPolicy NotUnderstood"]
    );
    assert_eq!(hand.turn(), [""; 0]);
    hand.world.unread.clear();
    hand.world.policies = policies;
    assert_eq!(hand.turn()[0], "open 1 of n1");
}

/// A set that lacks a member is the group's to tell: the policy does not say in one breath that all is as declared, and
/// that no node is.
#[test]
fn what_stands_against_a_group_is_not_counted_against_the_policy() {
    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    for _ in 0..3 {
        hand.turn();
    }
    hand.converges("n1");
    for _ in 0..3 {
        hand.turn();
    }
    let counts = |hand: &Hand| {
        let status = hand.world.policies[0].status.clone().unwrap();
        (status.nodes, status.converged_nodes)
    };
    assert_eq!(counts(&hand), (Some(1), Some(1)));
    hand.is_pulled_from("n1");
    // It tells of the drift.
    assert_eq!(hand.turn(), ["policy AsDeclared", "group MemberMissing"]);
    assert_eq!(counts(&hand), (Some(1), Some(1)));
    assert_eq!(hand.turn(), [""; 0]);
}

/// A machine without a tool that steps call: nothing is begun there, and both objects say why.
#[test]
fn a_machine_that_lacks_a_tool_is_left_as_it_is() {
    for tool in [
        VendorTool::QaicMonitorJson,
        VendorTool::QaicMonitorGrpcServer,
        VendorTool::QmonitorFirmware,
        VendorTool::QaicRunner,
        VendorTool::P2PTest,
        VendorTool::SystemdRun,
    ] {
        let mut hand = Hand::new(&automatic());
        hand.node("n1");
        hand.turn();
        hand.reports_without("n1", tool);
        let said: Vec<String> = (0..4).flat_map(|_| hand.turn()).collect();
        assert!(
            said.contains(&"group ToolMissing".to_owned()),
            "{tool:?}: {said:?}"
        );
        assert!(
            !said.iter().any(|one| one.starts_with("open")),
            "{tool:?}: {said:?}"
        );
        assert_eq!(hand.grants(), [""; 0]);
        // It is installed.
        hand.reports("n1");
        assert_eq!(hand.turn()[0], "open 1 of n1", "{tool:?}");
    }
}
