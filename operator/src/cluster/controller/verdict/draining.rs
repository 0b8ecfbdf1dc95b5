//! Who stands in the way of drains: the first few by name, and how many more.
use std::collections::BTreeSet;

use crd::{id::NodeName, plan::ReportReason};

use super::{Seen, standing::sentence};
use crate::cluster::{
    condition::{About, Said, said},
    controller::drains::{Blocker, Obstinacy},
};

/// Blockers that a sentence names.
const NAMED: usize = 5;

impl Seen<'_> {
    /// Whether somebody stands in the way of a drain on these nodes: of one that an agent waits for, or of one that is not
    /// planned for that reason.
    pub(super) fn drain_blocked(&self, nodes: &[&NodeName]) -> Said {
        let of_node = |name: &&NodeName| {
            let name = (*name).clone();
            let drain = self.drains.get(&name);
            let blockers = drain.map_or(&[][..], |drain| &drain.blockers);
            blockers.iter().map(move |blocker| (name.clone(), blocker))
        };
        let blockers: Vec<(NodeName, &Blocker)> = nodes.iter().flat_map(of_node).collect();
        if let Some((_, first)) = blockers.first() {
            let named: Vec<String> = blockers
                .iter()
                .take(NAMED)
                .map(|(node, blocker)| format!("{node}: {}", blocker.sentence))
                .collect();
            let more = match blockers.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let message = format!("{}{more}; {}", named.join("; "), hint(first.reason));
            return said(
                About::DrainBlocked,
                true,
                &format!("{:?}", first.reason),
                message,
            );
        }
        let of: BTreeSet<&NodeName> = nodes.iter().copied().collect();
        let held = self.survey.report.iter().find(|line| {
            line.reason == ReportReason::HeldByForeign
                && line.node.as_ref().is_some_and(|node| of.contains(node))
        });
        match held {
            Some(line) => said(
                About::DrainBlocked,
                true,
                &format!("{:?}", Obstinacy::HolderUnknown),
                sentence(line),
            ),
            None => said(
                About::DrainBlocked,
                false,
                "NobodyInTheWay",
                "nobody stands in the way of a drain",
            ),
        }
    }
}

fn hint(reason: Obstinacy) -> &'static str {
    match reason {
        Obstinacy::PodDisruptionBudget => {
            "more replicas or another PodDisruptionBudget let it go; it is tried again by itself"
        }
        Obstinacy::PodNotEvictable => "whoever owns it has to end it",
        Obstinacy::NodeMaintenance => {
            "whoever serves NodeMaintenance drains this node; `kubectl get nodemaintenances -A` says how far it is"
        }
        Obstinacy::HolderUnknown => "find out whose it is and end it; nothing is reset before that",
    }
}
