//! What of a node's work only puts back what the ledger holds: redirect bits that a boot or an error recovery set again, and
//! settings that a boot forgot. Whoever approved that state approved this too; nobody is disturbed, and nothing is new.
use crd::{
    id::{PciAddress, Word, WorkerId},
    kind::VerificationMode,
    plan::ReportReason,
    snapshot::{LedgerEntry, LedgerTarget},
    step::{Action, Ownership, PortRef, Step},
};

use super::{
    draft::Draft,
    groups::Assessed,
    node::acs_target,
    replicas::Replicas,
    sequence::Work,
    unit::Unit,
    work::{NodeWork, holding},
};
use crate::{
    isolation::SOC_DRIVER,
    placement::Obstacle,
    view::{View, boot_id},
};

/// Of the work, that alone.
pub(super) fn only(view: &View<'_>, work: Work) -> Work {
    let Work {
        units,
        budget,
        settings,
        bookkeeping: _,
    } = work;
    let units = units.into_iter().filter_map(|unit| repair(view, unit));
    let settings = settings.into_iter().filter_map(|draft| again(view, draft));
    Work {
        units: units.collect(),
        budget,
        settings: settings.collect(),
        bookkeeping: Vec::new(),
    }
}

/// Whether a set is as the ledger left it.
pub(super) fn is_left(view: &View<'_>, group: &Assessed<'_>) -> bool {
    let mut records = view.snapshot.ledger.groups.iter();
    records.any(|record| group.continues(record))
}

/// Leaves of what a blocked set would clear the ports that were relaxed in this boot and redirect again, where the set was usable
/// in it and nothing stands against that but the state that its members, or the tools that tell it, are in: registers have no
/// part in that, and what runs there needs them.
pub(super) fn hold_open(view: &View<'_>, group: &mut Assessed<'_>) {
    let passing = |obstacle: &Obstacle| {
        matches!(
            obstacle.reason,
            ReportReason::NotReady
                | ReportReason::Initializing
                | ReportReason::MdpUnknown
                | ReportReason::ToolMissing
                | ReportReason::HeldByForeign
        )
    };
    // Whoever has a member for somebody else, a virtual machine say, may have the port redirect for its isolation.
    let ours = |soc: &PciAddress| {
        let function = view.topology.function(*soc);
        let driver = function.and_then(|function| function.driver.get());
        driver.is_some_and(|driver| driver == SOC_DRIVER)
    };
    let passes = group.obstacles.iter().all(passing)
        && group.closed.is_empty()
        && group.placed.members.iter().all(ours);
    let left = passes && was_usable(view, group);
    let ports = &group.ports;
    group.clears.retain(|address, clear| {
        let port = ports.iter().find(|port| port.address == *address);
        let entry = port.and_then(|port| cleared_before(view, port, *clear));
        left && entry.is_some_and(|entry| view.snapshot.boot_id.get() == Some(&entry.boot_id))
    });
}

/// Whether a set was formed, and is proven to have worked in this boot; where that is not to be proven, none of its members shows
/// that it cannot.
fn was_usable(view: &View<'_>, group: &Assessed<'_>) -> bool {
    let spec = &group.placed.declared.spec;
    let mode = spec.verification.as_ref().map(|of| of.mode);
    let is_off = |soc: &PciAddress| {
        let found = view.soc(*soc);
        found.and_then(|found| found.mdp.get()) == Some(&false)
    };
    let may_work = || !group.placed.members.iter().any(is_off);
    let mut records = view.snapshot.ledger.groups.iter();
    records.any(|record| {
        let proof = record.verification.as_ref();
        let proven = proof.is_some_and(|proof| proof.boot_id == boot_id(view.snapshot));
        group.continues(record) && (proven || mode == Some(VerificationMode::None) && may_work())
    })
}

/// Of builds and workers, what needs no other sets than these: a declared replica that has no place on them stays where it
/// is as long as its SoCs are there, and none starts on what another has.
pub(super) fn only_beside(replicas: &[Replicas<'_>], view: &View<'_>, work: &mut NodeWork) {
    let declared = |id: &WorkerId| replicas.iter().any(|of| of.declared.contains(id));
    let kept = |step: &Step| match &step.action {
        Action::StartWorker { worker } | Action::ReplaceWorker { worker } => {
            let others = holding(view, &worker.socs);
            others.iter().all(|other| *other == worker.id)
        }
        Action::StopWorker { worker } => !declared(worker) || has_lost_one(view, worker),
        _ => true,
    };
    work.steps.retain(kept);
}

/// Whether a SoC of a worker is not on the bus any more.
fn has_lost_one(view: &View<'_>, worker: &WorkerId) -> bool {
    let mut workers = view.snapshot.workers.iter();
    workers
        .find(|running| running.id == *worker)
        .is_some_and(|running| running.socs.iter().any(|soc| view.soc(*soc).is_none()))
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
        let entry = cleared_before(view, &clear.port, (clear.before, clear.mask))?;
        clear.record = as_kept(entry);
    }
    Some(unit)
}

/// The entry that says that exactly these bits of the port were left cleared.
fn cleared_before<'a>(
    view: &'a View<'_>,
    port: &PortRef,
    (before, mask): (Word, Word),
) -> Option<&'a LedgerEntry> {
    let after = Word(before.0 & !mask.0).to_string();
    let entry = entry(view, &acs_target(port))?;
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
