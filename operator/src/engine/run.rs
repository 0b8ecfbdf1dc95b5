//! One plan, node by node: each step begun, carried out, verified and recorded before the next.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{BootId, NodeName},
    journal::{Event, RunOutcome},
    kind::FailurePolicy,
    plan::{NodePlan, Plan},
    step::{Action, Step},
};
use reconcile::rollout::{self, Next, Progress};

use super::{
    Engine, boot_unknown,
    journaled::Journaled,
    observe,
    step::Stepped,
    undo,
    watch::{self, Watch},
};
use crate::{exit::Exit, failure::Failure, room::Node, state::Journal};

/// How a plan's run ended.
#[derive(Debug)]
pub enum Ran {
    /// Every step was carried out, or was done already.
    All {
        /// Steps carried out.
        steps: u32,
    },
    /// The machine is not as the plan expects.
    Void {
        /// Steps carried out.
        steps: u32,
        /// What was expected, and what was found.
        why: String,
    },
    /// A step failed or somebody asked for a stop.
    Ended {
        /// Steps carried out and not undone.
        steps: u32,
        /// The outcome.
        exit: Exit,
        /// Why, in one sentence.
        why: String,
    },
}

/// Nodes on which a step failed since the command began, with the worst outcome and what is to be said of each.
#[derive(Debug, Default)]
pub(super) struct Failures {
    nodes: BTreeSet<NodeName>,
    exit: Option<Exit>,
    said: Vec<String>,
}

impl Failures {
    fn add(&mut self, node: &NodeName, exit: Exit, why: String) {
        self.nodes.insert(node.clone());
        self.exit = Some(self.exit.map_or(exit, |worst| worst.worse(exit)));
        self.said.push(why);
    }

    /// How the run ended by them, where there are any; `stop` says why the rest was not begun.
    fn ended(&self, steps: u32, stop: Option<String>) -> Option<Ran> {
        let why: Vec<String> = self.said.iter().cloned().chain(stop).collect();
        self.exit.map(|exit| Ran::Ended {
            steps,
            exit,
            why: why.join("; "),
        })
    }
}

/// What a run of a node ended by.
struct Ending<'a> {
    step: &'a Step,
    why: String,
    /// An outcome of its own, where it has one.
    exit: Option<Exit>,
    /// Whether the step itself had begun, and may have done some of what it does.
    begun: bool,
}

impl<'a> Ending<'a> {
    /// By what was seen before this step had begun, or after it was verified.
    fn before(step: &'a Step, why: String) -> Self {
        Self {
            step,
            why,
            exit: None,
            begun: false,
        }
    }
}

