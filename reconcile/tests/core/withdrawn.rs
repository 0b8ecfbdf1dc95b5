//! A request for partitioning that no reset took up is taken back with the declaration that made it.
use crd::{
    Fact,
    declaration::Declaration,
    id::PciAddress,
    kind::{DeletionPolicy, DeletionRule, MdpMode},
    plan::Plan,
    snapshot::{HardwareSnapshot, LedgerTarget, SocStatus},
    step::{Action, MdpSetting, Step},
};
use reconcile::{NodeInput, check, drift::drifted, ledger};

use crate::{
    declare::quickstart,
    simulate::{apply, carry_out_one, plan_of},
    world::two_ultras,
};

/// A run that was stopped before its first reset: one set's partitioning is asked for and on nowhere.
fn stopped() -> HardwareSnapshot {
    let mut declaration = quickstart();
    declaration.policies[0].spec.deletion_policy = Some(DeletionPolicy {
        rule: DeletionRule::Revert,
        mdp: Some(true),
        revert_timeout_seconds: None,
    });
    let mut node = two_ultras("lab");
    let plan = plan_of(&declaration, std::slice::from_ref(&node));
    let steps = plan.nodes[0].steps.iter();
    for step in steps.take_while(|step| !matches!(step.action, Action::Reset { .. })) {
        carry_out_one(step, &mut node);
        node.ledger = ledger::after(&node.ledger, step, &node);
    }
    assert_eq!(recorded(&node).len(), 4);
    node
}

fn recorded(node: &HardwareSnapshot) -> Vec<PciAddress> {
    let entries = node.ledger.entries.iter();
    let of = entries.filter_map(|entry| match &entry.target {
        LedgerTarget::Mdp { soc } => Some(*soc),
        _ => None,
    });
    of.collect()
}

fn removal(node: &HardwareSnapshot) -> Plan {
    plan_of(&Declaration::default(), std::slice::from_ref(node))
}

fn asked_off(plan: &Plan) -> Vec<PciAddress> {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    let asked = steps.filter_map(|step| match &step.action {
        Action::RequestMdp { soc, enable } if *enable == MdpSetting::Off => Some(soc.address),
        _ => None,
    });
    asked.collect()
}

#[test]
fn what_waits_for_a_reset_is_asked_back_without_one() {
    let node = stopped();
    let plan = removal(&node);
    assert_eq!(asked_off(&plan), recorded(&node));
    let steps = plan.nodes[0].steps.iter();
    let reset = steps
        .clone()
        .find(|step| matches!(step.action, Action::Reset { .. }));
    assert_eq!(reset, None, "nothing has to be reset to stay as it is");
    assert_eq!(
        check(
            &plan,
            &Declaration::default(),
            &[NodeInput::Read(node.clone())]
        ),
        []
    );
    let mut nodes = vec![node];
    assert_eq!(apply(&plan, &mut nodes, false), Vec::<String>::new());
    assert_eq!(recorded(&nodes[0]), []);
    assert_eq!(
        removal(&nodes[0])
            .nodes
            .iter()
            .flat_map(|node| &node.steps)
            .count(),
        0
    );
}

#[test]
fn what_cannot_be_asked_back_is_said_and_stays_in_the_ledger() {
    let mut node = stopped();
    let soc = recorded(&node)[0];
    let found = node
        .socs
        .iter_mut()
        .find(|found| found.address == soc)
        .unwrap();
    found.status = Fact::known(SocStatus::Initializing, "test");
    let plan = removal(&node);
    assert!(!asked_off(&plan).contains(&soc));
    let said = format!(
        "partitioning of {soc} reads false as before us, but the request for true may still wait"
    );
    assert!(
        plan.report
            .iter()
            .any(|line| line.message.starts_with(&said)),
        "{:#?}",
        plan.report
    );
    let mut nodes = vec![node];
    assert_eq!(apply(&plan, &mut nodes, false), Vec::<String>::new());
    assert_eq!(recorded(&nodes[0]), [soc]);
}

/// An edit that says `Disabled` by name wants no request for the other to wait, whatever becomes of partitioning at the end.
#[test]
fn what_waits_is_asked_back_where_a_policy_says_the_other() {
    let rules = [
        None,
        Some((DeletionRule::Retain, None)),
        Some((DeletionRule::Revert, None)),
        Some((DeletionRule::Revert, Some(true))),
    ];
    // The groups may go with it, or stay and be blocked.
    let cases = rules
        .into_iter()
        .flat_map(|rule| [(rule, true), (rule, false)]);
    for (deletion, groups_go) in cases {
        let node = stopped();
        let mut edited = quickstart();
        let spec = &mut edited.policies[0].spec;
        spec.mdp = Some(MdpMode::Disabled);
        spec.deletion_policy = deletion.map(|(rule, mdp)| DeletionPolicy {
            rule,
            mdp,
            revert_timeout_seconds: None,
        });
        if groups_go {
            edited.groups.clear();
            edited.models.clear();
        }
        let plan = plan_of(&edited, std::slice::from_ref(&node));
        assert_eq!(asked_off(&plan), recorded(&node), "{deletion:?}");
        let mut steps = plan.nodes[0].steps.iter();
        assert!(!steps.any(|step| matches!(step.action, Action::Reset { .. })));
        assert_eq!(check(&plan, &edited, &[NodeInput::Read(node.clone())]), []);
        let mut nodes = vec![node];
        assert_eq!(apply(&plan, &mut nodes, false), Vec::<String>::new());
        assert_eq!(recorded(&nodes[0]), [], "{deletion:?}");
        let after = plan_of(&edited, &nodes);
        assert_eq!(
            after.nodes.iter().flat_map(|node| &node.steps).count(),
            0,
            "{deletion:?} {groups_go}"
        );
    }
}

/// A removal that was stopped before it saw what it had asked for: nobody else switched that off.
#[test]
fn what_goes_back_by_our_own_hand_is_no_drift() {
    let mut node = stopped();
    assert_eq!(drifted(&node).len(), 4);
    let plan = removal(&node);
    let asks = |step: &&Step| matches!(step.action, Action::RequestMdp { .. });
    let step = plan.nodes[0].steps.iter().find(asks).expect("a request");
    carry_out_one(step, &mut node);
    node.ledger = ledger::after(&node.ledger, step, &node);
    assert_eq!(recorded(&node).len(), 4, "a request proves nothing");
    assert_eq!(drifted(&node).len(), 3);
}
