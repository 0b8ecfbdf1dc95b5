//! The vendor's operator has an agent on the node that resets SoCs: of two that reset, we are never the second.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    judgement::Judgement,
    plan::{Plan, ReportReason},
    snapshot::{HardwareSnapshot, PortOwner},
    step::Action,
};
use reconcile::judge;

use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

/// The agent, in its pod.
pub fn vendor_agent() -> PortOwner {
    PortOwner::Pod {
        pid: 3000,
        name: "qaic-device-age".into(),
        uid: "6d2f3c1a-0b7e-4f6a-9c55-1f0e62472000".into(),
    }
}

/// qmonitor as the vendor's guide starts it.
fn qmonitor() -> PortOwner {
    PortOwner::Process {
        pid: 2000,
        name: "qaic-monitor-gr".into(),
        unit: Some("qmonitor-proxy.service".into()),
        container: None,
    }
}

fn with(owner: Option<Fact<PortOwner>>) -> HardwareSnapshot {
    let mut snapshot = two_ultras("lab");
    let listens = owner
        .as_ref()
        .is_some_and(|fact| fact.get() != Some(&PortOwner::Nobody));
    snapshot.tools.qmonitor_running = Fact::known(listens, "test");
    snapshot.tools.qmonitor_owner = owner;
    snapshot
}

fn resets(plan: &Plan) -> usize {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps
        .filter(|step| {
            matches!(
                step.action,
                Action::Reset { .. } | Action::RequestMdp { .. }
            )
        })
        .count()
}

fn blocked(plan: &Plan) -> Vec<&str> {
    let lines = plan.report.iter();
    lines
        .filter(|line| line.reason == ReportReason::VendorAgent)
        .map(|line| line.message.as_str())
        .collect()
}

#[test]
fn a_soc_is_reset_by_one_owner_alone() {
    let known = |owner| Some(Fact::known(owner, "/proc"));
    let unknown = |why| Some(Fact::unknown(why, "/proc"));
    for (owner, may, said) in [
        (None, true, ""),
        (known(PortOwner::Nobody), true, ""),
        (known(qmonitor()), true, ""),
        (
            known(vendor_agent()),
            false,
            "pid 3000 (qaic-device-age) of pod 6d2f3c1a",
        ),
        (
            unknown(Unknown::NoPermission),
            false,
            "(/proc: NoPermission)",
        ),
        (unknown(Unknown::Absent), false, "(/proc: Absent)"),
    ] {
        let plan = plan_of(&quickstart(), &[with(owner.clone())]);
        assert_eq!(resets(&plan) > 0, may, "{owner:?}");
        let told = blocked(&plan);
        assert_eq!(told.is_empty(), may, "{owner:?}: {told:?}");
        assert!(told.iter().all(|line| line.contains(said)), "{told:?}");
    }
}

/// What is as declared needs no reset, and is nobody's to block; nor is ACS, which the vendor's operator does not know.
#[test]
fn an_agent_stands_in_the_way_of_resets_alone() {
    let mut nodes = vec![with(None)];
    assert!(apply(&plan_of(&quickstart(), &nodes), &mut nodes, false).is_empty());
    nodes[0].tools.qmonitor_owner = Some(Fact::known(vendor_agent(), "/proc"));
    let plan = plan_of(&quickstart(), &nodes);
    assert_eq!(blocked(&plan), [""; 0]);
    let steps = |declaration: &Declaration| -> Vec<String> {
        let plan = plan_of(declaration, &nodes);
        let steps = plan.nodes.iter().flat_map(|node| &node.steps);
        steps.map(|step| step.id.0.clone()).collect()
    };
    let back = steps(&Declaration::default());
    assert!(
        back.iter().any(|id| id.contains("/acs.restore/")),
        "{back:?}"
    );
}

/// It came after the plan was made: the step is void, and nothing is asked of the SoC nor reset.
#[test]
fn an_agent_that_comes_late_voids_what_is_left() {
    let plan = plan_of(&quickstart(), &[with(None)]);
    let mut seen = 0;
    for step in &plan.nodes[0].steps {
        let (before, after) = (
            judge(step, &with(None)),
            judge(step, &with(Some(Fact::known(vendor_agent(), "/proc")))),
        );
        if matches!(
            step.action,
            Action::Reset { .. } | Action::RequestMdp { .. }
        ) {
            seen += 1;
            let Judgement::Void { expected, found } = after else {
                panic!("{}: {after:?}", step.id);
            };
            assert_eq!(expected, "nobody else who resets SoCs");
            assert!(found.contains("pid 3000"), "{found}");
        } else if !matches!(step.action, Action::StartQmonitor {}) {
            assert_eq!(before, after, "{}", step.id);
        }
    }
    assert!(seen >= 8, "{seen}");
}
