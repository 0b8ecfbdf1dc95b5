//! A rollout that is opened: which nodes, in which order, and what it comes to.
use crd::{
    id::{Digest, NodeName},
    kind::{ChangePlanSpec, PlannedNode, PlannedSummary},
    plan::{NodePlan, Plan},
    step::Action,
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
    let mut summary = PlannedSummary::default();
    for node in nodes {
        summary.disruption = summary.disruption.max(node.disruption);
        for step in &node.steps {
            match &step.action {
                Action::ClearAcs { .. }
                | Action::RestoreAcs { .. }
                | Action::RequestMdp { .. }
                | Action::SetDriver { .. }
                | Action::SetSysctl { .. }
                | Action::WriteFile { .. } => summary.change += 1,
                Action::Taint { .. }
                | Action::Drain { .. }
                | Action::WaitReady { .. }
                | Action::VerifyMdp { .. }
                | Action::VerifyP2P { .. }
                | Action::Untaint { .. } => summary.gates += 1,
                Action::Reset { socs, .. } => {
                    summary.resets += u32::try_from(socs.len()).unwrap_or(u32::MAX);
                }
                Action::StartQmonitor {}
                | Action::AssignEntry { .. }
                | Action::AssignGroup { .. }
                | Action::Build { .. }
                | Action::StartWorker { .. }
                | Action::StopWorker { .. }
                | Action::ReplaceWorker { .. } => {}
            }
        }
    }
    summary
}
