//! A plan and its report: ordered steps per node, with digests, and a line for every goal that has none.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    declaration::Span,
    id::{BootId, Digest, NodeName, ObjectRef, PciAddress, StepId, WorkerId},
    kind::{ApprovalMode, Enforcement, FailurePolicy},
    step::{DisruptionClass, Step},
};

/// Version of the plan's JSON: a minor one adds, a major one breaks.
pub const PLAN_FORMAT: &str = "1.0";

/// What the planner decided for all nodes at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format_version: String,
    /// Always `Plan`.
    pub kind: String,
    /// Digest over the sorted node digests, `rollout:` form.
    pub digest: RolloutDigest,
    /// Whether a step can run.
    pub applyable: bool,
    /// Whether every goal is met or has a step: no goal is blocked and no node is unreadable.
    pub complete: bool,
    /// Whether something declared could not be used at all.
    pub errored: bool,
    /// Counts.
    pub summary: Summary,
    /// Every declared object, changed or not, ordered by kind, namespace and name.
    pub objects: Vec<ObjectPlan>,
    /// The nodes that have something to run, in the order in which they are worked on: canaries first, then by name.
    pub order: Vec<NodeName>,
    /// Each node's steps, ordered by node.
    pub nodes: Vec<NodePlan>,
    /// Models whose serving replicas are replaced or stopped, ordered; outside every digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<ModelTurns>,
    /// Lines of the report: blocked goals, advice, drift, what Observe would do.
    pub report: Vec<ReportLine>,
}

/// A node's digest, `node:b3:…`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct NodeDigest(pub String);

/// A rollout's digest, `rollout:b3:…`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RolloutDigest(pub String);

/// One node's steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePlan {
    /// The node.
    pub node: NodeName,
    /// The boot it was planned in; checked before the first step. Outside the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<BootId>,
    /// Digest of `steps`.
    pub digest: NodeDigest,
    /// What governs it.
    pub governance: Governance,
    /// Card and machine steps, in the order in which they run.
    pub steps: Vec<Step>,
    /// Builds and workers: builds run before `steps`, workers after. Outside the digest.
    pub work: Vec<Step>,
    /// The worst disturbance of `steps`.
    pub disruption: DisruptionClass,
    /// Whether any of `steps` needs approval where approval depends on disruption; steps of `work` never do.
    pub disruptive: bool,
}

/// Whose turn it is when, while a model's replicas are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelTurns {
    /// The model.
    pub model: ObjectRef,
    /// Its declared replicas.
    pub replicas: u32,
    /// Those that serve when the first batch begins, a surplus one among them.
    pub serving: u32,
    /// How many serve at any time until the last batch is ready.
    pub least: u32,
    /// Batches from the first: each begins when every replica of those before it is ready. Step `batch` counts them.
    pub batches: Vec<Vec<WorkerId>>,
    /// The surplus replica that serves meanwhile, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surplus: Option<WorkerId>,
    /// Whether fewer serve than the numbers ask for, as `allowDowntime` permits.
    pub downtime: bool,
}

/// What governs a node's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Governance {
    /// Policies that select the node, ordered by name.
    pub policies: Vec<String>,
    /// The strictest enforcement.
    pub enforcement: Enforcement,
    /// The strictest approval.
    pub approval: ApprovalMode,
    /// Digests that the policies list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved: Vec<Digest>,
    /// The strictest answer to a failure.
    pub on_failure: FailurePolicy,
    /// SoCs that may be drained at once; absent for one group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable_socs: Option<u32>,
    /// Whether a policy has it go first: the others wait until it has converged, and a failure of it ends the rollout.
    pub canary: bool,
    /// Failed nodes at which the rollout stops, this one among them.
    pub failure_threshold: u32,
    /// Nodes that may be worked on at once, this one among them.
    pub max_unavailable_nodes: u32,
    /// Sizes of the batches of each policy that has some, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub batches: BTreeMap<String, Vec<u32>>,
}

/// What the plan does to one declared object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPlan {
    /// The object.
    pub object: ObjectRef,
    /// Where it is declared; absent for one that only the ledger knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Span>,
    /// What becomes of it.
    pub status: ObjectStatus,
    /// Its steps, on all nodes.
    pub step_ids: Vec<StepId>,
}

/// What becomes of an object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ObjectStatus {
    /// Nothing to do.
    Unchanged,
    /// Steps are planned.
    Changed,
    /// A goal is blocked, and nothing else is to do.
    Blocked,
    /// It is declared no more.
    Deleted,
}

