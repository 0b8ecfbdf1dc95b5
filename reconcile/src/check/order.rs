//! The rule about the order of nodes: canaries go first, nobody is forgotten, and the node's limits are its policies'.
use crd::{
    kind::Rollout,
    plan::{NodePlan, Plan},
    step::Action,
};

use super::{Findings, machine::Machine};

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
    let least = |stated: fn(&Rollout) -> Option<u32>| {
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
        least(|rollout| rollout.failure_threshold),
        least(|rollout| rollout.max_unavailable_nodes),
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
