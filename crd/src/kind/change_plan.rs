//! `ChangePlan`: one rollout over many nodes, as it was planned, approved and carried out.
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, rule};
use crate::{
    id::{Digest, NodeName},
    plan::{NodeDigest, RolloutDigest},
    step::DisruptionClass,
};

/// A rollout as it was planned. It never changes: people approve it by digest.
#[derive(Clone, Debug, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::PLAN_IMMUTABLE])))]
#[kube(
    group = "shardplane.dev",
    version = "v1alpha1",
    kind = "ChangePlan",
    plural = "changeplans",
    shortname = "cplan",
    category = "shardplane",
    status = "ChangePlanStatus",
    derive = "PartialEq",
    doc = "One rollout: what it changes on which nodes, who approved it, and how far it came.",
    printcolumn(name = "Digest", type_ = "string", json_path = ".spec.digest"),
    printcolumn(
        name = "Disruption",
        type_ = "string",
        json_path = ".spec.summary.disruption",
        description = "The worst that it disturbs"
    ),
    printcolumn(
        name = "Resets",
        type_ = "integer",
        json_path = ".spec.summary.resets",
        description = "SoCs that it resets, on all nodes"
    ),
    printcolumn(
        name = "Approved by",
        type_ = "string",
        json_path = ".status.approval.by"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
pub struct ChangePlanSpec {
    /// Digest over the sorted node digests.
    #[schemars(schema_with = "super::shape::rollout_digest")]
    pub digest: RolloutDigest,
    /// Each node and its digest, sorted by node, at most 1000.
    #[schemars(length(min = 1, max = 1000))]
    pub nodes: Vec<PlannedNode>,
    /// The order in which nodes are worked on, at most 1000.
    #[schemars(length(min = 1, max = 1000))]
    pub order: Vec<NodeName>,
    /// Counts over all nodes.
    pub summary: PlannedSummary,
    /// Digest of what was declared when it was planned: as long as that is the same, what failed is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Digest>,
}

/// One node of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedNode {
    /// The node.
    pub node: NodeName,
    /// Digest of its steps.
    #[schemars(schema_with = "super::shape::node_digest")]
    pub digest: NodeDigest,
    /// Digest of what was declared for it: a step that failed is not tried again before that changes. Absent in rollouts of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Digest>,
}

/// Counts over all nodes of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedSummary {
    /// Effects that write a register or a setting.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub change: u32,
    /// Gates.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gates: u32,
    /// SoC resets.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub resets: u32,
    /// The worst disturbance.
    pub disruption: DisruptionClass,
}

/// How far a rollout came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangePlanStatus {
    /// The generation that the rest is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Who approved what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<GivenApproval>,
    /// How each node ended, at most 1000; nodes that were not reached are absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub nodes: Vec<NodeOutcome>,
    /// Conditions, one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::shape::conditions")]
    pub conditions: Vec<Condition>,
}

/// An approval that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GivenApproval {
    /// What was approved: the rollout's digest, or a node's.
    #[schemars(schema_with = "super::shape::approved_digest")]
    pub digest: Digest,
    /// Who approved it, as the API server knows them.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
}

/// How one node ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeOutcome {
    /// The node.
    pub node: NodeName,
    /// How.
    pub outcome: NodeProgress,
    /// Since when, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub since: Option<String>,
    /// Why, for all but `Converged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub why: Option<String>,
}

/// Where a node of a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeProgress {
    /// Granted, and working.
    Applying,
    /// Every step was verified.
    Converged,
    /// A step failed; the node was left.
    Halted,
    /// A step failed; its steps were undone.
    RolledBack,
    /// What was planned no longer fits the node.
    Stale,
}