/// Counts over all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Effects that write a register or a setting.
    pub change: u32,
    /// Gates.
    pub gates: u32,
    /// SoC resets.
    pub resets: u32,
    /// Programs to build.
    pub builds: u32,
    /// Worker steps, deferred to `up`.
    pub deferred: u32,
    /// Goals that are blocked.
    pub blocked: u32,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportLine {
    /// What sort of line.
    pub kind: ReportKind,
    /// Stable reason: a condition reason, a metric label and a hint's name at once.
    pub reason: ReportReason,
    /// The node, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// The object, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// The functions it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<PciAddress>,
    /// The declared line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// One sentence with the numbers.
    pub message: String,
    /// What to do about it; empty for a plain statement.
    pub hint: String,
}

/// What sort of line a report line is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ReportKind {
    /// Something declared could not be used: a malformed object, an unreadable node.
    Error,
    /// A goal that cannot be reached.
    Blocked,
    /// Something changed under us, and its cause.
    Drift,
    /// What Enforce would do.
    Observed,
    /// Something worth knowing.
    Advice,
}

/// Why a line is there. Closed; each has a paragraph in the documentation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ReportReason {
    /// The node's snapshot could not be used.
    NodeUnreadable,
    /// Part of the node could not be read, or went while it was.
    Unread,
    /// Two policies match one SoC: neither applies.
    PolicyConflict,
    /// No policy selects the node.
    NotGoverned,
    /// The policy says Observe.
    ObserveOnly,
    /// A SoC's address, path and serial disagree with the ledger.
    Renumbered,
    /// A SoC of the ledger or of an explicit group is not there.
    MemberMissing,
    /// No switch below a root port is common to the members.
    NoCommonSwitch,
    /// BAR 4 is not 2 GiB.
    BarTooSmall,
    /// Fewer SoCs fit than the group needs.
    NotEnoughSoCs,
    /// A SoC would be in two groups.
    MemberTaken,
    /// Core counts differ between members; the smallest counts.
    UnequalCores,
    /// The ACS word of a port that matters is unknown.
    AcsUnknown,
    /// A port that matters needs relaxing and the policy says Unmanaged.
    AcsUnmanaged,
    /// A port has no ACS capability, so nothing redirects there.
    AcsAbsent,
    /// The kernel forbids the write.
    Lockdown,
    /// An untrusted neighbour would lose isolation.
    UntrustedNeighbour,
    /// ACS is relaxed somewhere.
    IsolationReduced,
    /// Somebody we do not supervise holds a SoC.
    HeldByForeign,
    /// The vendor's operator has an agent on the node, or may have one: of two that reset SoCs we are never the second.
    VendorAgent,
    /// A SoC is Initializing; it is never reset in that state.
    Initializing,
    /// A SoC is neither Ready nor Initializing.
    NotReady,
    /// Multi-device partitioning could not be read.
    MdpUnknown,
    /// A member's partitioning is off, and no policy turns it on.
    MdpOff,
    /// The SDK is older than the policy or the feature needs.
    SdkTooOld,
    /// A vendor tool that a step needs is not installed, or may not be started.
    ToolMissing,
    /// The driver or kernel does not have the setting.
    SettingMissing,
    /// A setting could not be read.
    SettingUnknown,
    /// A setting cannot be kept over a boot: something else sets it after our file, or the file cannot be used.
    SettingNotKept,
    /// The rollout's budget is smaller than what one step disturbs.
    BudgetTooSmall,
    /// A model's group is not ready or not declared.
    NoFittingGroup,
    /// A model's build is not declared or does not fit.
    BuildMismatch,
    /// A model comes from a volume or a registry, and nothing here mounts one.
    ModelElsewhere,
    /// A build's target cannot be built on this node.
    CompilerMissing,
    /// Building it failed; it is tried again later.
    BuildFailed,
    /// A program for AI100 cannot be served yet.
    CannotServe,
    /// ACS came back by itself.
    AcsChanged,
    /// Multi-device partitioning was lost.
    MdpLost,
    /// A setting changed by itself.
    SettingChanged,
    /// The machine booted since.
    Rebooted,
    /// Less memory than the vendor advises.
    LowMemory,
    /// Fewer CPUs than the vendor advises.
    FewCpus,
    /// A reset of the whole machine's SoCs is planned.
    WholeHostReset,
    /// A step failed a while ago, and what it was about is left alone until it is tried again.
    StepFailed,
    /// A canary has not converged, and the node waits for it.
    CanaryFirst,
    /// Too few replicas of a model would go on serving.
    TooFewServing,
    /// Fewer replicas serve for a while than the model asks for, as it permits.
    Downtime,
    /// What the policy's deletion rule leaves behind, or what we started and nothing stops.
    Retained,
}