impl Engine<'_> {
    /// Carries out a plan, one node after the other in the order and as far as the core says, without those that wait.
    pub(super) fn run(
        &mut self,
        plan: &Plan,
        waits: &BTreeSet<NodeName>,
        failures: &mut Failures,
        touched: &mut u32,
    ) -> Result<Ran, Failure> {
        let mut steps = 0;
        let room = self.room;
        let earlier = failures.nodes.iter().cloned();
        let mut begun: BTreeMap<NodeName, Progress> =
            earlier.map(|node| (node, Progress::Failed)).collect();
        loop {
            let name = match rollout::next(plan, &begun, waits) {
                // One at a time: whoever may begin beside it begins after it.
                Next::Begin(nodes) => nodes.into_iter().next(),
                Next::Stop { why } => {
                    return Ok(failures
                        .ended(steps, Some(why))
                        .unwrap_or(Ran::All { steps }));
                }
                Next::Done => None,
            };
            let found = name.and_then(|name| {
                let plan = plan.nodes.iter().find(|node| node.node == name)?;
                Some((room.node(&name)?, plan))
            });
            let Some((node, node_plan)) = found else {
                return Ok(failures.ended(steps, None).unwrap_or(Ran::All { steps }));
            };
            match self.run_node(node, node_plan, touched)? {
                Ran::All { steps: ran } => {
                    steps += ran;
                    begun.insert(node.name.clone(), Progress::Converged);
                }
                Ran::Void { steps: ran, why } => {
                    return Ok(Ran::Void {
                        steps: steps + ran,
                        why,
                    });
                }
                Ran::Ended {
                    steps: ran,
                    exit,
                    why,
                } => {
                    steps += ran;
                    failures.add(&node.name, exit, why);
                    begun.insert(node.name.clone(), Progress::Failed);
                    // Somebody who asked for a stop waits for no further node.
                    if exit == Exit::Partial {
                        return Ok(failures.ended(steps, None).unwrap_or(Ran::All { steps }));
                    }
                    if let Next::Begin(_) = rollout::next(plan, &begun, waits) {
                        let last = failures.said.last().map_or("", String::as_str);
                        self.console
                            .note(&format!("{last}; going on with the next node"));
                    }
                }
            }
        }
    }

    pub(super) fn run_node(
        &mut self,
        node: &Node,
        plan: &NodePlan,
        begun: &mut u32,
    ) -> Result<Ran, Failure> {
        let ran = self.carry_out(node, plan, begun);
        self.crew.rests(&node.name, node.machine.now());
        ran
    }

    fn carry_out(&mut self, node: &Node, plan: &NodePlan, begun: &mut u32) -> Result<Ran, Failure> {
        let builds = plan
            .work
            .iter()
            .filter(|step| matches!(step.action, Action::Build { .. }));
        let steps: Vec<&Step> = builds.chain(&plan.steps).collect();
        if steps.is_empty() {
            return Ok(Ran::All { steps: 0 });
        }
        let folder = self.room.state.node(&node.name)?;
        let snapshot = observe::node(self.room, node, &self.surroundings())?;
        let Some(boot_id) = snapshot.boot_id.get().cloned() else {
            return Err(boot_unknown(node));
        };
        if plan
            .boot_id
            .as_ref()
            .is_some_and(|planned| *planned != boot_id)
        {
            return Ok(Ran::Void {
                steps: 0,
                why: format!(
                    "{} has booted since it was planned for; nothing was touched",
                    node.name
                ),
            });
        }
        let mut journal = Journaled::new(
            &node.machine,
            Journal::open(&folder.join("journal"))?,
            boot_id,
        );
        let mut watch = Watch::begin(self, node, &snapshot)?;
        journal.record(Event::RunBegin {
            node: node.name.clone(),
            digest: plan.digest.clone(),
            socs: watch.there().to_vec(),
        })?;
        let mut done: Vec<undo::Done<'_>> = Vec::new();
        let mut touched = 0;
        let mut outcome = RunOutcome::Converged;
        for &step in &steps {
            if self.stop.asked().is_some() {
                let why = "stopped between two steps; run again to go on";
                let gone = watch::said(&watch.gone(self, node)?, Some(why));
                journal.end(RunOutcome::Interrupted)?;
                return Ok(Ran::Ended {
                    steps: touched,
                    exit: Exit::Partial,
                    why: gone.unwrap_or_else(|| why.to_owned()),
                });
            }
            if watch.is_next_reset(step)
                && let Some(why) = watch::said(&watch.gone(self, node)?, None)
            {
                let ended = Ending::before(step, why);
                return self.after_failure(node, &mut journal, plan, &done, ended);
            }
            let before = crate::state::ledger::read(&folder)?;
            match self.step(node, &mut journal, step, begun)? {
                Stepped::Already => {}
                Stepped::Verified => {
                    touched += 1;
                    done.push(undo::Done::new(step, before));
                }
                Stepped::Stopped => {
                    let why = format!("stopped during {}; run again to go on", step.id);
                    let gone = watch::said(&watch.gone(self, node)?, Some(&why));
                    journal.end(RunOutcome::Interrupted)?;
                    return Ok(Ran::Ended {
                        steps: touched,
                        exit: Exit::Partial,
                        why: gone.unwrap_or(why),
                    });
                }
                Stepped::Void { expected, found } => {
                    // Planned again without it, the next one would be reset, and nobody would hear of this one.
                    if let Some(why) = watch::said(&watch.gone(self, node)?, None) {
                        let ended = Ending::before(step, why);
                        return self.after_failure(node, &mut journal, plan, &done, ended);
                    }
                    journal.end(RunOutcome::Replanned)?;
                    return Ok(Ran::Void {
                        steps: touched,
                        why: format!(
                            "{} expected {expected}, found {found}; nothing was touched by that step",
                            step.id
                        ),
                    });
                }
                // Not the step's fault, and not the card's.
                Stepped::Failed { .. } if self.has_booted(node, journal.boot_id())? => {
                    journal.end(RunOutcome::Replanned)?;
                    return Ok(Ran::Void {
                        steps: touched,
                        why: format!(
                            "{} booted during {}, which took back what was done since the last boot",
                            node.name, step.id
                        ),
                    });
                }
                Stepped::Failed { why, exit, strays } => {
                    let gone = watch.gone(self, node)?;
                    let why = watch::said(&gone, Some(&why)).unwrap_or(why);
                    // What it may have written is undone with the others.
                    if crate::state::ledger::read(&folder)? != before {
                        done.push(undo::Done::new(step, before.clone()));
                    }
                    let strays = strays.into_iter();
                    done.extend(strays.map(|stray| undo::Done::strayed(stray, before.clone())));
                    if self.sets_aside(step, &why, exit) {
                        outcome = RunOutcome::Replanned;
                        continue;
                    }
                    let ended = Ending {
                        step,
                        why,
                        exit,
                        begun: true,
                    };
                    return self.after_failure(node, &mut journal, plan, &done, ended);
                }
            }
        }
        let gone = watch::said(&watch.gone(self, node)?, None);
        if let (Some(last), Some(why)) = (steps.last(), gone) {
            let ended = Ending::before(last, why);
            return self.after_failure(node, &mut journal, plan, &done, ended);
        }
        journal.end(outcome)?;
        Ok(Ran::All { steps: touched })
    }

    /// Whether a machine is in another boot than this one by now: where steps outlive boots, as on a rack.
    fn has_booted(&self, node: &Node, begun_in: &BootId) -> Result<bool, Failure> {
        let now = observe::node(self.room, node, &self.surroundings())?;
        Ok(now.boot_id.get().is_some_and(|now| now != begun_in))
    }

    fn after_failure(
        &mut self,
        node: &Node,
        journal: &mut Journaled<'_>,
        plan: &NodePlan,
        done: &[undo::Done<'_>],
        ended: Ending<'_>,
    ) -> Result<Ran, Failure> {
        let Ending {
            step,
            why,
            exit,
            begun,
        } = ended;
        let why = format!("{}: {why}", step.id);
        self.take_down(node, (step, &why, exit))?;
        let machine_steps = done
            .iter()
            .filter(|done| undo::touches_machine(&done.step))
            .count();
        if let (Some(exit), 0) = (exit, machine_steps) {
            // A build that failed, or an effect that the system refused, before any card was touched: its own outcome
            // says most.
            journal.end(RunOutcome::Halted)?;
            return Ok(Ran::Ended {
                steps: 0,
                exit,
                why: format!("{why}; nothing was touched"),
            });
        }
        match plan.governance.on_failure {
            FailurePolicy::Halt => {
                journal.end(RunOutcome::Halted)?;
                let why = format!("{why}; {} was left as it is (onFailure: Halt)", node.name);
                Ok(Ran::Ended {
                    steps: u32::try_from(done.len()).unwrap_or(u32::MAX),
                    exit: Exit::NotRolledBack,
                    why,
                })
            }
            FailurePolicy::Compensate => {
                self.console
                    .note(&format!("{why}; undoing this run's steps"));
                // A failure with an outcome of its own touched nothing that would have to be undone.
                let failed = (begun && exit.is_none()).then_some(step);
                let left = self.undo(node, journal, done, failed)?;
                if left.is_empty() {
                    journal.end(RunOutcome::RolledBack)?;
                    return Ok(Ran::Ended {
                        steps: 0,
                        exit: Exit::RolledBack,
                        why: format!("{why}; this run's steps were undone"),
                    });
                }
                journal.end(RunOutcome::NotRolledBack)?;
                Ok(Ran::Ended {
                    steps: 0,
                    exit: Exit::NotRolledBack,
                    why: format!("{why}; not undone: {}", left.join("; ")),
                })
            }
        }
    }
}
