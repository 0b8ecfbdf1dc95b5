//! A rollout that is opened: which nodes, in which order, and what it comes to.
use crd::{
    id::{Digest, NodeName},
    kind::{ChangePlanSpec, PlannedNode, PlannedSummary},
    plan::{NodePlan, Plan},
};

/// Nodes that one rollout has room for.
const NODES: usize = 1000;

/// The rollout over these nodes.
pub fn opened(plan: &Plan, left: &[&NodePlan], declared: Option<Digest>) -> ChangePlanSpec {
    let order: Vec<NodeName> = plan
        .order
        .iter()
        .filter(|name| left.iter().any(|node| node.node == **name))
        .take(NODES)
        .cloned()
        .collect();
    let nodes: Vec<NodePlan> = left
        .iter()
        .filter(|node| order.contains(&node.node))
        .map(|node| (*node).clone())
        .collect();
    let mut planned: Vec<PlannedNode> = nodes
        .iter()
        .map(|node| PlannedNode {
            node: node.node.clone(),
            digest: node.digest.clone(),
        })
        .collect();
    planned.sort();
    ChangePlanSpec {
        digest: reconcile::rollout_digest(&nodes),
        nodes: planned,
        order,
        summary: summary(&nodes),
        declared,
    }
}

/// Counts as a plan's own summary has them.
fn summary(nodes: &[NodePlan]) -> PlannedSummary {
    let counts = reconcile::counts(nodes.iter().flat_map(|node| &node.steps));
    let worst = nodes.iter().map(|node| node.disruption).max();
    PlannedSummary {
        change: counts.change,
        gates: counts.gates,
        resets: counts.resets,
        disruption: worst.unwrap_or_default(),
    }
}
