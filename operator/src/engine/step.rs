//! One step: look, begin, act, look again, remember.
use std::time::Duration;

use crd::{
    id::PciAddress,
    journal::Event,
    judgement::Judgement,
    snapshot::HardwareSnapshot,
    step::{Action, Step},
};
use machine::StepError;
use reconcile::stray;

use super::{Engine, beside, build, journaled::Journaled, keep, observe, undo};
use crate::{
    console::Paint,
    exit::Exit,
    failure::{self, Failure},
    render::words,
    room::Node,
    supervise::Freed,
};

/// Resets of one SoC in one boot without success, after which only a person may try again.
pub(super) const RESET_ATTEMPTS: u32 = 3;

/// What a person can do where the system refused an effect.
const MORE_RIGHTS: &str = "only root, outside kernel lockdown, read-only mounts and immutable files, may change registers and settings";

/// What became of a step.
#[derive(Debug)]
pub enum Stepped {
    /// What it leaves behind was there; nothing was touched.
    Already,
    /// It was carried out, and seen to have worked.
    Verified,
    /// Somebody asked for a stop, and the step could be stopped without harm.
    Stopped,
    /// What it expects is not there; nothing was touched.
    Void {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// It did not work.
    Failed {
        /// Why, in one sentence.
        why: String,
        /// An outcome of its own, where it has one.
        exit: Option<Exit>,
        /// Requests that other SoCs may have taken than the one that was meant, as steps to be undone.
        strays: Vec<Step>,
    },
}

/// What came of acting.
enum Acted {
    Did,
    Stopped,
    Void {
        expected: String,
        found: String,
    },
    Failed {
        why: String,
        exit: Option<Exit>,
        /// Whether something may have been changed all the same.
        touched: bool,
        /// SoCs beside the one that was meant that may have taken a request.
        takers: Vec<PciAddress>,
    },
}

impl Engine<'_> {
    pub(super) fn step(
        &mut self,
        node: &Node,
        journal: &mut Journaled<'_>,
        step: &Step,
        begun: &mut u32,
    ) -> Result<Stepped, Failure> {
        let mut snapshot = observe::node(self.room, node, &self.surroundings())?;
        match reconcile::judge(step, &snapshot) {
            Judgement::Done => {
                let known = snapshot.ledger.clone();
                snapshot.ledger = reconcile::ledger::found(&known, step, &snapshot);
                if snapshot.ledger != known {
                    keep(self.room, node, &snapshot)?;
                }
                return Ok(Stepped::Already);
            }
            Judgement::Ready => {}
            Judgement::Void { expected, found } => {
                journal.record(Event::Void {
                    step: step.id.clone(),
                    expected: expected.clone(),
                    found: found.clone(),
                })?;
                return Ok(Stepped::Void { expected, found });
            }
        }
        let attempt = journal.journal().attempts(step, journal.boot_id()) + 1;
        if matches!(step.action, Action::Reset { .. }) && attempt > RESET_ATTEMPTS {
            return Ok(Stepped::Failed {
                why: format!(
                    "{RESET_ATTEMPTS} resets in this boot did not help; look at the card, then boot the machine to allow more"
                ),
                exit: None,
                strays: Vec::new(),
            });
        }
        let said = words::of(step, Paint::Plain);
        let line = format!("  {:<15} {:<24}  {}", said.verb, said.target, said.change);
        let work = self.console.work(&line, limit(step));
        journal.record(Event::Intent {
            step: Box::new(step.clone()),
            attempt,
        })?;
        *begun += u32::from(undo::touches_machine(step));
        match self.act(node, step, &work)? {
            Acted::Did => {}
            Acted::Stopped => {
                journal.failed(
                    &step.id,
                    "stopped before it was done; nothing is left of it",
                )?;
                return Ok(Stepped::Stopped);
            }
            Acted::Void { expected, found } => {
                journal.record(Event::Void {
                    step: step.id.clone(),
                    expected: expected.clone(),
                    found: found.clone(),
                })?;
                return Ok(Stepped::Void { expected, found });
            }
            Acted::Failed {
                why,
                exit,
                touched,
                takers,
            } => {
                let mut strays = Vec::new();
                if touched {
                    let now = observe::node(self.room, node, &self.surroundings())?;
                    strays = stray::strays(step, &takers, &now);
                    self.remember(node, (step, &strays), now)?;
                }
                journal.failed(&step.id, &why)?;
                return Ok(Stepped::Failed { why, exit, strays });
            }
        }
        journal.record(Event::Done {
            step: step.id.clone(),
        })?;
        let mut after = observe::node(self.room, node, &self.surroundings())?;
        let before = after.ledger.clone();
        after.ledger = reconcile::ledger::after(&before, step, &after);
        // A step that leaves nothing behind that can be seen has ended when its effect returned.
        let visible = !step.leaves.is_empty() || matches!(step.action, Action::AssignGroup { .. });
        let judged = reconcile::judge(step, &after);
        if visible && judged != Judgement::Done {
            let why = unlike(step, &after);
            after.ledger = before;
            self.remember(node, (step, &[]), after)?;
            journal.failed(&step.id, &why)?;
            return Ok(Stepped::Failed {
                why,
                exit: None,
                strays: Vec::new(),
            });
        }
        if after.ledger != before {
            // Before `verified`: a crash in between finds the step open and the ledger right.
            keep(self.room, node, &after)?;
        }
        journal.verified(&step.id)?;
        work.done();
        Ok(Stepped::Verified)
    }

