//! Worker steps: one batch, then a wait until one of it is ready, then whatever the next plan says.
//!
//! A later batch is never carried out as it was planned: when a worker is ready the machine is looked at again, and who
//! may stop is decided by who serves then, so that the second batch need not wait for all of the first. So a replica that does not come back stops its model's rollout by itself.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    id::{NodeName, ObjectRef, WorkerId},
    plan::{ModelTurns, Plan, ReportLine, ReportReason},
    step::{Action, Step, WorkerRequest},
};

use super::Up;
use crate::failure::Failure;

/// What waits for workers to be ready.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Models with batches to come.
    turns: Vec<ModelTurns>,
    /// Whether something is blocked that a ready worker may let go on.
    blocked: bool,
    /// Models whose rollout has stopped, each with what was said of it.
    pub(super) stopped: BTreeMap<ObjectRef, String>,
}

impl Up<'_> {
    /// Carries out the first batch of a plan's worker steps: first what only stops.
    pub(super) fn work(&mut self, plan: &Plan) -> Result<(), Failure> {
        self.supervisor.set_drain(self.drain_seconds());
        let waits = |model: &ObjectRef| {
            let is_short = |line: &&ReportLine| line.reason == ReportReason::TooFewServing;
            let mut short = plan.report.iter().filter(is_short);
            short.any(|line| line.object.as_ref() == Some(model))
        };
        let mut stopped = std::mem::take(&mut self.waiting.stopped);
        stopped.retain(|model, _| waits(model));
        self.waiting = Waiting {
            turns: plan
                .turns
                .iter()
                .filter(|turns| turns.batches.len() > 1)
                .cloned()
                .collect(),
            blocked: (plan.report.iter()).any(|line| line.reason == ReportReason::TooFewServing),
            stopped,
        };
        let now = |step: &&Step| step.batch == 0;
        for step in plan.nodes.iter().flat_map(|node| &node.work).filter(now) {
            if let Action::StopWorker { worker } = &step.action {
                self.drain(&format!("draining worker {worker}"), worker)?;
            }
        }
        let steps = || plan.nodes.iter().flat_map(|node| &node.work).filter(now);
        let coming: Vec<&WorkerRequest> = steps()
            .filter_map(|step| match &step.action {
                Action::StartWorker { worker } | Action::ReplaceWorker { worker } => Some(worker),
                _ => None,
            })
            .collect();
        let replaced: Vec<&WorkerRequest> = steps()
            .filter_map(|step| match &step.action {
                Action::ReplaceWorker { worker } => Some(worker),
                _ => None,
            })
            .collect();
        let stay = self.cannot_return(&replaced);
        self.say_who_stays(&stay);
        // Where one is to come where another of them still is, that one is drained first; all others one by one.
        let first: Vec<&WorkerRequest> = (replaced.iter().copied())
            .filter(|request| !stay.contains_key(&request.id))
            .filter(|request| self.supervisor.is_in_the_way(&request.id, &coming))
            .collect();
        if !first.is_empty() && self.has_lost_one() {
            return Ok(());
        }
        for worker in &first {
            self.drain(&format!("replacing worker {}", worker.id), &worker.id)?;
        }
        for node in &plan.nodes {
            for step in node.work.iter().filter(now) {
                let limit = Duration::from_millis(step.estimate.limit_ms);
                match &step.action {
                    Action::StartWorker { worker } => self.start(worker, &node.node, limit)?,
                    Action::ReplaceWorker { worker } if stay.contains_key(&worker.id) => {}
                    Action::ReplaceWorker { worker } => {
                        if !first.iter().any(|drained| drained.id == worker.id) {
                            if self.has_lost_one() {
                                continue;
                            }
                            self.drain(&format!("replacing worker {}", worker.id), &worker.id)?;
                        }
                        self.start(worker, &node.node, limit)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A batch was made for those that were ready then, and a drain takes its time. Whether one of them is not any more.
    fn has_lost_one(&mut self) -> bool {
        let lost = self.supervisor.has_lost_one();
        self.waiting.blocked |= lost;
        lost
    }

    /// Says who is not replaced, and why, once for as long as it is so.
    fn say_who_stays(&mut self, stay: &BTreeMap<WorkerId, String>) {
        let lines: Vec<String> = stay
            .iter()
            .map(|(id, why)| format!("worker {id} goes on as it was: {why}"))
            .collect();
        if lines.is_empty() {
            self.said.remove("stays");
        } else {
            self.say("stays", &lines.join("\n"));
        }
    }

    fn drain(&mut self, what: &str, worker: &WorkerId) -> Result<(), Failure> {
        let seconds = self.drain_seconds();
        let work = self.console.work(what, self.drain_limit());
        self.supervisor.stop(worker, seconds, &self.setting.room)?;
        work.done();
        Ok(())
    }

    fn start(
        &mut self,
        worker: &WorkerRequest,
        node: &NodeName,
        limit: Duration,
    ) -> Result<(), Failure> {
        self.console.note(&format!("starting worker {}", worker.id));
        let started = self
            .supervisor
            .start(worker, node, limit, &self.setting.room);
        match started {
            Err(failure) if self.args.ask.is_none() => {
                self.console
                    .note(&format!("worker {}: {}", worker.id, failure.chain()));
                Ok(())
            }
            other => other,
        }
    }

    /// Whether something may go on now that a worker is ready.
    pub(super) fn may_go_on(&self) -> bool {
        self.waiting.blocked || !self.waiting.turns.is_empty()
    }

    /// A worker is not ready and will not be by itself: says so where its model's rollout waits for it. Whether it does.
    pub(super) fn stops_rollout(&mut self, id: &WorkerId) -> bool {
        let Some((model, why)) = self.supervisor.standing(id) else {
            return false;
        };
        let mut waiting = self.waiting.turns.iter();
        let Some(turns) = waiting.find(|turns| turns.model == *model) else {
            return false;
        };
        let left = turns.batches.iter().skip(1).flatten();
        let left: Vec<&str> = left
            .filter(|left| *left != id && turns.surplus.as_ref() != Some(*left))
            .map(WorkerId::as_str)
            .collect();
        let rest = match left.as_slice() {
            [] => String::new(),
            [one] => format!("; {one} goes on as it was"),
            several => format!("; {} go on as they were", several.join(", ")),
        };
        let said = format!(
            "the rollout of {} stops: worker {id} is not ready ({why}){rest}",
            turns.model
        );
        let model = turns.model.clone();
        self.console.note(&said);
        self.waiting.stopped.insert(model.clone(), said);
        self.waiting.turns.retain(|turns| turns.model != model);
        true
    }

    /// Workers that were to be ready by now. Whether a rollout waited for one.
    pub(super) fn gives_up_waiting(&mut self) -> bool {
        let mut stopped = false;
        for id in self.supervisor.overdue() {
            self.console
                .note(&format!("worker {id} is not ready in time"));
            stopped |= self.stops_rollout(&id);
        }
        stopped
    }
}
