//! Whether a node's plan may go ahead, and on whose word.
use crd::{
    id::{Digest, NodeName},
    kind::ApprovalMode,
    plan::{Governance, NodeDigest, NodePlan, RolloutDigest},
};

/// Whether a node's plan may go ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalDecision {
    /// Nothing needs approval: no steps, or the mode lets this plan go ahead.
    Automatic,
    /// Somebody approved this digest, a node's or the rollout's.
    Approved {
        /// The digest that was accepted.
        digest: Digest,
    },
    /// Somebody has to approve it first. A confirmation on a terminal or `--yes` will do unless `digest_only`.
    Wanted {
        /// Whether only a digest will do (`Manual`).
        digest_only: bool,
        /// Why, in one sentence.
        why: String,
    },
}

/// Steps of a node, as far as leave for them depends on them.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// Their digest.
    pub digest: &'a NodeDigest,
    /// What governs the node.
    pub governance: &'a Governance,
    /// Whether one of them is disruptive.
    pub disruptive: bool,
}

/// Decides on the digests that the policies list and those `offered` (`--approve-digest`).
///
/// A digest counts in the printed form (`node:b3:…`, `rollout:b3:…`): the node's approves these steps in any rollout.
/// Builds and workers need no approval.
pub fn decide(node: &NodePlan, rollout: &RolloutDigest, offered: &[Digest]) -> ApprovalDecision {
    if node.steps.is_empty() {
        return ApprovalDecision::Automatic;
    }
    let asked = Asked {
        node: &node.node,
        digest: &node.digest,
        governance: &node.governance,
        disruptive: node.disruptive,
    };
    decide_on(asked, rollout, offered)
}

/// The same for steps that are not at hand: there are some.
pub fn decide_on(node: Asked<'_>, rollout: &RolloutDigest, offered: &[Digest]) -> ApprovalDecision {
    let accepted = node
        .governance
        .approved
        .iter()
        .chain(offered)
        .find(|digest| digest.0 == node.digest.0 || digest.0 == rollout.0);
    if let Some(digest) = accepted {
        return ApprovalDecision::Approved {
            digest: digest.clone(),
        };
    }
    match node.governance.approval {
        ApprovalMode::Automatic => ApprovalDecision::Automatic,
        ApprovalMode::AutomaticIfNotDisruptive if !node.disruptive => ApprovalDecision::Automatic,
        ApprovalMode::AutomaticIfNotDisruptive => ApprovalDecision::Wanted {
            digest_only: false,
            why: format!(
                "the plan for {} stops workers, resets SoCs or relaxes a port for the first time",
                node.node
            ),
        },
        ApprovalMode::Manual => ApprovalDecision::Wanted {
            digest_only: true,
            why: if node.governance.policies.is_empty() {
                format!(
                    "the policy under which {} was configured wanted its plans approved by digest, and so does its removal",
                    node.node
                )
            } else {
                format!(
                    "a policy of {} wants its plans approved by digest",
                    node.node
                )
            },
        },
    }
}
