//! Steps that failed in earlier passes and now: plans leave alone what the first were about, and SoCs that had all the
//! resets that a boot is given; whoever called hears of the others.
use std::collections::{BTreeMap, BTreeSet};

use crd::{id::NodeName, step::Step};
use reconcile::{Concern, FailedSteps, NodeInput, SpentResets, failed};

use super::{Engine, observe, step::RESET_ATTEMPTS};
use crate::{
    exit::Exit,
    failure::Failure,
    room::Node,
    state::{Journal, attempts},
};

/// What is left alone, and what failed on the way.
#[derive(Debug, Default)]
pub struct SetAside {
    /// What earlier passes failed on.
    pub before: FailedSteps,
    /// What failed since, of what is about cards and settings.
    pub(super) since: Vec<StepFailure>,
    /// Whether SoCs without resets left are looked for.
    spent: Spent,
}

/// What a plan makes of SoCs that had all the resets that a boot is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Spent {
    /// They are left alone.
    LeftAlone,
    /// Their reset is planned and ends the run: whoever decided it cannot read the journal, or only takes back.
    #[default]
    Planned,
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
    /// Whether somebody would not have it.
    pub fault: Fault,
}

/// What a step failed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The system refused its write: one register, setting or file may be closed to us, or all of them are.
    Refused,
    /// Anything else.
    Other,
}

impl SetAside {
    /// Leaves alone what these steps failed on, and SoCs that had all the resets that a boot is given.
    pub fn before(before: FailedSteps) -> Self {
        Self {
            before,
            since: Vec::new(),
            spent: Spent::LeftAlone,
        }
    }
}

impl Engine<'_> {
    /// SoCs of these nodes that had all the resets that a boot is given, where plans are to leave them alone.
    pub fn spent_resets(&self, nodes: &[NodeInput]) -> Result<SpentResets, Failure> {
        let mut spent = SpentResets::new();
        if self.aside.spent == Spent::Planned {
            return Ok(spent);
        }
        for node in nodes {
            let NodeInput::Read(snapshot) = node else {
                continue;
            };
            let (name, boot_id) = (&snapshot.metadata.name, snapshot.boot_id.get());
            let folder = self.room.state.node_folder(name);
            let records = Journal::read(&folder.join("journal"))?;
            let mut socs =
                boot_id.map_or_else(BTreeMap::new, |boot| attempts::resets(&records, boot));
            socs.retain(|_, count| *count >= RESET_ATTEMPTS);
            if !socs.is_empty() {
                spent.insert(name.clone(), socs);
            }
        }
        Ok(spent)
    }

    /// What plans for these nodes leave alone.
    pub(super) fn left_alone(&self, nodes: &[NodeInput]) -> Result<FailedSteps, Failure> {
        let mut alone = self.aside.before.clone();
        failed::leave_spent(&mut alone, &self.spent_resets(nodes)?, nodes);
        Ok(alone)
    }

    /// Takes down what a step failed on, also where it was refused: one closed register says nothing of the others. Not where
    /// the fault is our own, which is nothing's in particular.
    pub(super) fn take_down(
        &mut self,
        node: &Node,
        (step, why, exit): (&Step, &str, Option<Exit>),
    ) -> Result<(), Failure> {
        let fault = match exit {
            Some(Exit::Internal) => return Ok(()),
            Some(Exit::NoPermission) => Fault::Refused,
            Some(_) | None => Fault::Other,
        };
        let after = observe::node(self.room, node, &self.surroundings())?;
        let concerns = failed::concerns(step, &after);
        if !concerns.is_empty() {
            self.aside.since.push(StepFailure {
                node: node.name.clone(),
                why: why.to_owned(),
                concerns,
                fault,
            });
        }
        Ok(())
    }
}
