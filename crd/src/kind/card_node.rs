//! `CardNode`: what the controller grants one node, and what that node's agent says of itself.
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApprovalMode, Condition};
use crate::{
    id::{BootId, Digest, PciAddress, StepId},
    plan::{NodeDigest, RolloutDigest},
    snapshot::PodName,
};

/// What the controller grants the node of the same name. Never written by people.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "shardplane.dev",
    version = "v1alpha1",
    kind = "CardNode",
    plural = "cardnodes",
    shortname = "cnode",
    category = "shardplane",
    status = "CardNodeStatus",
    derive = "PartialEq",
    doc = "One node with cards: the plan that it was granted, and what its agent says of itself.",
    printcolumn(name = "SoCs", type_ = "integer", json_path = ".status.counts.socs"),
    printcolumn(
        name = "Held",
        type_ = "integer",
        json_path = ".status.counts.held",
        description = "SoCs that somebody holds"
    ),
    printcolumn(
        name = "Deviations",
        type_ = "integer",
        json_path = ".status.counts.deviations",
        description = "Registers and settings that are not as they were left"
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
        name = "Digest",
        type_ = "string",
        json_path = ".status.snapshotDigest",
        priority = 1
    ),
    printcolumn(
        name = "Boot",
        type_ = "string",
        json_path = ".status.bootId",
        priority = 1
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
pub struct CardNodeSpec {
    /// The plan that the node may carry out; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// SoCs that the controller has drained; the agent waits for this before it resets them. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub drained: Vec<PciAddress>,
    /// The step of the grant that waited for this: work is kept off its SoCs, and for a drain nobody holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained_for: Option<StepId>,
    /// The approval that the node's policies ask for now, where its ledger kept another and nothing else is to be done: the
    /// agent keeps this one, so that it governs the removal of what the ledger holds. Absent where they agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalMode>,
}

/// A plan that one node may carry out, and what it was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The plan's digest for this node.
    #[schemars(schema_with = "super::shape::node_digest")]
    pub digest: NodeDigest,
    /// The rollout that it belongs to.
    #[schemars(schema_with = "super::shape::rollout_digest")]
    pub rollout: RolloutDigest,
    /// The node's plan as JSON, gzipped and base64-encoded, at most 256 KiB.
    #[schemars(length(min = 1, max = 262_144))]
    pub plan: String,
    /// The boot that it was planned in.
    pub boot_id: BootId,
    /// UID of the Node object that it was planned for: a node made again under the same name has been granted nothing.
    #[schemars(length(min = 1, max = 64))]
    pub node_uid: String,
    /// Resource version of this object that it was decided on; a disruptive step never starts on an older grant.
    #[schemars(length(min = 1, max = 64))]
    pub decided_on: String,
    /// Epoch of the controller's lease when it was decided.
    #[schemars(range(min = 0))]
    pub lease_epoch: i64,
}

/// What the node's agent says of itself. No keyed list but conditions: each doubles the cost of a write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardNodeStatus {
    /// The generation that the agent has acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Digest of the node's snapshot, without its readings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_digest: Option<Digest>,
    /// The canonical snapshot as JSON, gzipped and base64-encoded, at most 32 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32_768))]
    pub snapshot: Option<String>,
    /// The running boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<BootId>,
    /// UID of the Node object that the agent runs on: a node made again under the same name is another node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub node_uid: Option<String>,
    /// Version of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub agent_version: Option<String>,
    /// How far the last grant came; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantProgress>,
    /// Counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<NodeCounts>,
    /// What differs from what is declared, a sentence each, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub deviations: Vec<String>,
    /// Who listens on the port of the vendor's operator's agent, where it is that agent or cannot be told from it: no SoC of
    /// the node is reset by us then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub vendor_agent: Option<String>,
    /// Who holds SoCs, an entry a holder, at most 16: for whoever reads this. The snapshot has all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub holders: Vec<SocsHeld>,
    /// The last steps, newest first, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub last_steps: Vec<LastStep>,
    /// Conditions, one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::shape::conditions")]
    pub conditions: Vec<Condition>,
}

/// How far a grant came, by the word of the agent that it was given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantProgress {
    /// The granted plan's digest.
    #[schemars(schema_with = "super::shape::node_digest")]
    pub digest: NodeDigest,
    /// Resource version that the grant was decided on.
    #[schemars(length(min = 1, max = 64))]
    pub decided_on: String,
    /// Epoch of the lease that it was decided under.
    #[schemars(range(min = 0))]
    pub lease_epoch: i64,
    /// Where it stands.
    pub state: GrantState,
    /// The drain that the agent waits for; the controller owes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaiting: Option<StepId>,
    /// Why, where it ended in another way than `Converged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub why: Option<String>,
}

/// Where a grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GrantState {
    /// Its steps are being carried out.
    Working,
    /// Every step was verified, or was done already.
    Converged,
    /// A step failed; the node was left as it is.
    Halted,
    /// A step failed; this run's steps were undone.
    RolledBack,
    /// It does not fit the node as it is now: nothing more of it is carried out.
    Void,
    /// The agent may not carry it out: it is older than one already seen, or meant for another boot or node.
    Refused,
}

/// Counts of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// SoCs seen.
    #[schemars(range(min = 0))]
    pub socs: i32,
    /// Of these, Ready.
    #[schemars(range(min = 0))]
    pub ready: i32,
    /// Of these, held by somebody.
    #[schemars(range(min = 0))]
    pub held: i32,
    /// Groups whose P2P is proven.
    #[schemars(range(min = 0))]
    pub groups: i32,
    /// Deviations, also those that the list has no room for.
    #[schemars(range(min = 0))]
    pub deviations: i32,
}

/// Somebody who holds SoCs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocsHeld {
    /// The SoCs, at most 64.
    #[schemars(length(max = 64))]
    pub socs: Vec<PciAddress>,
    /// The pod, where the kubelet named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodName>,
    /// The uid of the pod that the process belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pod_uid: Option<String>,
    /// The process; Linux gives numbers up to 4194304.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_194_304))]
    pub pid: Option<u32>,
    /// What it is called: a command, or why nobody can tell.
    #[schemars(length(max = 256))]
    pub name: String,
}

/// One step that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastStep {
    /// Which.
    pub id: StepId,
    /// The journal's word for how it ended: `verified`, `failed`, `void` or `compensated`.
    #[schemars(length(max = 16))]
    pub outcome: String,
    /// When, RFC 3339 in UTC.
    #[schemars(length(max = 40))]
    pub at: String,
    /// Why, for all but `verified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub why: Option<String>,
}