    /// What failed may have been written all the same, and by a request that strayed elsewhere too, or nobody could put back what
    /// stood there before.
    fn remember(
        &self,
        node: &Node,
        (step, strays): (&Step, &[Step]),
        mut now: HardwareSnapshot,
    ) -> Result<(), Failure> {
        let known = now.ledger.clone();
        now.ledger = reconcile::ledger::begun(&known, step, &now);
        for stray in strays {
            now.ledger = stray::remembered(&now.ledger, stray, &now);
        }
        if now.ledger != known {
            keep(self.room, node, &now)?;
        }
        Ok(())
    }

    /// Remembers who may have taken a request that was to take another one back.
    pub(super) fn remember_strays(
        &self,
        node: &Node,
        inverse: &Step,
        takers: &[PciAddress],
    ) -> Result<(), Failure> {
        let mut now = observe::node(self.room, node, &self.surroundings())?;
        for stray in stray::strays(inverse, takers, &now) {
            now.ledger = stray::remembered(&now.ledger, &stray, &now);
        }
        keep(self.room, node, &now)
    }

    fn act(
        &mut self,
        node: &Node,
        step: &Step,
        work: &crate::console::Work<'_>,
    ) -> Result<Acted, Failure> {
        match &step.action {
            // Nothing waits for an untaint, and the ledger is written below.
            Action::Untaint { .. } | Action::AssignEntry { .. } | Action::AssignGroup { .. } => {
                Ok(Acted::Did)
            }
            Action::Taint { .. } | Action::Drain { .. } => match self.crew.free(step, self.room)? {
                Freed::Yes => Ok(self.perform(node, &step.action)),
                Freed::Stopped => Ok(Acted::Stopped),
            },
            Action::Build { program } => match build::build(self, node, program, work)? {
                build::BuildEnd::Built => Ok(Acted::Did),
                build::BuildEnd::Stopped => Ok(Acted::Stopped),
                build::BuildEnd::Failed { why, exit } => Ok(Acted::Failed {
                    why,
                    exit: Some(exit),
                    touched: false,
                    takers: Vec::new(),
                }),
            },
            Action::Reset { socs, .. } => {
                self.crew.resets(&node.name, socs, node.machine.now());
                Ok(self.perform(node, &step.action))
            }
            Action::VerifyP2P { members, .. } => {
                self.crew.proves(&node.name, members, node.machine.now());
                Ok(self.perform(node, &step.action))
            }
            Action::ClearAcs { .. }
            | Action::RestoreAcs { .. }
            | Action::StartQmonitor {}
            | Action::RequestMdp { .. }
            | Action::WaitReady { .. }
            | Action::VerifyMdp { .. }
            | Action::SetDriver { .. }
            | Action::SetSysctl { .. }
            | Action::WriteFile { .. } => Ok(self.perform(node, &step.action)),
            // The planner lists them apart, and the supervisor carries them out.
            Action::StartWorker { .. }
            | Action::StopWorker { .. }
            | Action::ReplaceWorker { .. } => Ok(Acted::Failed {
                why: "a worker step is no step of a machine".to_owned(),
                exit: Some(Exit::Internal),
                touched: false,
                takers: Vec::new(),
            }),
        }
    }
}

impl Engine<'_> {
    fn perform(&mut self, node: &Node, action: &Action) -> Acted {
        let (crew, machine) = ((&mut self.crew, self.stop), &node.machine);
        let performed = beside::workers(crew, (self.room, self.console), || {
            machine::perform(machine, action)
        });
        acted(performed.map(|_| ()))
    }
}

/// How long a step may take before whoever watches us may take us for dead.
pub(super) fn limit(step: &Step) -> Duration {
    match step.action {
        Action::Build { .. } => build::COMPILE_LIMIT,
        _ => machine::limit(&step.action),
    }
}

fn acted(result: Result<(), StepError>) -> Acted {
    match result {
        Ok(()) => Acted::Did,
        Err(StepError::Expectation { expected, found }) => Acted::Void { expected, found },
        Err(error) => {
            let exit = failure::untouched(&error);
            let why = match exit {
                Some(Exit::NoPermission) => format!("{}; {MORE_RIGHTS}", failure::chain(&error)),
                _ => match failure::cure_of(&error) {
                    "" => failure::chain(&error),
                    cure => format!("{}; {cure}", failure::chain(&error)),
                },
            };
            // Whoever was refused changed nothing.
            let touched = exit.is_none() && error.may_have_touched();
            let takers = error.takers().to_vec();
            Acted::Failed {
                why,
                exit,
                touched,
                takers,
            }
        }
    }
}

/// What a step should have left behind and did not.
fn unlike(step: &Step, snapshot: &HardwareSnapshot) -> String {
    step.leaves
        .iter()
        .find(|fact| !reconcile::judge::holds(fact, snapshot))
        .map_or_else(
            || "carried out, but looking again does not show it".to_owned(),
            |fact| {
                let found = reconcile::judge::read(&fact.subject, snapshot);
                format!(
                    "carried out, but looking again shows {found} where {} was expected",
                    fact.equals
                )
            },
        )
}
