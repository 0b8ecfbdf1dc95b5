//! What the ledger knows and nothing declares any more: put back or forgotten, under the rule that the ledger kept.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{ObjectRef, PciAddress},
    kind::DeletionRule,
    plan::ReportReason,
    snapshot::{GroupRecord, LedgerEntry, LedgerTarget},
    step::{Action, Ownership, StepReason, Subject},
};

use super::{
    draft::{Draft, fact, owned},
    fate::{Fate, fate, owner, what},
    governance,
    groups::Assessed,
    node::{Needs, Wanted},
    ports,
    relying::{crossing, relying, stoppable},
    socs,
    unit::{Assign, Request, Restore, Unit},
    waiting,
};
use crate::{doubt::LOOK_AS_ROOT, judge::entry_text, lost, placement::Obstacle, view::View};

/// Plans removals, and the owners and rules that changed.
pub(super) fn plan<'a>(
    view: &View<'a>,
    groups: &[Assessed<'_>],
    wanted: &Wanted,
    rewritten: &BTreeSet<LedgerTarget>,
    needs: &mut Needs<'a>,
) {
    let enforced = governance::enforces_removal(view);
    let mut restores: BTreeMap<PciAddress, Restore> = BTreeMap::new();
    let mut requests: BTreeMap<PciAddress, Request> = BTreeMap::new();
    let mut withdrawals = Vec::new();
    let mut kept: BTreeSet<ObjectRef> = BTreeSet::new();
    let mut closed: BTreeMap<_, BTreeSet<PciAddress>> = BTreeMap::new();
    for entry in &view.snapshot.ledger.entries {
        let waits = waiting::withdrawn(view, entry);
        if let Some((ownership, enforced)) = wanted.get(&entry.target)
            && waits.is_none()
        {
            let written = rewritten.contains(&entry.target) || rewrites(needs, entry);
            if !written && differs(entry, ownership) {
                let work = if *enforced {
                    &mut needs.enforced
                } else {
                    &mut needs.observed
                };
                work.bookkeeping
                    .push(assign_entry(view, entry, ownership.clone()));
            }
            continue;
        }
        // Policies that cancel each other are a mistake to be reported, not a reason to undo.
        let cancelled = groups
            .iter()
            .filter(|group| !group.released() && !group.is_governed(view))
            .any(|group| group.relies_on(view, &entry.target));
        if cancelled || entry.owners.iter().any(|owner| in_conflict(view, owner)) {
            continue;
        }
        if let Some(obstacle) = in_doubt(view, entry) {
            kept.extend(entry.owners.iter().cloned());
            needs.obstacles.push(obstacle);
            continue;
        }
        // It may come back as we left it, and then somebody may want it undone.
        if entry.deletion == DeletionRule::Retain && lost::is_of(entry, view.snapshot) {
            continue;
        }
        let enforced = wanted.get(&entry.target).map_or(enforced, |(_, of)| *of);
        let work = if enforced {
            &mut needs.enforced
        } else {
            &mut needs.observed
        };
        match fate(view, waits.as_ref().unwrap_or(entry), &mut needs.advice) {
            Fate::Forget => work.bookkeeping.push(forget(view, entry)),
            Fate::Restore(restore) => {
                restores.insert(restore.port.address, restore);
            }
            Fate::Switch(request) => {
                requests.insert(request.soc.address, request);
            }
            Fate::Withdraw(request) => withdrawals.push(request),
            Fate::Write(draft) => work.settings.push(*draft),
            Fate::Blocked(obstacles) => {
                kept.extend(entry.owners.iter().cloned());
                needs.obstacles.extend(obstacles);
            }
            Fate::Closed(port, why) => {
                kept.extend(entry.owners.iter().cloned());
                let key = (owner(entry), why);
                closed.entry(key).or_default().insert(port);
            }
        }
    }
    needs.obstacles.extend(ports::lines(view, "", closed));
    let mut units = Vec::new();
    for record in &view.snapshot.ledger.groups {
        units.extend(dissolve(
            view,
            groups,
            record,
            &kept,
            &mut restores,
            &mut requests,
            needs,
        ));
    }
    for restore in restores.into_values() {
        let owner = restore.causes.iter().find_map(|cause| cause.object.clone());
        let what = restore.port.address.to_string();
        let unit = Unit {
            idle: crossing(
                view,
                relying(view, std::slice::from_ref(&restore)),
                std::slice::from_ref(&restore),
            ),
            drain_seconds: governance::drain_seconds(view),
            restores: vec![restore],
            ..Unit::default()
        };
        units.extend(within_budget(view, unit, owner, &what, needs));
    }
    units.extend(requests.into_values().map(|request| Unit {
        idle: BTreeSet::from([request.soc.address]),
        drain_seconds: governance::drain_seconds(view),
        requests: vec![request],
        ..Unit::default()
    }));
    units.push(Unit {
        withdrawals,
        ..Unit::default()
    });
    let work = if enforced {
        &mut needs.enforced
    } else {
        &mut needs.observed
    };
    work.units.extend(units);
}

