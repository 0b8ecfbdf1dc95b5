//! A step: one change or one gate, with everything that whoever carries it out needs, and no choice left.
mod action;
mod disruption;
mod precondition;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    declaration::Span,
    id::{ObjectRef, StepId},
    kind::DeletionRule,
};

pub use action::{ACS_REDIRECT_MASK, Action, MdpSetting, PortRef, WorkerRequest};
pub use disruption::{Disruption, DisruptionClass, IsolationChange, IsolationSet};
pub use precondition::{Precondition, Subject};

/// One step of a plan. An effect includes its read-back; a gate changes nothing on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The same in every plan that needs the step.
    pub id: StepId,
    /// What is done, to what.
    #[serde(flatten)]
    pub action: Action,
    /// The symbol that stands for it in text.
    pub symbol: Symbol,
    /// Which batch it belongs to, from 0: of its node, whose SoCs are drained together; for work, of its model, which begins
    /// when every replica of the batches before is ready.
    pub batch: u32,
    /// Why.
    pub reason: StepReason,
    /// Stable id of the rule that asks for it, `SP-R0104`; the documentation has a paragraph for each.
    pub rule: String,
    /// The declared lines and the facts that caused it; never empty.
    pub causes: Vec<Cause>,
    /// What must be found just before the step; else it is void.
    pub preconditions: Vec<Precondition>,
    /// What must be found after it.
    #[serde(rename = "verify")]
    pub leaves: Vec<Precondition>,
    /// How it is undone, or why it is not.
    pub inverse: Inverse,
    /// What it disturbs.
    pub disruption: Disruption,
    /// What the ledger keeps once the step is verified; present for effects on registers and settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Ownership>,
    /// Steps of the same node that must have ended first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<StepId>,
    /// What it is expected to cost in time.
    pub estimate: Estimate,
}

/// On whose behalf a register or setting is written, and what happens when they are gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ownership {
    /// The objects that need it, ordered; empty when the write reverts it for good.
    pub owners: Vec<ObjectRef>,
    /// The deletion rule that governs it.
    pub deletion: DeletionRule,
}

/// How a step is drawn. `+ - !` colour a diff fence.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Symbol {
    /// Something comes to be.
    #[serde(rename = "+")]
    Create,
    /// Something changes in place.
    #[serde(rename = "~")]
    Update,
    /// Something goes.
    #[serde(rename = "-")]
    Delete,
    /// Something goes and comes back different.
    #[serde(rename = "-/+")]
    Replace,
    /// Something is looked at.
    #[serde(rename = "<=")]
    Read,
    /// A device is reset.
    #[serde(rename = "!")]
    Reset,
    /// A whole machine's devices are reset.
    #[serde(rename = "!!")]
    ResetAll,
}

/// Why a step is there. Closed: each has a sentence in the documentation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum StepReason {
    /// A port between two members redirects their traffic.
    #[serde(rename = "path-redirects-p2p")]
    PathRedirectsP2P,
    /// No declared group needs the port any more.
    GroupGone,
    /// A declared setting differs from what is there.
    SettingDiffers,
    /// Nothing declares the setting any more.
    SettingGone,
    /// A declared setting would be lost at the next boot.
    SettingNotKept,
    /// A member's partitioning differs from what is declared.
    PartitioningDiffers,
    /// A partitioning request takes effect only at a reset.
    ResetNeeded,
    /// A reset needs its SoC free.
    BeforeReset,
    /// Ports between SoCs change, or are proven: nothing may depend on them meanwhile.
    BeforeChange,
    /// A reset is only over when its SoC is Ready.
    AfterReset,
    /// A request goes through qmonitor, which is not running.
    QmonitorNeeded,
    /// P2P was never proven in the state that will hold.
    NotVerified,
    /// Work was kept off and may come back.
    WorkDone,
    /// The ledger's owners or deletion rule differ from what is declared.
    OwnersDiffer,
    /// The ledger does not know the group's members yet, or knows others.
    MembersDiffer,
    /// A declared model has no program.
    ProgramMissing,
    /// A declared replica does not run.
    WorkerMissing,
    /// A running worker has no place on its node as its model is declared.
    WorkerUnplaced,
    /// A running worker is declared no more.
    WorkerGone,
    /// A running worker was started from another declaration.
    WorkerDiffers,
    /// A replica can only be stopped while one more than declared serves.
    SurplusNeeded,
    /// All declared replicas serve again.
    SurplusDone,
}

/// What caused a step: a declared line, a fact, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The declared object; absent for a cause that only the ledger knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// JSON pointer within the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where that line stands. Outside the digest.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The fact, as a pointer into the snapshot or ledger, with its value.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub fact: Option<FactValue>,
}

/// A fact and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactValue {
    /// Pointer, such as `snapshot:aic-07#/functions/0000:20:01.0/acs/control`.
    pub fact: String,
    /// Its value as text.
    pub value: String,
}

/// How a step is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Inverse {
    /// By this action.
    Action {
        /// The action.
        action: Box<Action>,
    },
    /// Nothing was changed, so there is nothing to undo.
    NothingChanged,
    /// It cannot be undone, for this reason.
    Impossible {
        /// Why.
        why: String,
    },
}

/// What a step is expected to cost in time. Outside the digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Likely, in milliseconds.
    pub likely_ms: u64,
    /// At most, in milliseconds: the step's deadline.
    pub limit_ms: u64,
}
