//! The one thread that drives the model: plan, step, choose tokens, tell clients, again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Planned, Step, Ticket, Wants};
use super::clock::Clock;
use super::desk::{Dealt, Desk, Turn};
use super::generation::{Failure, Generation, Outcome, Verdict};
use super::metrics::Metrics;
use crate::ranks::{Feed, Logits};

/// How long the engine sleeps before it asks an idle model whether it is still there.
const IDLE: Duration = Duration::from_millis(500);

/// What the engine works with.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where requests come from.
    pub desk: Arc<Desk>,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// What time it is.
    pub clock: Clock,
    /// The longest that a request may take, its time in line included.
    pub patience: Duration,
}

/// Why a step gave less than it was asked for.
#[derive(Debug)]
pub enum StepError<E> {
    /// The numbers of these feeds, by their place in the step, are lost. All others have run, and every feed that
    /// wants a row has one; those of lost feeds say nothing.
    Feeds(Vec<(usize, E)>),
    /// Nothing of the step ran; the model goes on with others.
    Refused(E),
    /// The model is gone.
    Model(E),
}

impl Engine {
    /// Runs until the desk is closed and empty, or until the model fails; blocks.
    ///
    /// `step` runs feeds through the model and appends a row of logits for each feed that wants
    /// one. Called with no feeds when there is nothing to do, it says whether the model still
    /// works. When it does not, every request is told before this returns.
    pub fn run<E: std::error::Error>(
        &self,
        mut step: impl FnMut(&[Feed<'_>], &mut Vec<f32>) -> Result<(), StepError<E>>,
    ) -> Result<(), E> {
        let mut running = BTreeMap::new();
        let outcome = self.turns(&mut running, &mut step);
        if let Err(error) = &outcome {
            let failure = Failure::Model {
                why: super::chain(error),
            };
            self.desk.fail(&failure);
            self.break_off(&running, &failure);
        }
        outcome
    }

    fn turns<E: std::error::Error>(
        &self,
        running: &mut BTreeMap<Ticket, Generation>,
        step: &mut impl FnMut(&[Feed<'_>], &mut Vec<f32>) -> Result<(), StepError<E>>,
    ) -> Result<(), E> {
        let mut plan = Step::default();
        let mut logits = Vec::new();
        loop {
            self.break_off_late(running);
            let Dealt {
                turn,
                arrivals,
                cancelled,
            } = self.desk.deal(&mut plan);
            running.extend(arrivals);
            for ticket in cancelled {
                if running.remove(&ticket).is_some() {
                    self.metrics.ended(Outcome::Cancelled);
                }
            }
            match turn {
                Turn::Done => return Ok(()),
                Turn::Stop => {
                    self.break_off(running, &Failure::Stopping);
                    return Ok(());
                }
                Turn::Idle => match step(&[], &mut logits) {
                    // No feed, none lost.
                    Ok(()) | Err(StepError::Feeds(_)) => self.desk.wait(IDLE),
                    Err(StepError::Refused(error) | StepError::Model(error)) => return Err(error),
                },
                Turn::Step => {
                    self.metrics.step(&plan);
                    match step(&feeds(&plan), &mut logits) {
                        Ok(()) => self.choose(&plan, &mut logits, running),
                        Err(StepError::Feeds(lost)) => {
                            for (feed, error) in &lost {
                                self.lose(&plan.feeds[*feed..=*feed], error, running);
                            }
                            self.choose(&plan, &mut logits, running);
                        }
                        Err(StepError::Refused(error)) => self.lose(&plan.feeds, &error, running),
                        Err(StepError::Model(error)) => return Err(error),
                    }
                }
            }
        }
    }

    fn break_off(&self, running: &BTreeMap<Ticket, Generation>, failure: &Failure) {
        for generation in running.values() {
            generation.fail(failure.clone());
            self.metrics.ended(Outcome::Failed);
        }
    }

    /// Ends the sequences whose feeds gave nothing to go on with.
    fn lose(
        &self,
        feeds: &[Planned],
        error: &dyn std::error::Error,
        running: &mut BTreeMap<Ticket, Generation>,
    ) {
        let why = super::chain(error);
        let tickets: Vec<Ticket> = feeds.iter().map(|feed| feed.ticket).collect();
        let lost = tickets
            .iter()
            .filter_map(|ticket| Some((*ticket, running.remove(ticket)?)))
            .collect();
        self.break_off(&lost, &Failure::Sequence { why });
        self.desk.settle(&[], &tickets);
    }

    fn break_off_late(&self, running: &mut BTreeMap<Ticket, Generation>) {
        let now = self.clock.now();
        let late: BTreeMap<Ticket, Generation> = running
            .extract_if(.., |_, generation| {
                now.saturating_sub(generation.arrived) > self.patience
            })
            .collect();
        let seconds = self.patience.as_secs();
        self.break_off(&late, &Failure::Deadline { seconds });
        self.desk.settle(&[], &late.into_keys().collect::<Vec<_>>());
    }

    /// Gives each sequence that got logits its row.
    fn choose(&self, plan: &Step, logits: &mut [f32], running: &mut BTreeMap<Ticket, Generation>) {
        let now = self.clock.now();
        let rows = plan.feeds.iter().filter(|feed| feed.wants == Wants::Next);
        let width = logits.len() / rows.clone().count().max(1);
        let (mut next, mut ended) = (Vec::new(), Vec::new());
        for (feed, row) in rows.zip(logits.chunks_exact_mut(width.max(1))) {
            let Some(generation) = running.get_mut(&feed.ticket) else {
                continue;
            };
            self.metrics
                .token(generation.arrived, generation.latest.replace(now), now);
            match generation.advance(row) {
                Verdict::Continue(token) => next.push((feed.ticket, token)),
                Verdict::Ended(outcome) => {
                    running.remove(&feed.ticket);
                    ended.push(feed.ticket);
                    self.metrics.ended(outcome);
                }
            }
        }
        self.desk.settle(&next, &ended);
    }
}

fn feeds(step: &Step) -> Vec<Feed<'_>> {
    step.feeds
        .iter()
        .map(|planned| {
            let Planned {
                ticket: _,
                slot,
                position,
                tokens,
                wants,
            } = planned;
            Feed {
                slot: *slot,
                position: *position,
                tokens: &step.tokens[tokens.clone()],
                logits: match wants {
                    Wants::Nothing => Logits::Skip,
                    Wants::Next => Logits::Last,
                },
            }
        })
        .collect()
}
