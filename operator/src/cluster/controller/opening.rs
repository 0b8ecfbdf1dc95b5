//! A rollout that is opened: which nodes, in which order, and what it comes to.
use std::collections::BTreeMap;

use crd::{
    id::{Digest, NodeName},
    kind::{ChangePlanSpec, PlannedNode, PlannedSummary},
};

use super::{sheet::Sheet, survey::Survey};

/// Nodes that one rollout has room for.
const NODES: usize = 1000;

/// The rollout over these nodes.
pub fn opened(
    survey: &Survey,
    left: &BTreeMap<&NodeName, &Sheet>,
    declared: Option<Digest>,
    declared_for: impl Fn(&NodeName) -> Option<Digest>,
) -> ChangePlanSpec {
    let order: Vec<NodeName> = survey
        .order
        .iter()
        .filter(|name| left.contains_key(name))
        .take(NODES)
        .cloned()
        .collect();
    let nodes: BTreeMap<&NodeName, &Sheet> = order
        .iter()
        .filter_map(|name| Some((name, *left.get(name)?)))
        .collect();
    let digests = nodes.values().map(|sheet| &sheet.digest);
    let digest = reconcile::rollout_digest_of(digests);
    let summary = summary(&nodes);
    let mut planned: Vec<PlannedNode> = nodes
        .into_iter()
        .map(|(name, sheet)| PlannedNode {
            node: name.clone(),
            digest: sheet.digest.clone(),
            declared: declared_for(name),
        })
        .collect();
    planned.sort();
    ChangePlanSpec {
        digest,
        nodes: planned,
        order,
        summary,
        declared,
    }
}

/// Counts as a plan's own summary has them.
fn summary(nodes: &BTreeMap<&NodeName, &Sheet>) -> PlannedSummary {
    let mut summary = PlannedSummary {
        change: 0,
        gates: 0,
        resets: 0,
        disruption: nodes
            .values()
            .map(|sheet| sheet.disruption)
            .max()
            .unwrap_or_default(),
    };
    for sheet in nodes.values() {
        summary.change += sheet.counts.change;
        summary.gates += sheet.counts.gates;
        summary.resets += sheet.counts.resets;
    }
    summary
}