/// What a register's entry waits for where the bus around it could not be read whole: nothing there is known to be gone.
fn in_doubt(view: &View<'_>, entry: &LedgerEntry) -> Option<Obstacle> {
    let at = match &entry.target {
        LedgerTarget::Acs { port: at, path: _ } | LedgerTarget::Mdp { soc: at } => *at,
        LedgerTarget::Driver { name: _ }
        | LedgerTarget::Sysctl { name: _ }
        | LedgerTarget::File { file: _ } => return None,
    };
    let why = view.in_doubt(at)?;
    Some(unseen(owner(entry), vec![at], &what(entry), &why))
}

fn unseen(object: ObjectRef, functions: Vec<PciAddress>, what: &str, why: &str) -> Obstacle {
    Obstacle {
        reason: ReportReason::Unread,
        object,
        pointer: "/spec".into(),
        functions,
        message: format!(
            "{what} is neither put back nor forgotten while the bus could not be read whole ({why})"
        ),
        hint: LOOK_AS_ROOT.into(),
    }
}

/// The unit that undoes what a group that is no more, or has other members now, left behind.
fn dissolve(
    view: &View<'_>,
    groups: &[Assessed<'_>],
    record: &GroupRecord,
    kept: &BTreeSet<ObjectRef>,
    restores: &mut BTreeMap<PciAddress, Restore>,
    requests: &mut BTreeMap<PciAddress, Request>,
    needs: &mut Needs<'_>,
) -> Option<Unit> {
    let members: Vec<PciAddress> = record.members.iter().map(|member| member.address).collect();
    let placed = groups.iter().find(|group| group.placed.id == record.group);
    let object = ObjectRef {
        kind: "P2PGroup".into(),
        namespace: None,
        name: record.group.name.clone(),
    };
    if placed.is_some_and(|group| group.continues(record)) {
        return None;
    }
    if let Some(why) = members.iter().find_map(|soc| view.in_doubt(*soc)) {
        needs
            .obstacles
            .push(unseen(object, members, &record.group.to_string(), &why));
        return None;
    }
    let ports = view.topology.recorded_divergence(&record.members);
    let undone: Vec<Restore> = ports
        .iter()
        .filter_map(|port| restores.remove(port))
        .collect();
    let switched: Vec<Request> = members
        .iter()
        .filter_map(|soc| requests.remove(soc))
        .collect();
    let mut idle: BTreeSet<PciAddress> =
        switched.iter().map(|request| request.soc.address).collect();
    if !undone.is_empty() {
        let mut socs = relying(view, &undone);
        socs.extend(stoppable(view, &record.members));
        idle.extend(crossing(view, socs, &undone));
    }
    // A set that is formed writes its members over the old ones.
    let stale = placed.is_none_or(|group| !group.fits() && !group.released());
    let forget = (stale && !kept.contains(&object)).then(|| Assign {
        group: record.group.clone(),
        members: Vec::new(),
        before: record.members.clone(),
        causes: vec![owned(
            view,
            Some(&object),
            &format!("/groups/{}", record.group),
        )],
    });
    let unit = Unit {
        idle,
        drain_seconds: governance::drain_seconds(view),
        restores: undone,
        requests: switched,
        assign: forget.into_iter().collect(),
        ..Unit::default()
    };
    let what = record.group.to_string();
    within_budget(view, unit, Some(object), &what, needs)
}

/// The unit, unless it drains more SoCs at once than the rollout allows, or one that is left alone for now, which is said
/// instead.
fn within_budget(
    view: &View<'_>,
    unit: Unit,
    owner: Option<ObjectRef>,
    what: &str,
    needs: &mut Needs<'_>,
) -> Option<Unit> {
    let at_once = unit.idle.len();
    let object = owner.unwrap_or_else(|| ObjectRef {
        kind: "Ledger".into(),
        namespace: None,
        name: what.to_owned(),
    });
    let alone = |soc: &PciAddress| socs::left_alone(view, *soc, &object);
    if let Some(obstacle) = unit.idle.iter().find_map(alone) {
        needs.obstacles.push(obstacle);
        return None;
    }
    let Some(budget) = governance::budget(view).filter(|budget| at_once > *budget as usize) else {
        return Some(unit);
    };
    needs.obstacles.push(Obstacle {
        reason: ReportReason::BudgetTooSmall,
        object,
        pointer: "/spec".into(),
        functions: unit.idle.into_iter().collect(),
        message: format!(
            "undoing {what} drains {at_once} SoCs at once and the rollout allows {budget}"
        ),
        hint: "raise `rollout.maxUnavailableSocs` to that, or leave it out".into(),
    });
    None
}

/// Whether a settings step of this plan writes the entry anyway.
fn rewrites(needs: &Needs<'_>, entry: &LedgerEntry) -> bool {
    let writes = |draft: &Draft, written: &str| match &draft.step.action {
        Action::SetDriver { name, .. } | Action::SetSysctl { name, .. } => name == written,
        _ => false,
    };
    let mut drafts = (needs.enforced.settings.iter()).chain(&needs.observed.settings);
    match &entry.target {
        LedgerTarget::Acs { port: _, path: _ } | LedgerTarget::Mdp { soc: _ } => false,
        LedgerTarget::Driver { name } | LedgerTarget::Sysctl { name } => {
            drafts.any(|draft| writes(draft, name))
        }
        LedgerTarget::File { file: kept } => drafts.any(
            |draft| matches!(draft.step.action, Action::WriteFile { file, .. } if file == *kept),
        ),
    }
}

fn in_conflict(view: &View<'_>, owner: &ObjectRef) -> bool {
    let mut policies = view.selection.conflicts.values().flatten();
    policies.any(|policy| policy.object == *owner)
}

fn differs(entry: &LedgerEntry, wanted: &Ownership) -> bool {
    entry.owners != wanted.owners || entry.deletion != wanted.deletion
}

fn forget(view: &View<'_>, entry: &LedgerEntry) -> Draft {
    assign_entry(
        view,
        entry,
        Ownership {
            owners: Vec::new(),
            deletion: entry.deletion,
        },
    )
}

fn assign_entry(view: &View<'_>, entry: &LedgerEntry, wanted: Ownership) -> Draft {
    let Ownership { owners, deletion } = wanted;
    let after = (!owners.is_empty()).then(|| LedgerEntry {
        owners: owners.clone(),
        deletion,
        ..entry.clone()
    });
    let subject = Subject::Ledger {
        entry: entry.target.clone(),
    };
    let causes = if owners.is_empty() {
        vec![owned(
            view,
            entry.owners.first(),
            &format!("/entries/{}", what(entry)),
        )]
    } else {
        owners
            .iter()
            .map(|owner| owned(view, Some(owner), "/entries"))
            .collect()
    };
    let reason = if owners.is_empty() {
        StepReason::SettingGone
    } else {
        StepReason::OwnersDiffer
    };
    let draft = Draft::new(
        what(entry),
        Action::AssignEntry {
            entry: entry.target.clone(),
            owners,
            deletion,
        },
        reason,
        causes,
    )
    .expects([fact(subject.clone(), entry_text(Some(entry)))])
    .leaves([fact(subject, entry_text(after.as_ref()))]);
    if after.is_some() {
        draft.undone_by(Action::AssignEntry {
            entry: entry.target.clone(),
            owners: entry.owners.clone(),
            deletion: entry.deletion,
        })
    } else {
        draft.never_undone("what the ledger forgets is not ours any more")
    }
}
