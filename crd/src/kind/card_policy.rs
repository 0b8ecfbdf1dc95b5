//! `CardPolicy`: how cards on selected nodes are configured, and how far that may disturb them.
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CardPolicyStatus, NodeSelector, UntrustedNeighbours, rule};
use crate::id::{Digest, PciAddress};

/// How cards on selected nodes are configured.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[derive(CustomResource)]
#[kube(
    group = "shardplane.dev",
    version = "v1alpha1",
    kind = "CardPolicy",
    plural = "cardpolicies",
    shortname = "cpol",
    category = "shardplane",
    status = "CardPolicyStatus",
    derive = "PartialEq",
    doc = "How cards on selected nodes are configured, and how far that may disturb them.",
    printcolumn(
        name = "Enforcement",
        type_ = "string",
        json_path = ".spec.enforcement"
    ),
    printcolumn(name = "Approval", type_ = "string", json_path = ".spec.approval.mode"),
    printcolumn(
        name = "Nodes",
        type_ = "integer",
        json_path = ".status.nodes",
        description = "Nodes that it governs"
    ),
    printcolumn(
        name = "Converged",
        type_ = "integer",
        json_path = ".status.convergedNodes",
        description = "Those of them on which all that it declares is so"
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
pub struct CardPolicySpec {
    /// The nodes that it governs; absent selects every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<NodeSelector>,
    /// The SoCs that it governs on those nodes; absent selects all. Two policies that match one SoC cancel each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceSelector>,
    /// What must be true of a SoC before anything is done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<CardRequirements>,
    /// Multi-device partitioning; absent leaves it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdp: Option<MdpMode>,
    /// Access Control Services of the ports between group members; absent leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs: Option<AcsPolicy>,
    /// Driver parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<DriverPolicy>,
    /// Kernel settings of the machine around the cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPolicy>,
    /// Whether steps are carried out, or only reported.
    pub enforcement: Enforcement,
    /// Who lets a plan go ahead.
    pub approval: Approval,
    /// Whether resetting one SoC is taken to be enough for MDP (`SoC`), or the whole machine's SoCs are reset together
    /// (`Host`); absent means `SoC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_scope: Option<ResetScope>,
    /// How many nodes and SoCs may be disturbed at once; absent means one of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// How workers are drained; absent means 300 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainPolicy>,
    /// What a failed step leads to; absent means `Halt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<FailurePolicy>,
    /// What happens to the hardware when this policy, or what it governs, is deleted; absent means `Retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// Selects SoCs on a node. Both lists given: both must match.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceSelector {
    /// SoCs by PCI address, at most 64; empty matches any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub addresses: Vec<PciAddress>,
    /// SKU names as the vendor's tool prints them (`PCIe Ultra`), at most 16; empty matches any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    pub skus: Vec<String>,
}

/// What must be true of a SoC before anything is done to it.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CardRequirements {
    /// Least size of BAR 4 in GiB, 1 to 1024. P2P needs 2 whatever is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub bar4_gib: Option<u32>,
    /// Oldest Platform SDK that will do, `1.17` or `1.21.0` form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::sdk_version")]
    pub min_sdk: Option<String>,
}

/// Multi-device partitioning of every selected SoC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum MdpMode {
    /// On for every selected SoC.
    Enabled,
    /// Off for every selected SoC.
    Disabled,
    /// On for members of a declared group, as it is elsewhere.
    Groups,
}

/// Access Control Services of the ports between group members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcsPolicy {
    /// Which ports may be relaxed.
    pub mode: AcsMode,
    /// What to do where a device that is not a member would lose isolation; absent means `Refuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_neighbours: Option<UntrustedNeighbours>,
}

/// Which ports may be relaxed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AcsMode {
    /// The divergence ports of declared groups, and of those only the redirect and egress bits.
    Minimal,
    /// None: a group whose ports redirect stays blocked.
    Unmanaged,
}

/// Driver parameters.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::DRIVER_PERSISTENCE])))]
pub struct DriverPolicy {
    /// How long the driver waits for a control response, in seconds 1 to 86400 (vendor's advice for multi-device programs: 2600).
    /// Written under the name and in the unit that the driver has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub control_response_timeout_seconds: Option<u32>,
    /// How long a driver parameter stays; absent means `Runtime`. `Persist` keeps it in `/etc/modprobe.d/90-shardplane.conf`
    /// too, where it holds whenever the driver is loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
}

/// Kernel settings of the machine around the cards.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::HOST_PERSISTENCE])))]
pub struct HostPolicy {
    /// `vm.max_map_count`, mappings a process may hold, 65530 to 2147483647 (vendor's advice for sharding through the host: 2048000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 65530, max = 2_147_483_647))]
    pub max_map_count: Option<u32>,
    /// How long a kernel setting stays; absent means `Runtime`. `Persist` keeps it in `/etc/sysctl.d/90-shardplane.conf`
    /// too, from where every boot sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
}

