//! The rule about the order of nodes: canaries go first and are waited for, nobody is forgotten, and the node's limits are
//! its policies'.
use std::collections::BTreeMap;

use crd::{
    id::NodeName,
    kind::Rollout,
    plan::{NodePlan, Plan, ReportKind, ReportLine},
    snapshot::{Ledger, LedgerTarget},
    step::{Action, MdpSetting, Step},
};

use super::{Findings, machine::Machine};
use crate::NodeInput;

pub(super) fn read(node: &NodePlan, plan: &Plan, machine: &Machine<'_>, found: &mut Findings) {
    let name = &node.node;
    let builds = node
        .work
        .iter()
        .any(|step| matches!(step.action, Action::Build { .. }));
    let runs = builds || !node.steps.is_empty();
    let places: Vec<usize> = (0..plan.order.len())
        .filter(|at| plan.order[*at] == *name)
        .collect();
    if places.len() != usize::from(runs) {
        found.add(
            "SP-C25",
            None,
            format!("{name} is in the order {} times", places.len()),
        );
    }
    let rollouts = || {
        let policies = machine.policies().into_iter();
        policies.map(|policy| policy.spec.rollout.clone().unwrap_or_default())
    };
    let least = |stated: &dyn Fn(&Rollout) -> Option<u32>| {
        let counts = rollouts().map(|rollout| stated(&rollout).unwrap_or(1));
        counts.min().unwrap_or(1)
    };
    let labels = &machine.snapshot.metadata.labels;
    let canary = rollouts().any(|rollout| rollout.canary.is_some_and(|c| c.matches(labels)));
    let said = (
        node.governance.canary,
        node.governance.failure_threshold,
        node.governance.max_unavailable_nodes,
    );
    let declared = (
        canary,
        least(&|rollout| rollout.failure_threshold),
        least(&|rollout| rollout.max_unavailable_nodes),
    );
    if said != declared {
        found.add(
            "SP-C25",
            None,
            format!("the rollout of {name} is {said:?} and its policies say {declared:?}"),
        );
    }
    let Some(place) = places.first() else {
        return;
    };
    let others_before = plan.order[..*place].iter().any(|before| {
        let before = plan.nodes.iter().find(|node| node.node == *before);
        before.is_none_or(|before| !before.governance.canary)
    });
    if canary && others_before {
        found.add("SP-C25", None, format!("{name} is a canary and not first"));
    }
}

/// What happens on a node while a canary of one of its policies has not converged: nothing but what was reached before.
pub(super) fn waits(
    node: &NodePlan,
    plan: &Plan,
    machine: &Machine<'_>,
    nodes: &[NodeInput],
    found: &mut Findings,
) {
    if node.governance.canary {
        return;
    }
    let stuck = machine.policies().into_iter().find_map(|policy| {
        let canary = policy.spec.rollout.as_ref()?.canary.as_ref()?;
        let others = policy.spec.node_selector.as_ref();
        let is_canary = |labels: &BTreeMap<String, String>| {
            canary.matches(labels) && others.is_none_or(|all| all.matches(labels))
        };
        nodes.iter().find_map(|input| match input {
            NodeInput::Read(snapshot) => {
                let name = &snapshot.metadata.name;
                let blocked = |line: &ReportLine| {
                    line.kind == ReportKind::Blocked
                        && line.node.as_ref() == Some(name)
                        && is_of_cards(line)
                };
                let stuck = is_canary(&snapshot.metadata.labels)
                    && plan.report.iter().any(blocked)
                    && enforced(plan, name);
                stuck.then_some(name)
            }
            NodeInput::Unreadable { node, labels, .. } => {
                labels.as_ref().is_none_or(is_canary).then_some(node)
            }
        })
    });
    let Some(canary) = stuck else { return };
    for step in &node.steps {
        found.expect(
            "SP-C25",
            step,
            reached(step, &machine.snapshot.ledger),
            || format!("the canary {canary} has not converged"),
        );
    }
}

fn enforced(plan: &Plan, name: &NodeName) -> bool {
    let mut nodes = plan.nodes.iter();
    nodes.any(|node| {
        node.node == *name && node.governance.enforcement == crd::kind::Enforcement::Enforce
    })
}

/// Whether a blocked goal is one of cards and settings: what is built and run there is no part of a rollout over nodes.
fn is_of_cards(line: &ReportLine) -> bool {
    let kind = line.object.as_ref().map(|object| object.kind.as_str());
    !matches!(kind, Some("ModelBuild" | "ShardedModel"))
}

/// Whether the ledger says that the node was like this before, or the step changes nothing by itself.
fn reached(step: &Step, ledger: &Ledger) -> bool {
    let known = |target: LedgerTarget| {
        let entry = ledger.entries.iter().find(|entry| entry.target == target);
        entry.map(|entry| entry.written.as_str())
    };
    match &step.action {
        Action::ClearAcs { port, .. } => known(LedgerTarget::Acs {
            port: port.address,
            path: port.path.clone(),
        })
        .is_some(),
        Action::RequestMdp { soc, enable } => {
            let on = *enable == MdpSetting::On;
            known(LedgerTarget::Mdp { soc: soc.address }) == Some(if on { "true" } else { "false" })
        }
        Action::SetDriver { name, after, .. } => {
            known(LedgerTarget::Driver { name: name.clone() }) == Some(&after.to_string())
        }
        Action::SetSysctl { name, after, .. } => {
            known(LedgerTarget::Sysctl { name: name.clone() }) == Some(&after.to_string())
        }
        Action::WriteFile { file, after, .. } => {
            known(LedgerTarget::File { file: *file }) == Some(&after.to_string())
        }
        Action::VerifyP2P { group, members, .. } => {
            let record = ledger.groups.iter().find(|record| record.group == *group);
            record.is_some_and(|record| record.members == *members)
        }
        Action::Taint { .. }
        | Action::Drain { .. }
        | Action::StartQmonitor {}
        | Action::Reset { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. }
        | Action::Untaint { .. } => true,
        Action::RestoreAcs { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => false,
    }
}
