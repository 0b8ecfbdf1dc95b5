//! A plan that somebody else decided on: carried out as it is, on the one node that it is for.
use crd::plan::NodePlan;

use super::{Engine, Ran};
use crate::{exit::Exit, failure::Failure, state::ledger};

impl Engine<'_> {
    /// Closes what an earlier run left open on any node.
    pub fn recovered(&mut self) -> Result<(), Failure> {
        self.recover()
    }

    /// Carries out one node's plan once. Each step judges itself, so that what was done before is done.
    pub fn granted(&mut self, plan: &NodePlan) -> Result<Ran, Failure> {
        self.recover()?;
        let room = self.room;
        let Some(node) = room.node(&plan.node) else {
            return Err(Failure::said(
                Exit::Internal,
                format!("{} has no node {}", room.title, plan.node),
                "",
            ));
        };
        let folder = room.state.node(&plan.node)?;
        let kept = ledger::read(&folder)?;
        let governed = reconcile::ledger::governed(&kept, plan);
        if governed != kept {
            ledger::write(&folder, &governed)?;
        }
        let mut begun = 0;
        self.run_node(node, plan, &mut begun)
            .map_err(|failure| failure.after(begun))
    }
}
