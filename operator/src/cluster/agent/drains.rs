//! Waiting for the controller to free SoCs, while the engine stands at a drain: who holds them is told all along.
use std::{fmt, time::Duration};

use crd::{
    id::{PciAddress, StepId},
    kind::GrantState,
};
use machine::{Machine, Roots};

use super::{Agent, admit::GrantId, orders::Latest, tenants::Tenants};
use crate::{engine::interrupt::StopFlag, failure::Failure};

/// What the controller may need beyond the drain's own time: to hear of it, and to write that it is done.
const MARGIN: Duration = Duration::from_mins(1);
/// The longest between two looks at who holds the SoCs.
const LOOK: Duration = Duration::from_secs(2);

/// Whether SoCs were freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// They are free of what could be stopped.
    Yes,
    /// Nobody freed them: the grant is gone, somebody asked for a stop, or it took too long.
    Stopped,
}

/// One grant's drains.
pub struct Drains<'a> {
    /// Who carries it out.
    pub(super) agent: &'a Agent<'a>,
    /// The grant at work.
    pub(super) id: &'a GrantId,
    /// Whether to stop.
    pub(super) stop: &'a StopFlag,
}

impl fmt::Debug for Drains<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drains")
            .field("id", self.id)
            .finish_non_exhaustive()
    }
}

impl Drains<'_> {
    /// Tells which drain is waited for, waits until the controller says that these SoCs are drained, and tells that nothing
    /// is waited for any more: inside the step that follows, which may take a quarter of an hour, nothing is told.
    pub fn wait(
        &self,
        step: &StepId,
        socs: &[PciAddress],
        timeout_seconds: u32,
    ) -> Result<Freed, Failure> {
        let wall = Machine::linux(Roots::default());
        let limit = Duration::from_secs(u64::from(timeout_seconds)) + MARGIN;
        let end = wall.now().plus(limit);
        let mut progress = self.id.progress(GrantState::Working, None);
        progress.awaiting = Some(step.clone());
        loop {
            let (latest, turn) = self.agent.orders.latest();
            if self.stop.asked().is_some() || !self.is_granted(&latest) {
                return Ok(Freed::Stopped);
            }
            let drained = drained(&latest, step, socs);
            if drained {
                progress.awaiting = None;
            }
            // The controller goes by what is seen from here on: its taint is older than this look.
            let snapshot = self.agent.look()?;
            self.agent.tell(&latest, &snapshot, Some(&progress), None)?;
            if drained {
                return Ok(Freed::Yes);
            }
            let now = wall.now();
            if now >= end {
                return Ok(Freed::Stopped);
            }
            let most = LOOK.min(now.until(end));
            self.agent.orders.wait(turn, most);
        }
    }

    /// Who else may hold SoCs.
    pub fn tenants(&self) -> Tenants {
        self.agent.tenants()
    }

    fn is_granted(&self, latest: &Latest) -> bool {
        let granted = latest
            .card_node
            .as_ref()
            .and_then(|node| node.spec.grant.as_ref());
        granted.is_some_and(|grant| GrantId::of(grant) == *self.id)
    }
}

/// Whether this step's SoCs are: what an earlier step of the grant waited for says nothing of who holds them.
fn drained(latest: &Latest, step: &StepId, socs: &[PciAddress]) -> bool {
    let spec = latest.card_node.as_ref().map(|node| &node.spec);
    spec.is_some_and(|spec| {
        spec.drained_for.as_ref() == Some(step) && socs.iter().all(|soc| spec.drained.contains(soc))
    })
}