/// How long a setting stays.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Persistence {
    /// Until the machine boots or the driver is loaded again; whoever keeps the machine as declared sets it anew.
    #[default]
    Runtime,
    /// Over boots too: a file of ours sets it before anything of ours runs. Deletion takes the file away, or puts back
    /// what stood there, as the deletion rule says.
    Persist,
}

/// Whether steps are carried out.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Enforcement {
    /// Report what `Enforce` would do; every step becomes a report line.
    #[default]
    Observe,
    /// Carry steps out.
    Enforce,
}

/// Who lets a plan go ahead.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// The rule.
    pub mode: ApprovalMode,
    /// Digests that are approved, a node's or a rollout's, at most 64: merging one in Git approves exactly what CI printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::shape::approved_digests")]
    pub digests: Vec<Digest>,
}

/// The rule of approval.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ApprovalMode {
    /// Every plan goes ahead.
    Automatic,
    /// A plan goes ahead when it disturbs no worker and relaxes no port for the first time. Rollouts of a model, which
    /// stop its own workers alone and keep to its `rollout`, are no part of what is approved.
    AutomaticIfNotDisruptive,
    /// Only a plan whose digest somebody approved.
    #[default]
    Manual,
}

/// How far a reset reaches.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ResetScope {
    /// One SoC at a time.
    SoC,
    /// All SoCs of the machine together.
    Host,
}

/// How many nodes and SoCs may be disturbed at once.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Nodes disturbed at once, 1 to 1000; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_unavailable_nodes: Option<u32>,
    /// SoCs drained at once on one node, 1 to 64; absent means all members of one group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub max_unavailable_socs: Option<u32>,
    /// Nodes that go first and must succeed before the others, by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<NodeSelector>,
    /// Sizes of the batches in which the other nodes go after the canaries, in nodes, 1 to 1000 each, at most 16: a batch
    /// begins when no step is left on the nodes of those before it, but on failed ones that `failureThreshold` allows and on
    /// Nodes that are not ready. The nodes that are left after the last size are one more batch. Empty means one batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 1000)))]
    pub batches: Vec<u32>,
    /// Failed nodes after which nothing more begins on nodes that have a policy in common with them, 1 to 1000; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<u32>,
    /// Whether nothing new begins on the policy's nodes, whoever approved it; what is under way ends. Absent means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// When a batch with disruptive steps may start on a node, what is put back after a deletion too; what has begun ends.
    /// Empty means at any time. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub windows: Vec<Window>,
}

/// A window in which disruptive steps may start, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// Days on which it opens, `Mon` to `Sun`; empty means every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::shape::window_days")]
    pub days: Vec<String>,
    /// When it opens, `HH:MM` in UTC.
    #[schemars(schema_with = "super::shape::window_start")]
    pub start: String,
    /// How long it stays open, in minutes, 1 to 1440.
    #[schemars(range(min = 1, max = 1440))]
    pub minutes: u32,
}

/// How workers are drained.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrainPolicy {
    /// Seconds that a worker has to finish its requests, 1 to 86400.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_seconds: u32,
    /// Who makes the holders of SoCs go, in a cluster; absent means our controller, by the Eviction API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_off: Option<HandOff>,
}

/// Who makes the holders of SoCs go.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum HandOff {
    /// Whoever serves `NodeMaintenance` (`maintenance.nvidia.com/v1alpha1`): one is requested for the node, for pods with
    /// SoCs alone, and waited for. Where that kind is not served, our controller does it.
    NodeMaintenance,
}

/// What a failed step leads to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum FailurePolicy {
    /// Stop on this node and leave what was done.
    Halt,
    /// Stop, and undo this run's steps in reverse order by their inverses.
    Compensate,
}

/// What happens on deletion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::DELETION_MDP, &rule::DELETION_TIMEOUT])))]
pub struct DeletionPolicy {
    /// Whether what we changed is put back.
    pub rule: DeletionRule,
    /// Whether `Revert` undoes MDP too, which resets SoCs; absent means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdp: Option<bool>,
    /// Only with `Revert`: how long a cluster keeps a deleted policy for nodes that cannot be reached, in seconds 1 to 604800;
    /// absent means 3600. Then it goes, and they are put back when they can be reached again: their ledgers know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub revert_timeout_seconds: Option<u32>,
}

/// Whether what we changed is put back.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DeletionRule {
    /// Leave it.
    #[default]
    Retain,
    /// Put back what the ledger recorded.
    Revert,
}
