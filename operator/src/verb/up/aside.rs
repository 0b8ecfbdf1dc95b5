//! Steps that failed: what each was about is left alone until its pause is over, while everything else is kept as declared.
use std::{collections::BTreeSet, time::Duration};

use crd::id::NodeName;
use machine::Timestamp;
use reconcile::{Concern, FailedStep, FailedSteps, NextTry, Word};

use super::{Up, again::Failed, pass::Width};
use crate::{
    engine::{Fault, Settled, StepFailure},
    supervise::Trouble,
};

/// What steps failed on, each until it is tried again.
#[derive(Debug, Default)]
pub(super) struct Aside(Vec<Attempt>);

/// A step that failed last, on something that is its own.
#[derive(Debug)]
struct Attempt {
    node: NodeName,
    concerns: BTreeSet<Concern>,
    times: u32,
    failed: Failed,
    fault: Fault,
}

impl Aside {
    /// Whether nothing is left alone.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something failed, and all that did was refused.
    pub(super) fn is_refused(&self) -> bool {
        let mut faults = self.0.iter().map(|attempt| attempt.fault);
        !self.0.is_empty() && faults.all(|fault| fault == Fault::Refused)
    }

    /// Whether something is to be tried again by now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.0.iter().any(|attempt| attempt.failed.is_due(now))
    }

    /// What such a pass leaves alone.
    pub(super) fn during(&self, width: Width, now: Timestamp, word: Word) -> FailedSteps {
        let mut steps = FailedSteps::new();
        for attempt in &self.0 {
            let waits = match width {
                Width::SoundCards | Width::Sound => true,
                // A pass over more would be their turn, and may wait for somebody for ever.
                Width::Repairs | Width::Left | Width::Kept | Width::Cards | Width::Everything => {
                    !attempt.failed.is_due(now)
                }
            };
            if waits {
                let there = steps.entry(attempt.node.clone()).or_default();
                let step = FailedStep {
                    why: attempt.failed.why().to_owned(),
                    times: attempt.times,
                    next_try: if attempt.failed.is_due(now) {
                        NextTry::AfterTheRest
                    } else {
                        NextTry::At(attempt.failed.at().to_string(), word)
                    },
                };
                let concerns = attempt.concerns.iter();
                there.extend(concerns.map(|concern| (concern.clone(), step.clone())));
            }
        }
        steps
    }

    /// A pass came to its end: what it did not leave alone works, or is wanted no more.
    pub(super) fn worked_but(&mut self, left: &FailedSteps) {
        self.0.retain(|attempt| {
            let there = left.get(&attempt.node);
            let mut concerns = attempt.concerns.iter();
            there.is_some_and(|there| concerns.all(|concern| there.contains_key(concern)))
        });
    }

    /// Something happened that may have put them right.
    pub(super) fn at_once(&mut self) {
        for attempt in &mut self.0 {
            attempt.failed.at_once();
        }
    }

    /// What `status` says of them.
    pub(super) fn troubles(&self) -> impl Iterator<Item = Trouble> + '_ {
        self.0.iter().map(|attempt| attempt.failed.trouble())
    }

    /// Takes down a failure, which follows on every one that was about some of the same. Its pause, and whether it failed as
    /// it did before.
    fn take(
        &mut self,
        failure: &StepFailure,
        interval: Duration,
        now: Timestamp,
    ) -> (Duration, bool) {
        let StepFailure {
            node,
            why,
            concerns,
            fault,
        } = failure;
        let (before, others): (Vec<Attempt>, Vec<Attempt>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|other| other.node == *node && !other.concerns.is_disjoint(concerns));
        self.0 = others;
        let last = before.iter().max_by_key(|attempt| attempt.times);
        let failed = Failed::of(why, last.map(|attempt| &attempt.failed), interval, now);
        let pause = failed.pause();
        let as_before = last.is_some_and(|attempt| attempt.failed.why() == why);
        self.0.push(Attempt {
            node: node.clone(),
            concerns: concerns.clone(),
            times: last.map_or(0, |attempt| attempt.times).saturating_add(1),
            failed,
            fault: *fault,
        });
        (pause, as_before)
    }
}

impl Up<'_> {
    /// A pass failed: leaves alone what its steps failed on, says so, and when that is tried again. False where the fault is
    /// nothing's in particular.
    pub(super) fn leaves_alone(&mut self, settled: &Settled) -> bool {
        let interval = Duration::from_secs(self.args.interval);
        let now = self.wall.now();
        let taken: Vec<(Duration, bool)> = settled
            .failed
            .iter()
            .map(|failure| self.again.aside.take(failure, interval, now))
            .collect();
        let Some(pause) = taken.iter().map(|(pause, _)| pause.as_secs()).min() else {
            return false;
        };
        if taken.iter().all(|(_, as_before)| *as_before) {
            self.console
                .note(&format!("it failed as before; trying again in {pause} s"));
        } else {
            self.say(
                "pass",
                &format!("{}; trying again in {pause} s", settled.why),
            );
        }
        true
    }
}
