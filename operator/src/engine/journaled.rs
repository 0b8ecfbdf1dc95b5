//! Writing the journal of one node while its machine may be told to crash at any record.
use crd::{
    id::{BootId, StepId},
    journal::{Event, RunOutcome},
};
use machine::{CrashKind, Machine};

use crate::{failure::Failure, state::Journal};

/// The journal of the node at work, in its boot.
#[derive(Debug)]
pub struct Journaled<'a> {
    machine: &'a Machine,
    journal: Journal,
    boot_id: BootId,
}

impl<'a> Journaled<'a> {
    /// A journal for a machine in this boot.
    pub fn new(machine: &'a Machine, journal: Journal, boot_id: BootId) -> Self {
        Self {
            machine,
            journal,
            boot_id,
        }
    }

    /// Everything recorded so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The boot at hand.
    pub fn boot_id(&self) -> &BootId {
        &self.boot_id
    }

    /// Makes one record durable. On a rack that was told to crash here, the process ends as it would.
    pub fn record(&mut self, event: Event) -> Result<(), Failure> {
        let crash = self.machine.crash_point(self.journal.next_sequence());
        let at = self.machine.now().to_string();
        self.journal
            .append(&self.boot_id, at, event, crash.map(|crash| crash.moment))?;
        match crash.map(|crash| crash.kind) {
            None => Ok(()),
            Some(CrashKind::Kill) => die(),
            Some(CrashKind::Power) => {
                self.machine.power_loss()?;
                die()
            }
        }
    }

    /// A step has ended well.
    pub fn verified(&mut self, step: &StepId) -> Result<(), Failure> {
        self.record(Event::Verified { step: step.clone() })
    }

    /// A step has ended badly.
    pub fn failed(&mut self, step: &StepId, why: &str) -> Result<(), Failure> {
        self.record(Event::Failed {
            step: step.clone(),
            why: why.to_owned(),
        })
    }

    /// The run has ended.
    pub fn end(&mut self, outcome: RunOutcome) -> Result<(), Failure> {
        self.record(Event::RunEnd { outcome })
    }
}

/// Ends this process at once, as kill -9 would: nothing is flushed and nothing is dropped.
fn die() -> Result<(), Failure> {
    let killed =
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    Err(Failure::said(
        crate::exit::Exit::Internal,
        format!("the crash asked for did not happen: {killed:?}"),
        "",
    ))
}
