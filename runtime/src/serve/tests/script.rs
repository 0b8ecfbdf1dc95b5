//! A model that says what a test wrote down, as fast as the test lets it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use super::PATIENCE;
use crate::ranks::{Feed, Logits};
use crate::serve::engine::StepError;

/// Answers every prompt with the same text and the end token; `steps` bounds how far it goes.
#[derive(Debug)]
pub(super) struct Script {
    says: Vec<u32>,
    gate: Mutex<Gate>,
    opened: Condvar,
}

#[derive(Debug)]
struct Gate {
    /// Steps that may still run.
    steps: usize,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    /// One step loses the numbers of its first feed, and then all is well.
    Stumbles,
    /// One step is not run, and then all is well.
    Refuses,
    Breaks,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("rank 1 is gone")]
pub(super) struct Broken;

pub(super) const END: u32 = 256;

impl Script {
    /// Never waits.
    pub(super) fn says(text: &str) -> Self {
        Self::gated(text, usize::MAX)
    }

    /// Waits for the test after that many steps.
    pub(super) fn gated(text: &str, steps: usize) -> Self {
        let mut says: Vec<u32> = text.bytes().map(u32::from).collect();
        says.push(END);
        Self {
            says,
            gate: Mutex::new(Gate {
                steps,
                fate: Fate::Works,
            }),
            opened: Condvar::new(),
        }
    }

    /// Lets that many more steps run.
    pub(super) fn allow(&self, steps: usize) {
        let mut gate = self.gate.lock().unwrap();
        gate.steps = gate.steps.saturating_add(steps);
        self.opened.notify_all();
    }

    /// The next step, or the next look at the idle model, fails.
    pub(super) fn break_down(&self) {
        self.gate.lock().unwrap().fate = Fate::Breaks;
        self.opened.notify_all();
    }

    /// The next step does not run.
    pub(super) fn refuse(&self) {
        self.gate.lock().unwrap().fate = Fate::Refuses;
        self.opened.notify_all();
    }

    /// The next step loses the numbers of its first feed.
    pub(super) fn stumble(&self) {
        self.gate.lock().unwrap().fate = Fate::Stumbles;
        self.opened.notify_all();
    }

    fn pass(&self) -> Fate {
        let gate = self.gate.lock().unwrap();
        let closed = |gate: &mut Gate| gate.steps == 0 && gate.fate == Fate::Works;
        let (mut gate, waited) = self
            .opened
            .wait_timeout_while(gate, PATIENCE, closed)
            .unwrap();
        assert!(!waited.timed_out(), "the test let no step through");
        gate.steps = gate.steps.saturating_sub(1);
        std::mem::replace(&mut gate.fate, Fate::Works)
    }

    pub(super) fn step(
        self: Arc<Self>,
    ) -> impl FnMut(&[Feed<'_>], &mut Vec<f32>) -> Result<(), StepError<Broken>> + Send + 'static
    {
        let mut said: BTreeMap<u32, usize> = BTreeMap::new();
        move |feeds, logits| {
            logits.clear();
            if feeds.is_empty() {
                return match self.gate.lock().unwrap().fate {
                    Fate::Works | Fate::Stumbles | Fate::Refuses => Ok(()),
                    Fate::Breaks => Err(StepError::Model(Broken)),
                };
            }
            let fate = self.pass();
            match fate {
                Fate::Works | Fate::Stumbles => {}
                Fate::Refuses => return Err(StepError::Refused(Broken)),
                Fate::Breaks => return Err(StepError::Model(Broken)),
            }
            for feed in feeds {
                if feed.position == 0 {
                    said.insert(feed.slot, 0);
                }
                if feed.logits == Logits::Last {
                    let at = said.get_mut(&feed.slot).unwrap();
                    let token = self.says.get(*at).copied().unwrap_or(END);
                    *at += 1;
                    logits.extend((0..260).map(|id| if id == token { 50.0 } else { 0.0 }));
                }
            }
            match fate {
                Fate::Stumbles => Err(StepError::Feeds(vec![(0, Broken)])),
                Fate::Works | Fate::Refuses | Fate::Breaks => Ok(()),
            }
        }
    }
}
