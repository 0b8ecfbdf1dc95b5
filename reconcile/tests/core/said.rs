//! How often and how the report says one thing: one cause is one line, and its advice is the cure.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    kind::{DeviceSelector, SpreadOver},
    plan::{Plan, ReportKind, ReportLine, ReportReason},
    snapshot::{HardwareSnapshot, Lockdown, SkuKind},
    step::Action,
};

use crate::{
    declare::{automatic, object, policy, quickstart},
    scenarios::count,
    simulate::{apply, plan_of},
    world::two_ultras,
};

fn lines(plan: &Plan, kind: ReportKind, reason: ReportReason) -> Vec<&ReportLine> {
    plan.report
        .iter()
        .filter(|line| line.kind == kind && line.reason == reason)
        .collect()
}

fn plan(declaration: &Declaration, snapshot: &HardwareSnapshot) -> Plan {
    plan_of(declaration, std::slice::from_ref(snapshot))
}

fn converge(declaration: &Declaration, snapshot: &mut HardwareSnapshot) -> Plan {
    let plan = plan(declaration, snapshot);
    assert!(apply(&plan, std::slice::from_mut(snapshot), false).is_empty());
    plan
}

fn locked() -> HardwareSnapshot {
    let mut snapshot = two_ultras("a");
    snapshot.host.lockdown = Fact::known(Lockdown::Integrity, "test");
    snapshot
}

#[test]
fn lockdown_is_one_line_that_names_every_port() {
    let plan = plan(&quickstart(), &locked());
    let found = lines(&plan, ReportKind::Blocked, ReportReason::Lockdown);
    let [line] = found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(line.functions.len(), 8, "{line:#?}");
    for port in &line.functions {
        assert!(line.message.contains(&port.to_string()), "{line:#?}");
    }
}

#[test]
fn lockdown_that_keeps_ports_relaxed_is_one_line() {
    let mut snapshot = two_ultras("a");
    converge(&quickstart(), &mut snapshot);
    snapshot.host.lockdown = Fact::known(Lockdown::Integrity, "test");
    let plan = plan(&Declaration::default(), &snapshot);
    let found = lines(&plan, ReportKind::Blocked, ReportReason::Lockdown);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].functions.len(), 8, "{found:#?}");
}

#[test]
fn policies_that_cancel_each_other_are_no_reason_for_a_smaller_group() {
    for per in [SpreadOver::Card, SpreadOver::Switch] {
        let mut declared = quickstart();
        declared
            .policies
            .push(object("CardPolicy", "other", policy()));
        declared.groups = vec![object("P2PGroup", "quad", automatic(4, per, Some(2)))];
        let plan = plan(&declared, &two_ultras("a"));
        let of_group: Vec<_> = plan
            .report
            .iter()
            .filter(|line| line.object.as_ref().is_some_and(|o| o.kind == "P2PGroup"))
            .collect();
        assert_eq!(of_group.len(), 1, "{of_group:#?}");
        assert_eq!(of_group[0].reason, ReportReason::PolicyConflict);
        assert!(
            plan.report
                .iter()
                .all(|line| !line.hint.contains("smaller")),
            "{:#?}",
            plan.report
        );
    }
}

#[test]
fn a_monitor_that_we_started_is_spoken_of_when_all_else_goes() {
    let says = |snapshot: &HardwareSnapshot| {
        let plan = plan(&Declaration::default(), snapshot);
        let found = lines(&plan, ReportKind::Advice, ReportReason::Retained);
        found.iter().any(|line| line.message.contains("qmonitor"))
    };
    let mut snapshot = two_ultras("a");
    let first = converge(&quickstart(), &mut snapshot);
    assert_eq!(
        count(&first, |action| matches!(action, Action::StartQmonitor {})),
        1,
        "the world has no qmonitor at first"
    );
    assert!(says(&snapshot));
    converge(&Declaration::default(), &mut snapshot);
    assert!(says(&snapshot), "it still runs once the rest is gone");

    let mut stopped = snapshot.clone();
    stopped.tools.qmonitor_running = Fact::known(false, "test");
    assert!(!says(&stopped));
    let mut foreign = snapshot;
    foreign.ledger.qmonitor_started = None;
    assert!(!says(&foreign), "somebody else's is not spoken of");
}

/// A SKU that is misspelt selects nothing: that is said, once, and not where another node has such a SoC.
#[test]
fn a_policy_that_selects_no_soc_is_told() {
    let (lab, mut other) = (two_ultras("lab"), two_ultras("other"));
    other.socs[7].sku = Fact::known(SkuKind("PCIe Standard".into()), "test");
    let mut unknown = lab.clone();
    unknown.socs[0].sku = Fact::unknown(Unknown::NotReady, "test");
    for (sku, nodes, expected) in [
        ("PCIe Ultra", vec![lab.clone()], 0),
        // As some versions of the vendor's tool write it.
        ("Pcie Ultra", vec![lab.clone()], 0),
        ("PCIe Standard", vec![lab.clone()], 1),
        ("PCIe Standard", vec![lab.clone(), other], 0),
        ("PCIe Standard", vec![unknown], 0),
        ("PCIe Standard", vec![lab.clone(), two_ultras("third")], 1),
    ] {
        let mut declared = quickstart();
        declared.groups.clear();
        declared.models.clear();
        declared.policies[0].spec.devices = Some(DeviceSelector {
            addresses: Vec::new(),
            skus: vec![sku.to_owned()],
        });
        let plan = plan_of(&declared, &nodes);
        let lines = plan.report.iter();
        let said = lines.filter(|line| line.message.starts_with("it selects no SoC"));
        assert_eq!(said.count(), expected, "{sku}");
    }
}
