//! The journal's records: what was begun and what has ended, keyed by boot id.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{BootId, NodeName, StepId},
    plan::NodeDigest,
    snapshot::SocIdentity,
    step::Step,
};

/// One record. A step may not start before its `intent` is durable, and has ended only when `verified` or `failed` is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Position in the journal, from 0, without gaps.
    pub sequence: u64,
    /// The boot in which it was written.
    pub boot_id: BootId,
    /// When, RFC 3339 in UTC, by the machine's clock.
    pub at: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "record",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// A run of a node's plan begins.
    RunBegin {
        /// The node.
        node: NodeName,
        /// The plan's digest for the node.
        digest: NodeDigest,
        /// The SoCs that were there: whoever is missed after a reset of this run was thrown off by it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        socs: Vec<SocIdentity>,
    },
    /// A step is about to begin.
    Intent {
        /// The whole step, so that a later start can judge and undo it without the plan.
        step: Box<Step>,
        /// Which attempt in this boot, from 1.
        attempt: u32,
    },
    /// The step's effect was carried out.
    Done {
        /// The step.
        step: StepId,
    },
    /// The machine was seen in the state that the step leaves behind; the step has ended.
    Verified {
        /// The step.
        step: StepId,
    },
    /// The step failed and has ended.
    Failed {
        /// The step.
        step: StepId,
        /// Why, in one sentence.
        why: String,
    },
    /// The step touched nothing: its expectation was false.
    Void {
        /// The step.
        step: StepId,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The step was undone by its inverse.
    Compensated {
        /// The step.
        step: StepId,
    },
    /// The run ended.
    RunEnd {
        /// How.
        outcome: RunOutcome,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every step was verified.
    Converged,
    /// A step was void, or a build failed and the rest went on; the node was planned again.
    Replanned,
    /// A step failed; the node was left.
    Halted,
    /// A step failed; the run's steps were undone.
    RolledBack,
    /// A step failed, and undoing failed too.
    NotRolledBack,
    /// Somebody stopped it between two steps.
    Interrupted,
    /// A later start found it without an end, and closed it.
    Recovered,
}
