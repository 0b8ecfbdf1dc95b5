//! What of a node's work only puts back what the ledger holds: redirect bits that a boot or an error recovery set again, and
//! settings that a boot forgot. Whoever approved that state approved this too; nobody is disturbed, and nothing is new.
use std::collections::BTreeSet;

use crd::{
    id::{PciAddress, StepId},
    snapshot::{GroupRecord, LedgerEntry, LedgerTarget},
    step::{Action, Ownership, Step},
};

use super::{
    draft::Draft,
    groups::Assessed,
    node::acs_target,
    sequence::Work,
    unit::{Clear, Unit},
    work::{NodeWork, holding},
};
use crate::view::View;

/// Sets that are as they were left, with nothing about them that waits.
#[derive(Debug)]
pub(super) struct Sets {
    /// As the ledger knows them.
    known: Vec<GroupRecord>,
    /// SoCs that work which waits would have idle.
    wanted_idle: BTreeSet<PciAddress>,
}

impl Sets {
    /// Whether a set is one of them.
    pub(super) fn holds(&self, group: &Assessed<'_>) -> bool {
        let members = &group.placed.members;
        self.known.iter().any(|record| group.continues(record))
            && members.iter().all(|soc| !self.wanted_idle.contains(soc))
    }
}

/// Of the work, that alone, and the sets that the rest leaves alone.
pub(super) fn only(view: &View<'_>, work: Work) -> (Work, Sets) {
    let Work {
        units,
        budget,
        settings,
        bookkeeping: _,
    } = work;
    let mut wanted_idle = BTreeSet::new();
    let units = units.into_iter().filter_map(|unit| {
        let idle = unit.idle.clone();
        let kept = repair(view, unit);
        if kept.is_none() {
            wanted_idle.extend(idle);
        }
        kept
    });
    let units = units.collect();
    let settings = settings.into_iter().filter_map(|draft| again(view, draft));
    let only = Work {
        units,
        budget,
        settings: settings.collect(),
        bookkeeping: Vec::new(),
    };
    let known = view.snapshot.ledger.groups.clone();
    (only, Sets { known, wanted_idle })
}

/// Of builds and workers, the starts of what runs nowhere, on SoCs that nobody of ours has, and what is built for them.
pub(super) fn only_starts(view: &View<'_>, work: &mut NodeWork) {
    let workers = &view.snapshot.workers;
    let starts = |step: &Step| match &step.action {
        Action::StartWorker { worker } => {
            let runs = workers.iter().any(|running| running.id == worker.id);
            !runs && holding(view, &worker.socs).is_empty()
        }
        _ => false,
    };
    let chosen = work.steps.iter().filter(|step| starts(step));
    let kept: BTreeSet<StepId> = chosen
        .flat_map(|step| step.depends_on.iter().chain([&step.id]).cloned())
        .collect();
    work.steps.retain(|step| kept.contains(&step.id));
}

/// A unit that clears what was cleared before and proves a set that the ledger knows, under no worker.
fn repair(view: &View<'_>, mut unit: Unit) -> Option<Unit> {
    let Unit {
        idle,
        drain_seconds: _,
        restores,
        clears,
        requests,
        withdrawals,
        reset_all,
        verify: _,
        assign,
    } = &mut unit;
    let new = !restores.is_empty()
        || !requests.is_empty()
        || !withdrawals.is_empty()
        || !reset_all.is_empty()
        || !assign.is_empty();
    let idle: Vec<_> = idle.iter().copied().collect();
    if new || !holding(view, &idle).is_empty() {
        return None;
    }
    for clear in clears {
        let entry = cleared_before(view, clear)?;
        clear.record = as_kept(entry);
    }
    Some(unit)
}

/// The entry that says that exactly these bits of the port were left cleared.
fn cleared_before<'a>(view: &'a View<'_>, clear: &Clear) -> Option<&'a LedgerEntry> {
    let after = crd::id::Word(clear.before.0 & !clear.mask.0).to_string();
    let entry = entry(view, &acs_target(&clear.port))?;
    (entry.written == after).then_some(entry)
}

/// A setting that a boot gave back the value from before us. Without a boot between, or at any other value, somebody meant it.
fn again(view: &View<'_>, mut draft: Draft) -> Option<Draft> {
    let (target, before, after) = match &draft.step.action {
        Action::SetDriver {
            name,
            before: Some(before),
            after,
        } => (LedgerTarget::Driver { name: name.clone() }, before, after),
        Action::SetSysctl {
            name,
            before: Some(before),
            after,
        } => (LedgerTarget::Sysctl { name: name.clone() }, before, after),
        _ => return None,
    };
    let entry = entry(view, &target)?;
    let booted = view.snapshot.boot_id.get() != Some(&entry.boot_id);
    let is_undone = booted && entry.pre_image == before.to_string();
    if !is_undone || entry.written != after.to_string() {
        return None;
    }
    draft.step.record = Some(as_kept(entry));
    Some(draft)
}

fn entry<'a>(view: &'a View<'_>, target: &LedgerTarget) -> Option<&'a LedgerEntry> {
    let mut entries = view.snapshot.ledger.entries.iter();
    entries.find(|entry| entry.target == *target)
}

/// For whom, and under which rule, stays as it is: another declaration of that waits for leave.
fn as_kept(entry: &LedgerEntry) -> Ownership {
    Ownership {
        owners: entry.owners.clone(),
        deletion: entry.deletion,
    }
}
