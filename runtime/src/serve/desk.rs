//! Where requests are handed in and the engine picks them up.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::{Batcher, Full, Limits, Step, Ticket};
use super::generation::{Failure, Generation};

/// Shared between request tasks and the engine's thread. Held for moments, never across a step.
#[derive(Debug)]
pub struct Desk {
    inner: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Debug)]
struct Inner {
    batcher: Batcher,
    arrivals: Vec<(Ticket, Generation)>,
    cancelled: BTreeSet<Ticket>,
    mode: Mode,
}

/// Whether requests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Open,
    /// They are, but it will not be for long: each answer is the last on its connection, so that its client asks elsewhere.
    Leaving,
    /// Those taken are finished, no new ones are taken.
    Draining,
    /// Those taken are broken off.
    Stopping,
}

impl Mode {
    /// Whether new requests are taken.
    fn takes(self) -> bool {
        match self {
            Self::Open | Self::Leaving => true,
            Self::Draining | Self::Stopping => false,
        }
    }
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Sequences in line.
    pub waiting: usize,
    /// Sequences in slots.
    pub running: usize,
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many wait.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server is about to end.
    #[error("the server is shutting down and takes no new requests")]
    Closed,
}

/// What the engine does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Run the step that was laid out.
    Step,
    /// Nothing is there to do.
    Idle,
    /// Nothing is left and nothing will come.
    Done,
    /// Break off whatever runs.
    Stop,
}

/// A turn, with what came and went since the last one.
#[derive(Debug)]
pub(super) struct Dealt {
    /// What to do.
    pub turn: Turn,
    /// Sequences that came.
    pub arrivals: Vec<(Ticket, Generation)>,
    /// Sequences that nobody waits for any more; their slots are free already.
    pub cancelled: BTreeSet<Ticket>,
}

impl Desk {
    /// Open, nothing handed in.
    pub fn new(limits: Limits) -> Self {
        Self {
            inner: Mutex::new(Inner {
                batcher: Batcher::new(limits),
                arrivals: Vec::new(),
                cancelled: BTreeSet::new(),
                mode: Mode::Open,
            }),
            wake: Condvar::new(),
        }
    }

    /// Hands in the sequences of one request, all or none.
    pub fn submit(&self, sequences: Vec<(Vec<u32>, Generation)>) -> Result<Vec<Ticket>, Refusal> {
        let mut inner = self.lock();
        if !inner.mode.takes() {
            return Err(Refusal::Closed);
        }
        let (prompts, generations): (Vec<_>, Vec<_>) = sequences.into_iter().unzip();
        let tickets = inner.batcher.offer(prompts)?;
        inner
            .arrivals
            .extend(tickets.iter().copied().zip(generations));
        self.wake.notify_one();
        Ok(tickets)
    }

    /// Takes sequences back; unknown ones have ended already.
    pub fn cancel(&self, tickets: &[Ticket]) {
        let mut inner = self.lock();
        for &ticket in tickets {
            if inner.batcher.holds(ticket) {
                inner.batcher.remove(ticket);
                inner.cancelled.insert(ticket);
            }
        }
        self.wake.notify_one();
    }

    /// Closes the desk; never opens it again.
    pub fn close(&self, mode: Mode) {
        let mut inner = self.lock();
        inner.mode = match (inner.mode, mode) {
            (Mode::Stopping, _) | (_, Mode::Stopping) => Mode::Stopping,
            (Mode::Draining, _) | (_, Mode::Draining) => Mode::Draining,
            (Mode::Leaving, _) | (_, Mode::Leaving) => Mode::Leaving,
            (Mode::Open, Mode::Open) => Mode::Open,
        };
        self.wake.notify_one();
    }

    /// Whether requests are taken.
    pub fn mode(&self) -> Mode {
        self.lock().mode
    }

    /// Waits until there is something to do, at most for `patience`.
    pub(super) fn wait(&self, patience: Duration) {
        let inner = self.lock();
        let quiet = |inner: &mut Inner| {
            inner.batcher.is_idle() && inner.cancelled.is_empty() && inner.mode.takes()
        };
        drop(
            self.wake
                .wait_timeout_while(inner, patience, quiet)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// How much there is to do.
    pub fn load(&self) -> Load {
        let inner = self.lock();
        Load {
            waiting: inner.batcher.waiting(),
            running: inner.batcher.running(),
        }
    }

    /// Lays out the next step and hands over every sequence that could be in it.
    pub(super) fn deal(&self, step: &mut Step) -> Dealt {
        let mut inner = self.lock();
        inner.batcher.plan(step);
        Dealt {
            turn: match (inner.mode, step.feeds.is_empty()) {
                (Mode::Stopping, _) => Turn::Stop,
                (Mode::Open | Mode::Leaving | Mode::Draining, false) => Turn::Step,
                (Mode::Open | Mode::Leaving, true) => Turn::Idle,
                (Mode::Draining, true) => Turn::Done,
            },
            arrivals: std::mem::take(&mut inner.arrivals),
            cancelled: std::mem::take(&mut inner.cancelled),
        }
    }

    /// Feeds back what sequences go on with and frees the slots of those that ended.
    pub(super) fn settle(&self, next: &[(Ticket, u32)], ended: &[Ticket]) {
        let mut inner = self.lock();
        for &(ticket, token) in next {
            inner.batcher.push(ticket, token);
        }
        for &ticket in ended {
            inner.batcher.remove(ticket);
        }
    }

    /// Closes the desk for good and tells whoever was not picked up yet.
    pub(super) fn fail(&self, failure: &Failure) {
        let mut inner = self.lock();
        inner.mode = Mode::Stopping;
        for (_, generation) in inner.arrivals.drain(..) {
            generation.fail(failure.clone());
        }
    }

    /// A thread that panicked while holding the lock left plain values behind; they stay usable.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
