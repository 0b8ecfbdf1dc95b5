//! Writes that the system refuses: each sets aside what it was about. Where nothing else comes of everything that is declared,
//! whoever started `up` has no rights on this machine, and it ends.
use super::{
    Up,
    pass::{Which, Width, is_settled},
};
use crate::{exit::Exit, failure::Failure, state::ledger};

/// Whether it is known that something can be done here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Prospect {
    /// Not everything had its turn yet.
    #[default]
    Open,
    /// `up` stays, whatever is refused from now on: it has something to keep, or waits for something else.
    Stays,
}

impl Up<'_> {
    /// Of cards and settings something failed while a service manager waits. Where that was refused, all others are tried
    /// before it hears that we are ready. `Some` ends `up`.
    pub(super) fn without_refused(&mut self) -> Result<Option<Exit>, Failure> {
        while self.again.aside.is_refused() {
            let rest = match self.pass(Which::Later, Width::SoundCards) {
                Ok(rest) => rest,
                // Somebody's leave may come at any time.
                Err(failure) if failure.exit() == Exit::Blocked => break,
                Err(failure) => return Err(failure),
            };
            if is_settled(&rest) {
                // Models have their turn when we are ready, and may need no card.
                return if self.declaration.models.is_empty() {
                    self.may_nothing()
                } else {
                    Ok(None)
                };
            }
            // Each pass leaves more alone than the last.
            if self.stop.asked().is_some() || !self.leaves_alone(&rest) {
                break;
            }
        }
        Ok(None)
    }

    /// Everything had its turn. `Some` ends `up`: all that failed was refused, and there is nothing to keep, because nothing
    /// was ever done here and no worker runs. Asked once: what is refused later is waited for.
    pub(super) fn may_nothing(&mut self) -> Result<Option<Exit>, Failure> {
        let before = std::mem::replace(&mut self.again.prospect, Prospect::Stays);
        if before == Prospect::Stays || !self.again.aside.is_refused() {
            return Ok(None);
        }
        if self.again.unbuilt().is_some()
            || !self.supervisor.report().is_empty()
            || self.has_done()?
        {
            self.stays();
            return Ok(None);
        }
        self.console
            .note("up: ending: all that was tried was refused, and nothing is there to keep");
        Ok(Some(Exit::NoPermission))
    }

    /// Whether anything on these machines is of our doing, now or in an earlier run: then there is something to keep.
    fn has_done(&self) -> Result<bool, Failure> {
        let room = &self.setting.room;
        for node in &room.nodes {
            let ledger = ledger::read(&room.state.node_folder(&node.name))?;
            if !ledger.entries.is_empty() || ledger.qmonitor_started.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says that `up` goes on although a step failed.
    pub(super) fn stays(&self) {
        self.console
            .note("up: staying; Ctrl-C or `shardplane down` ends it");
    }
}
