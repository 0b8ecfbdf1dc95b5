//! A machine that shows no SoC, or none of a set: what was declared is declared still, so nothing is undone, moved or forgotten.
use crd::{
    declaration::Declaration,
    id::PciAddress,
    kind::{DeletionPolicy, DeletionRule, DeviceSelector, MdpMode, Member, SpreadOver},
    plan::ReportKind,
    snapshot::{HardwareSnapshot, LedgerTarget},
    step::Action,
};
use reconcile::NodeInput;

use crate::{
    declare::{automatic, object, persistent, quickstart},
    simulate::{apply, plan_of},
    world::two_ultras,
};

/// The machine as declared, its workers aside.
fn configured(declared: &Declaration) -> HardwareSnapshot {
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(declared, &nodes), &mut nodes, false).is_empty());
    assert!(!nodes[0].ledger.entries.is_empty());
    nodes.remove(0)
}

/// The machine without these SoCs.
fn without(node: &HardwareSnapshot, is_away: impl Fn(usize) -> bool) -> HardwareSnapshot {
    let socs = node.socs.iter().enumerate();
    let away: Vec<PciAddress> = socs
        .filter(|(index, _)| is_away(*index))
        .map(|(_, soc)| soc.address)
        .collect();
    let mut node = node.clone();
    node.functions
        .retain(|function| !away.contains(&function.address));
    node.socs.retain(|soc| !away.contains(&soc.address));
    node
}

/// What a plan would do to cards, settings and books, and how many goals it says are blocked.
fn planned(declared: &Declaration, node: &HardwareSnapshot) -> (Vec<Action>, usize) {
    let plan = plan_of(declared, std::slice::from_ref(node));
    let nodes = [NodeInput::Read(node.clone())];
    assert_eq!(reconcile::check(&plan, declared, &nodes), []);
    let blocked = plan
        .report
        .iter()
        .filter(|line| line.kind == ReportKind::Blocked);
    let steps = plan.nodes[0].steps.iter().map(|step| step.action.clone());
    (steps.collect(), blocked.count())
}

fn bare(mut declared: Declaration) -> Declaration {
    declared.models.clear();
    declared
}

fn of_rule(rule: DeletionRule, mdp: Option<bool>) -> Declaration {
    let mut declared = bare(quickstart());
    declared.policies[0].spec.deletion_policy = Some(DeletionPolicy {
        rule,
        mdp,
        revert_timeout_seconds: None,
    });
    declared
}

/// Partitioning on every SoC, without a group.
fn all_on(rule: DeletionRule) -> Declaration {
    let mut declared = of_rule(rule, None);
    declared.groups.clear();
    declared.policies[0].spec.mdp = Some(MdpMode::Enabled);
    declared
}

fn per_switch() -> Declaration {
    let mut declared = bare(quickstart());
    let group = automatic(8, SpreadOver::Switch, Some(1));
    declared.groups = vec![object("P2PGroup", "all", group)];
    declared
}

fn named() -> Declaration {
    let mut declared = bare(quickstart());
    let socs = &two_ultras("lab").socs[..4];
    let mut group = automatic(4, SpreadOver::Card, None);
    group.automatic = None;
    let member = |soc: &crd::snapshot::Soc| Member {
        address: Some(soc.address),
        path: None,
        serial: None,
    };
    group.members = Some(socs.iter().map(member).collect());
    declared.groups = vec![object("P2PGroup", "named", group)];
    declared
}

fn selected(devices: DeviceSelector, spec: crd::kind::CardPolicySpec) -> Declaration {
    let mut declared = bare(quickstart());
    declared.policies[0].spec = crd::kind::CardPolicySpec {
        devices: Some(devices),
        ..spec
    };
    declared
}

fn by_sku() -> Declaration {
    let sku = two_ultras("lab").socs[0].sku.clone();
    let devices = DeviceSelector {
        skus: vec![sku.get().expect("known").0.clone()],
        ..DeviceSelector::default()
    };
    selected(devices, persistent())
}

fn by_address() -> Declaration {
    let devices = DeviceSelector {
        addresses: two_ultras("lab")
            .socs
            .iter()
            .map(|soc| soc.address)
            .collect(),
        ..DeviceSelector::default()
    };
    selected(devices, persistent())
}

/// Settings alone: no SoC is ever acted on.
fn settings() -> Declaration {
    let mut declared = bare(quickstart());
    declared.groups.clear();
    declared.policies[0].spec.mdp = None;
    declared
}

