//! The declared kinds: what people write, and what the controller and the agents tell each other.
#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column repeats the keys of the others"
)]
mod card_node;
mod card_policy;
mod change_plan;
mod model_build;
mod p2p_group;
mod per_kind;
mod pod;
pub mod rack;
pub mod rule;
mod selector;
mod shape;
mod sharded_model;
mod status;
mod which;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use card_node::{
    CardNode, CardNodeSpec, CardNodeStatus, Grant, GrantProgress, GrantState, LastStep, NodeCounts,
    SocsHeld,
};
pub use card_policy::{
    AcsMode, AcsPolicy, Approval, ApprovalMode, CardPolicy, CardPolicySpec, CardRequirements,
    DeletionPolicy, DeletionRule, DeviceSelector, DrainPolicy, DriverPolicy, Enforcement,
    FailurePolicy, HandOff, HostPolicy, MdpMode, Persistence, ResetScope, Rollout, Window,
};
pub use change_plan::{
    ChangePlan, ChangePlanSpec, ChangePlanStatus, GivenApproval, NodeOutcome, NodeProgress,
    PlannedNode, PlannedSummary,
};
pub use model_build::{
    AcceleratorOptions, KvPrecision, ModelBuild, ModelBuildSpec, ModelSource, OciSource, Precision,
    ProgramShapes, PvcSource, TopologyShape,
};
pub use p2p_group::{
    AutomaticMembers, GroupIsolation, GroupVerification, Member, P2PGroup, P2PGroupSpec,
    SpreadOver, UntrustedNeighbours, VerificationMode,
};
pub(crate) use per_kind::PerKind;
pub use pod::{
    Amounts, OciStore, PodOptions, PodResources, ProgramStore, PullSecret, PvcStore, TaintEffect,
    Toleration, TolerationOperator,
};
pub use rack::{RACK_KIND, Rack};
pub use selector::NodeSelector;
pub use sharded_model::{ModelRollout, Serving, ShardedModel, ShardedModelSpec};
pub use status::{
    CardPolicyStatus, Condition, ModelBuildStatus, P2PGroupStatus, ShardedModelStatus,
};
pub use which::Kind;

/// The API group.
pub const GROUP: &str = "shardplane.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// Group and version as documents write them.
pub const API_VERSION: &str = "shardplane.dev/v1alpha1";

/// What a program runs on. The bare word "host" names neither a target nor a connectivity.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Target {
    /// Processes of the in-tree runtime, one a rank.
    CPU,
    /// Cloud AI 100 SoCs, through a QPC made by the vendor's compiler.
    AI100,
}

/// How ranks reach each other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Connectivity {
    /// Directly: PCIe peer to peer on AI100, shared memory on CPU.
    P2P,
    /// Staged through the leader (CPU) or through memory of the host machine (AI100).
    ThroughHost,
}
