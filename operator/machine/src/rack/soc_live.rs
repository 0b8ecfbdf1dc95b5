//! One SoC of a rack as it lives: where it stands after resets, and what the query tool tells of it.
use serde::{Deserialize, Serialize};

/// One SoC's live state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SocLive {
    pub(crate) mdp: bool,
    pub(crate) requested: Option<bool>,
    pub(crate) error: bool,
    /// Off the bus for the vendor's driver until then.
    pub(crate) off_until_ms: u64,
    /// Usable from then on; never where absent.
    pub(crate) ready_at_ms: Option<u64>,
    pub(crate) mhi: u32,
    pub(crate) accel: u32,
    pub(crate) resets: u32,
    /// What the tool goes on showing after a reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lingers: Option<Lingering>,
}

/// A SoC that is told as it was before its reset: Ready, and partitioned or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lingering {
    pub(crate) until_ms: u64,
    pub(crate) mdp: bool,
}

/// How long `reset-lingers` has the tool behind the times.
const LINGERS_MS: u64 = 3_000;

/// Where a SoC stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Resetting,
    Initializing,
    Ready,
    Error,
}

impl SocLive {
    /// From a reset at `now` on, the tool tells it as it was before, or as it is.
    pub(crate) fn linger(&mut self, lingers: bool, now: u64) {
        self.lingers = lingers.then_some(Lingering {
            until_ms: now + LINGERS_MS,
            mdp: self.mdp,
        });
    }

    /// Phase and partitioning as the query tool tells them.
    pub(crate) fn told(&self, now: u64) -> (Phase, bool) {
        match &self.lingers {
            Some(as_it_was) if now < as_it_was.until_ms => (Phase::Ready, as_it_was.mdp),
            Some(_) | None => (self.phase(now), self.mdp),
        }
    }

    pub(crate) fn phase(&self, now: u64) -> Phase {
        if now < self.off_until_ms {
            Phase::Resetting
        } else if self.ready_at_ms.is_none_or(|at| now < at) {
            Phase::Initializing
        } else if self.error {
            Phase::Error
        } else {
            Phase::Ready
        }
    }
}
