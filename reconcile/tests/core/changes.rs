//! What changes under us or beside us: moved cards, drift and its cause, digests and approval.
use crd::{
    Fact,
    declaration::Declaration,
    id::PciAddress,
    kind::ApprovalMode,
    plan::{ReportKind, ReportReason},
    snapshot::HardwareSnapshot,
    step::Action,
};
use reconcile::{ApprovalDecision, approval};

use crate::{
    declare::quickstart,
    scenarios::{count, port_of},
    simulate::{apply, plan_of},
    world::{acs, set_acs, two_ultras, word},
};

type Change = fn(&mut HardwareSnapshot, PciAddress);

#[test]
fn moved_cards_are_not_touched() {
    moved_cards(true);
    moved_cards(false);
}

/// With its workers started or not: the one cause is named once either way.
fn moved_cards(workers: bool) {
    let mut nodes = vec![two_ultras("lab")];
    let before = plan_of(&quickstart(), &nodes);
    assert!(apply(&before, &mut nodes, workers).is_empty());
    // A card added below shifts every bus by two; MDP is lost, so there would be something to do.
    for soc in &mut nodes[0].socs {
        soc.address.bus += 2;
        soc.mdp = Fact::known(false, "test");
    }
    for function in &mut nodes[0].functions {
        function.address.bus += 2;
        if let Some(parent) = &mut function.parent {
            parent.bus += 2;
        }
    }
    for declaration in [quickstart(), Declaration::default()] {
        let plan = plan_of(&declaration, &nodes);
        assert!(!plan.applyable, "{:#?}", plan.nodes[0].steps);
        let drift = |reason| {
            plan.report
                .iter()
                .any(|line| line.kind == ReportKind::Drift && line.reason == reason)
        };
        assert!(drift(ReportReason::Renumbered));
        assert_eq!(plan.summary.blocked, 1, "{:#?}", plan.report);
    }
}

#[test]
fn what_comes_back_by_itself_is_told_apart() {
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(&quickstart(), &nodes), &mut nodes, true).is_empty());
    let settled = nodes[0].clone();
    let port = port_of(&settled, 0);
    let rows: Vec<(Change, ReportReason, &str, usize)> = vec![
        (
            |node, port| set_acs(node, port, acs(0x001d)),
            ReportReason::AcsChanged,
            "bus reset",
            1,
        ),
        (
            |node, port| set_acs(node, port, acs(0x0015)),
            ReportReason::AcsChanged,
            "somebody wrote it",
            1,
        ),
        (
            |node, port| {
                node.boot_id = Fact::known(crd::id::BootId("another".into()), "test");
                set_acs(node, port, acs(0x001d));
            },
            ReportReason::Rebooted,
            "booted since",
            1,
        ),
        (
            |node, _| node.socs[0].mdp = Fact::known(false, "test"),
            ReportReason::MdpLost,
            "partitioning of",
            0,
        ),
        (
            |node, _| {
                node.settings
                    .sysctl
                    .insert("vm.max_map_count".into(), Fact::known(65530, "test"));
            },
            ReportReason::SettingChanged,
            "vm.max_map_count was left at 2048000",
            0,
        ),
    ];
    for (change, reason, says, clears) in rows {
        let mut node = settled.clone();
        change(&mut node, port);
        let plan = plan_of(&quickstart(), std::slice::from_ref(&node));
        let told =
            |line: &crd::plan::ReportLine| line.reason == reason && line.message.contains(says);
        assert!(plan.report.iter().any(told), "{says}: {:#?}", plan.report);
        assert!(plan.applyable);
        assert_eq!(
            count(&plan, |action| matches!(action, Action::ClearAcs { .. })),
            clears,
            "{says}"
        );
    }
}

#[test]
fn the_digest_is_of_what_is_done_and_approval_takes_either() {
    let mut declaration = quickstart();
    let node = two_ultras("lab");
    let plan = plan_of(&declaration, std::slice::from_ref(&node));
    let mut moved = declaration.clone();
    for policy in &mut moved.policies {
        policy.spans.insert(
            String::new(),
            crd::declaration::Span {
                file: "elsewhere.yaml".into(),
                line: 9,
                column: 1,
                byte: 99,
                length: 3,
            },
        );
    }
    let mut rebooted = node.clone();
    rebooted.boot_id = Fact::known(crd::id::BootId("another".into()), "test");
    assert_eq!(
        plan_of(&moved, std::slice::from_ref(&node)).digest,
        plan.digest
    );
    assert_eq!(plan_of(&declaration, &[rebooted]).digest, plan.digest);
    let mut other = node.clone();
    let port = port_of(&other, 0);
    set_acs(&mut other, port, acs(0x001f));
    assert_ne!(plan_of(&declaration, &[other]).digest, plan.digest);
    assert_eq!(word(&node, port), Some(0x1d));

    declaration.policies[0].spec.approval.mode = ApprovalMode::Manual;
    let plan = plan_of(&declaration, &[node]);
    let offered = |text: &str| [crd::id::Digest(text.into())];
    let decide =
        |offered: &[crd::id::Digest]| approval::decide(&plan.nodes[0], &plan.digest, offered);
    assert!(matches!(
        decide(&[]),
        ApprovalDecision::Wanted {
            digest_only: true,
            ..
        }
    ));
    assert!(matches!(
        decide(&offered("node:b3:00")),
        ApprovalDecision::Wanted { .. }
    ));
    assert!(matches!(
        decide(&offered(&plan.digest.0)),
        ApprovalDecision::Approved { .. }
    ));
    assert!(matches!(
        decide(&offered(&plan.nodes[0].digest.0)),
        ApprovalDecision::Approved { .. }
    ));
}
