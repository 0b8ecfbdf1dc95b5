//! Steps that failed in earlier passes and now: plans leave alone what the first were about, and whoever called hears of
//! the others.
use std::collections::BTreeSet;

use crd::{id::NodeName, step::Step};
use reconcile::{Concern, FailedSteps, failed};

use super::{Engine, observe};
use crate::{exit::Exit, failure::Failure, room::Node};

/// What is left alone, and what failed on the way.
#[derive(Debug, Default)]
pub struct SetAside {
    /// What earlier passes failed on.
    pub before: FailedSteps,
    /// What failed since, of what is about cards and settings.
    pub(super) since: Vec<StepFailure>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// Where.
    pub node: NodeName,
    /// Which and why, in one sentence.
    pub why: String,
    /// What it was about; never empty.
    pub concerns: BTreeSet<Concern>,
}

impl SetAside {
    /// Leaves alone what these steps failed on.
    pub fn before(before: FailedSteps) -> Self {
        Self {
            before,
            since: Vec::new(),
        }
    }
}

impl Engine<'_> {
    /// Takes down what a step failed on. Not where the fault is nothing's in particular: what is missing is a right, or the
    /// fault is our own.
    pub(super) fn take_down(
        &mut self,
        node: &Node,
        (step, why, exit): (&Step, &str, Option<Exit>),
    ) -> Result<(), Failure> {
        if matches!(exit, Some(Exit::NoPermission | Exit::Internal)) {
            return Ok(());
        }
        let after = observe::node(self.room, node, &self.surroundings())?;
        let concerns = failed::concerns(step, &after);
        if !concerns.is_empty() {
            self.aside.since.push(StepFailure {
                node: node.name.clone(),
                why: why.to_owned(),
                concerns,
            });
        }
        Ok(())
    }
}
