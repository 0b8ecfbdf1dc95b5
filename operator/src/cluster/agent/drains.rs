//! Waiting for the controller to free SoCs, while the engine stands at a drain.
use std::{cell::RefCell, time::Duration};

use crd::{
    id::{PciAddress, StepId},
    kind::{CardNodeStatus, GrantState},
};
use machine::{Machine, Roots};

use super::{
    admit::GrantId,
    orders::{Latest, Orders},
    publisher::Publisher,
};
use crate::{
    cluster::condition::{self, Standing},
    engine::interrupt::StopFlag,
};

/// What the controller may need beyond the drain's own time: to hear of it, and to write that it is done.
const MARGIN: Duration = Duration::from_mins(1);

/// Whether SoCs were freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// They are free of what could be stopped.
    Yes,
    /// Nobody freed them: the grant is gone, somebody asked for a stop, or it took too long.
    Stopped,
}

/// One grant's drains.
#[derive(Debug)]
pub struct Drains<'a> {
    /// What the API server says.
    pub orders: &'a Orders,
    /// The grant at work.
    pub id: &'a GrantId,
    /// How to tell the controller.
    pub publisher: &'a Publisher<'a>,
    /// What was told last.
    pub status: &'a RefCell<CardNodeStatus>,
    /// Whether to stop.
    pub stop: &'a StopFlag,
}

impl Drains<'_> {
    /// Tells which drain is waited for, and waits until the controller says that these SoCs are drained.
    pub fn wait(&self, step: &StepId, socs: &[PciAddress], timeout_seconds: u32) -> Freed {
        let wall = Machine::linux(Roots::default());
        let limit = Duration::from_secs(u64::from(timeout_seconds)) + MARGIN;
        let end = wall.now().plus(limit);
        loop {
            let (latest, turn) = self.orders.latest();
            if self.stop.asked().is_some() || !self.is_granted(&latest) {
                return Freed::Stopped;
            }
            if drained(&latest, socs) {
                return Freed::Yes;
            }
            self.tell(&latest, step);
            let now = wall.now();
            if now >= end {
                return Freed::Stopped;
            }
            self.orders.wait(turn, now.until(end));
        }
    }

    fn is_granted(&self, latest: &Latest) -> bool {
        let granted = latest
            .card_node
            .as_ref()
            .and_then(|node| node.spec.grant.as_ref());
        granted.is_some_and(|grant| GrantId::of(grant) == *self.id)
    }

    fn tell(&self, latest: &Latest, step: &StepId) {
        let mut status = self.status.borrow_mut();
        let mut progress = self.id.progress(GrantState::Working, None);
        progress.awaiting = Some(step.clone());
        status.grant = Some(progress);
        let words = condition::standing(
            Standing::Working,
            "WaitingForDrain",
            format!("{step} waits for the controller to drain its SoCs"),
        );
        let now = Machine::linux(Roots::default()).now();
        let generation = status.observed_generation;
        for told in condition::conditions(&status.conditions, words, generation, now) {
            match status
                .conditions
                .iter_mut()
                .find(|old| old.type_ == told.type_)
            {
                Some(old) => *old = told,
                None => status.conditions.push(told),
            }
        }
        self.publisher.publish(latest, status.clone());
    }
}

fn drained(latest: &Latest, socs: &[PciAddress]) -> bool {
    let drained = latest
        .card_node
        .as_ref()
        .map(|node| node.spec.drained.as_slice())
        .unwrap_or_default();
    socs.iter().all(|soc| drained.contains(soc))
}
