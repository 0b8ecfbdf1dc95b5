//! A second, independent reader of finished plans.
use crd::{declaration::Declaration, id::StepId, plan::Plan};

use crate::NodeInput;

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Stable id, `SP-C01` form.
    pub rule: &'static str,
    /// The step that breaks it, where one does.
    pub step: Option<StepId>,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// Reads a finished plan against what it was made from; empty when every rule holds.
pub fn check(_plan: &Plan, _declaration: &Declaration, _nodes: &[NodeInput]) -> Vec<Violation> {
    Vec::new()
}
