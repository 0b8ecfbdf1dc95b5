//! Compensation: this run's steps undone by their inverses, last first.
use std::{borrow::Cow, collections::BTreeSet};

use crd::{
    id::PciAddress,
    journal::Event,
    snapshot::{Ledger, SocIdentity},
    step::{Action, Inverse, Step},
};

use super::{Engine, journaled::Journaled, keep, observe};
use crate::{
    failure::{self, Failure},
    room::Node,
};

/// A step of this run that was verified, or may have been carried out, and what it has to be undone.
#[derive(Debug)]
pub struct Done<'a> {
    /// The step.
    pub step: Cow<'a, Step>,
    /// Of the ledger before it, what it is about. Whole ones, of a hundred steps, would be most of an agent's memory.
    ledger: Ledger,
}

impl<'a> Done<'a> {
    /// A step that was carried out where the ledger was this.
    pub fn new(step: &'a Step, before: Ledger) -> Self {
        Self::of(Cow::Borrowed(step), before)
    }

    /// A request that another SoC may have taken than the one that was meant.
    pub fn strayed(stray: Step, before: Ledger) -> Self {
        Self::of(Cow::Owned(stray), before)
    }

    fn of(step: Cow<'a, Step>, mut before: Ledger) -> Self {
        let target = step.action.ledger_target();
        before
            .entries
            .retain(|entry| Some(&entry.target) == target.as_ref());
        let assigned = if let Action::AssignGroup { group, .. } = &step.action {
            Some(group)
        } else {
            None
        };
        before
            .groups
            .retain(|record| Some(&record.group) == assigned);
        before.identities = Vec::new();
        // What was taken out leaves its room behind.
        before.entries.shrink_to_fit();
        before.groups.shrink_to_fit();
        Self {
            step,
            ledger: before,
        }
    }
}

/// Whether a step changed a card or the machine, and not only our own files.
pub fn touches_machine(step: &Step) -> bool {
    match step.action {
        Action::ClearAcs { .. }
        | Action::RestoreAcs { .. }
        | Action::StartQmonitor {}
        | Action::RequestMdp { .. }
        | Action::Reset { .. }
        | Action::SetDriver { .. }
        | Action::SetSysctl { .. }
        | Action::WriteFile { .. } => true,
        Action::Taint { .. }
        | Action::Drain { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. }
        | Action::VerifyP2P { .. }
        | Action::Untaint { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => false,
    }
}

/// SoCs that a step resets.
pub(super) fn resets(step: &Step) -> &[SocIdentity] {
    match &step.action {
        Action::Reset { scope: _, socs } => socs,
        _ => &[],
    }
}

impl Engine<'_> {
    /// Undoes what this run did, last first; returns what could not be undone, each with why.
    /// `failed` is the step that may have touched something before it failed.
    pub(super) fn undo(
        &mut self,
        node: &Node,
        journal: &mut Journaled<'_>,
        done: &[Done<'_>],
        failed: Option<&Step>,
    ) -> Result<Vec<String>, Failure> {
        let mut left = Vec::new();
        if let Some(failed) = failed.filter(|step| touches_machine(step))
            && let Inverse::Impossible { why } = &failed.inverse
        {
            left.push(format!("{} ({why})", failed.id));
        }
        // Resets that came after the step at hand; one that failed may have done half of its work.
        let address = |soc: &SocIdentity| soc.address;
        let mut reset: BTreeSet<PciAddress> =
            failed.into_iter().flat_map(resets).map(address).collect();
        for done in done.iter().rev() {
            let step = &*done.step;
            reset.extend(resets(step).iter().map(address));
            if let Action::RequestMdp { soc, .. } = &step.action
                && reset.contains(&soc.address)
            {
                // Another request would lie in the card until somebody's next reset, and nobody would know of it.
                left.push(format!(
                    "{} (a reset has taken it up since; the ledger keeps what was before, for `down`)",
                    step.id
                ));
                continue;
            }
            if let (true, Inverse::Impossible { why }) = (touches_machine(step), &step.inverse) {
                left.push(format!("{} ({why})", step.id));
            }
            if let Some(inverse) = reconcile::compensation(step, &done.ledger)
                && let Err(why) = self.undo_one(node, journal, done, &inverse)?
            {
                left.push(format!("{} ({why})", step.id));
            }
        }
        Ok(left)
    }

    fn undo_one(
        &mut self,
        node: &Node,
        journal: &mut Journaled<'_>,
        done: &Done<'_>,
        inverse: &Step,
    ) -> Result<Result<(), String>, Failure> {
        let step = &*done.step;
        let action = &inverse.action;
        journal.record(Event::Intent {
            step: Box::new(inverse.clone()),
            attempt: 1,
        })?;
        let ledger_alone = matches!(
            action,
            Action::AssignEntry { .. } | Action::AssignGroup { .. }
        );
        if !ledger_alone && let Err(error) = machine::perform(&node.machine, action) {
            let why = failure::chain(&error);
            if !error.takers().is_empty() {
                self.remember_strays(node, inverse, error.takers())?;
            }
            journal.failed(&inverse.id, &why)?;
            return Ok(Err(why));
        }
        let mut snapshot = observe::node(self.room, node, &self.surroundings())?;
        put_back(&mut snapshot.ledger, &done.ledger, &step.action);
        keep(self.room, node, &snapshot)?;
        journal.verified(&inverse.id)?;
        journal.record(Event::Compensated {
            step: step.id.clone(),
        })?;
        self.console.note(&format!("undone: {}", step.id));
        Ok(Ok(()))
    }
}

/// Puts the part of the ledger that `action` is about back to what it was.
fn put_back(ledger: &mut Ledger, before: &Ledger, action: &Action) {
    if let Some(target) = action.ledger_target() {
        ledger.entries.retain(|entry| entry.target != target);
        ledger.entries.extend(
            before
                .entries
                .iter()
                .filter(|entry| entry.target == target)
                .cloned(),
        );
        ledger
            .entries
            .sort_by(|one, other| one.target.cmp(&other.target));
    }
    if let Action::AssignGroup { group, .. } = action {
        ledger.groups.retain(|record| record.group != *group);
        ledger.groups.extend(
            before
                .groups
                .iter()
                .filter(|record| record.group == *group)
                .cloned(),
        );
        ledger
            .groups
            .sort_by(|one, other| one.group.cmp(&other.group));
    }
}