fn cases() -> Vec<(&'static str, Declaration)> {
    vec![
        ("sets of a card", bare(quickstart())),
        ("of a switch", per_switch()),
        ("named members", named()),
        ("retained", of_rule(DeletionRule::Retain, None)),
        (
            "partitioning goes back",
            of_rule(DeletionRule::Revert, Some(true)),
        ),
        ("all on, retained", all_on(DeletionRule::Retain)),
        ("all on, reverted", all_on(DeletionRule::Revert)),
        ("by SKU", by_sku()),
        ("by address", by_address()),
        ("settings alone", settings()),
    ]
}

#[test]
fn nothing_is_undone_while_every_soc_is_away() {
    for (name, declared) in cases() {
        let node = configured(&declared);
        let (steps, blocked) = planned(&declared, &without(&node, |_| true));
        assert_eq!(steps, [], "{name}");
        assert_eq!(blocked > 0, !declared.groups.is_empty(), "{name}");
        assert_eq!(
            planned(&declared, &node),
            (vec![], 0),
            "{name}: they are back"
        );
    }
}

#[test]
fn nothing_is_undone_while_a_card_is_away() {
    for (name, declared) in cases() {
        let node = configured(&declared);
        let (steps, _) = planned(&declared, &without(&node, |index| index < 4));
        assert_eq!(steps, [], "{name}");
    }
}

#[test]
fn a_set_does_not_move_to_the_card_that_is_back_first() {
    let mut declared = bare(quickstart());
    let group = automatic(4, SpreadOver::Card, Some(1));
    declared.groups = vec![object("P2PGroup", "one", group)];
    let node = configured(&declared);
    let first = node.ledger.groups[0].members[0].address;
    let place = node.socs.iter().position(|soc| soc.address == first);
    let is_first_card = |index: usize| index / 4 == place.expect("a SoC") / 4;
    for away in [without(&node, |_| true), without(&node, is_first_card)] {
        assert_eq!(planned(&declared, &away).0, []);
    }
}

/// Nobody's any more: what the deletion rule says is done of what is there.
#[test]
fn what_is_declared_no_more_is_undone_all_the_same() {
    for (name, declared) in cases() {
        let away = without(&configured(&declared), |_| true);
        let (steps, _) = planned(&Declaration::default(), &away);
        assert!(!steps.is_empty() || name == "all on, reverted", "{name}");
    }
}

#[test]
fn a_policy_of_other_socs_keeps_no_settings() {
    let declared = by_address();
    let away = without(&configured(&declared), |_| true);
    let mut others = declared.clone();
    let devices = others.policies[0]
        .spec
        .devices
        .as_mut()
        .expect("a selector");
    for address in &mut devices.addresses {
        address.bus = 0xee;
    }
    // A machine that shows nothing says nothing of whose it is; one that shows others does.
    assert_eq!(
        planned(&others, &away)
            .0
            .iter()
            .filter(|step| is_setting(step))
            .count(),
        0
    );
    let some = without(&configured(&declared), |index| index > 0);
    assert!(planned(&others, &some).0.iter().any(is_setting));
}

fn is_setting(step: &Action) -> bool {
    matches!(
        step,
        Action::SetDriver { .. } | Action::SetSysctl { .. } | Action::WriteFile { .. }
    )
}

/// A word from before partitioning is kept though the rule was `Retain` when its SoC went.
#[test]
fn what_stood_there_is_known_when_they_are_back() {
    let retained = of_rule(DeletionRule::Retain, None);
    let node = configured(&retained);
    let mut nodes = vec![without(&node, |_| true)];
    assert!(apply(&plan_of(&retained, &nodes), &mut nodes, false).is_empty());
    let of_mdp = |node: &HardwareSnapshot| {
        let entries = node.ledger.entries.iter();
        entries
            .filter(|entry| matches!(entry.target, LedgerTarget::Mdp { .. }))
            .count()
    };
    assert_eq!(of_mdp(&nodes[0]), of_mdp(&node));
    assert_eq!(nodes[0].ledger.groups, node.ledger.groups);
}

#[test]
fn a_policy_that_only_observes_writes_nothing_in_the_books() {
    let declared = bare(quickstart());
    let node = without(&configured(&declared), |_| true);
    let mut observed = declared;
    observed.policies[0].spec.enforcement = crd::kind::Enforcement::Observe;
    observed.policies[0].spec.deletion_policy = None;
    assert_eq!(planned(&observed, &node).0, []);
}
