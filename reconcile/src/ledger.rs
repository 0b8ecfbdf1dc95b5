//! What the ledger becomes once a step is verified.
use crd::{
    id::{PciAddress, Word},
    judgement::Judgement,
    kind::ApprovalMode,
    plan::{Governance, NodePlan},
    snapshot::{
        GroupRecord, HardwareSnapshot, Ledger, LedgerEntry, LedgerTarget, SocIdentity, Verification,
    },
    step::{Action, MdpSetting, Ownership, PortRef, Step, Subject},
};

use crate::{
    baseline::{self, Origin},
    judge, topology,
    view::boot_id,
};

/// The ledger after `step` was verified; `snapshot` is the machine as seen after it.
///
/// An entry keeps its first pre-image, which comes from the step and never from the snapshot: a step whose effect was
/// already there when a crash was recovered from records the same. Only what a boot itself set makes a new first. A
/// restored entry goes.
pub fn after(ledger: &Ledger, step: &Step, snapshot: &HardwareSnapshot) -> Ledger {
    let mut next = ledger.clone();
    match &step.action {
        Action::ClearAcs { port, before, mask } => write(
            &mut next,
            step,
            acs(port),
            &before.to_string(),
            &Word(before.0 & !mask.0).to_string(),
            snapshot,
        ),
        Action::RestoreAcs {
            port,
            before,
            pre_image,
            mask,
        } => write(
            &mut next,
            step,
            acs(port),
            &before.to_string(),
            &Word((before.0 & !mask.0) | (pre_image.0 & mask.0)).to_string(),
            snapshot,
        ),
        Action::RequestMdp { soc, enable } => {
            let on = *enable == MdpSetting::On;
            let target = LedgerTarget::Mdp { soc: soc.address };
            match &step.record {
                // A request proves nothing: an entry that is to go stays, without owners, until the setting was seen.
                Some(record) if record.owners.is_empty() => {
                    for entry in next
                        .entries
                        .iter_mut()
                        .filter(|entry| entry.target == target)
                    {
                        entry.owners.clear();
                    }
                }
                Some(_) | None => write(
                    &mut next,
                    step,
                    target,
                    &(!on).to_string(),
                    &on.to_string(),
                    snapshot,
                ),
            }
            recognise(&mut next, std::slice::from_ref(soc));
        }
        Action::VerifyMdp { socs, enable: _ } => next.entries.retain(|entry| {
            let seen = |soc: &SocIdentity| entry.target == LedgerTarget::Mdp { soc: soc.address };
            !(entry.owners.is_empty() && socs.iter().any(seen))
        }),
        Action::SetDriver {
            name,
            before,
            after,
        } => write(
            &mut next,
            step,
            LedgerTarget::Driver { name: name.clone() },
            &number(*before),
            &after.to_string(),
            snapshot,
        ),
        Action::SetSysctl {
            name,
            before,
            after,
        } => write(
            &mut next,
            step,
            LedgerTarget::Sysctl { name: name.clone() },
            &number(*before),
            &after.to_string(),
            snapshot,
        ),
        Action::WriteFile {
            file,
            before,
            after,
        } => {
            baseline::settle(&mut next, (*file, before), snapshot);
            write(
                &mut next,
                step,
                LedgerTarget::File { file: *file },
                &before.to_string(),
                &after.to_string(),
                snapshot,
            );
        }
        Action::Reset { scope, socs } => {
            recognise(&mut next, socs);
            next.reset_scope = Some(*scope);
            // What was proven before a reset is not proven after it.
            for record in &mut next.groups {
                let reset = |m: &SocIdentity| socs.iter().any(|soc| soc.address == m.address);
                if record.members.iter().any(reset) {
                    record.verification = None;
                }
            }
        }
        Action::VerifyP2P {
            group,
            members,
            ports: _,
        } => {
            let addresses: Vec<PciAddress> = members.iter().map(|m| m.address).collect();
            let verification = Verification {
                boot_id: boot_id(snapshot),
                acs: topology::Topology::of(snapshot).words(&addresses),
                mdp: topology::all_mdp(&addresses, snapshot),
                members: addresses,
            };
            // A proof belongs to a recorded set; without the record there is nothing that it proves.
            let record = next.groups.iter_mut().find(|record| record.group == *group);
            if let Some(record) = record.filter(|record| record.members == *members) {
                record.verification = Some(verification);
            }
            recognise(&mut next, members);
        }
        Action::AssignGroup { group, members } => {
            let kept = next.groups.iter().find(|record| record.group == *group);
            let verification = kept
                .filter(|record| record.members == *members)
                .and_then(|record| record.verification.clone());
            next.groups.retain(|record| record.group != *group);
            if !members.is_empty() {
                recognise(&mut next, members);
                next.groups.push(GroupRecord {
                    group: group.clone(),
                    members: members.clone(),
                    verification,
                });
            }
        }
        Action::AssignEntry {
            entry,
            owners,
            deletion,
        } => {
            if owners.is_empty() {
                next.entries.retain(|found| found.target != *entry);
            }
            for found in next
                .entries
                .iter_mut()
                .filter(|found| found.target == *entry)
            {
                found.owners.clone_from(owners);
                found.deletion = *deletion;
            }
        }
        Action::StartQmonitor {} => next.qmonitor_started = Some(boot_id(snapshot)),
        Action::Taint { socs: _ }
        | Action::Drain {
            socs: _,
            workers: _,
            timeout_seconds: _,
        }
        | Action::WaitReady {
            socs: _,
            timeout_seconds: _,
        }
        | Action::Untaint { socs: _ }
        | Action::Build { program: _ }
        | Action::StartWorker { worker: _ }
        | Action::StopWorker { worker: _ }
        | Action::ReplaceWorker { worker: _ } => {}
    }
    forget_idle(&mut next);
    next.entries.sort_by(|a, b| a.target.cmp(&b.target));
    next.groups.sort_by(|a, b| a.group.cmp(&b.group));
    next
}

/// The ledger where a step was found done before it began; `snapshot` is the machine as it was found.
///
/// What only looks has seen what it looks for, and what goes back is back, whoever saw to it. An effect that somebody else
/// brought about is not ours to take back.
pub fn found(ledger: &Ledger, step: &Step, snapshot: &HardwareSnapshot) -> Ledger {
    let goes_back = step
        .record
        .as_ref()
        .is_some_and(|record| record.owners.is_empty());
    if goes_back || matches!(step.action, Action::VerifyMdp { .. }) {
        after(ledger, step, snapshot)
    } else {
        ledger.clone()
    }
}

/// The ledger where a step was begun, and was not seen to have worked; `snapshot` is the machine as it is now.
///
/// What may have been written is remembered as if it had been, unless what stood there before is seen to stand there still: who
/// cannot be looked at now is put back once it can. What was to go back keeps its entry.
pub fn begun(ledger: &Ledger, step: &Step, snapshot: &HardwareSnapshot) -> Ledger {
    let owned = (step.record.as_ref()).is_some_and(|record| !record.owners.is_empty());
    let subject = match &step.action {
        Action::ClearAcs { port, .. } => Subject::AcsControl { port: port.address },
        Action::SetDriver { name, .. } => Subject::Driver { name: name.clone() },
        Action::SetSysctl { name, .. } => Subject::Sysctl { name: name.clone() },
        Action::WriteFile { file, .. } => Subject::File { file: *file },
        // Firmware that nobody can ask remembers a request.
        Action::RequestMdp { .. } => return after(ledger, step, snapshot),
        _ => return seen(ledger, step, snapshot),
    };
    let as_before = (step.preconditions.iter())
        .any(|fact| fact.subject == subject && judge::holds(fact, snapshot));
    if owned && !as_before {
        return after(ledger, step, snapshot);
    }
    seen(ledger, step, snapshot)
}

/// The ledger after a step whose effect is there; as it was where it is not.
fn seen(ledger: &Ledger, step: &Step, snapshot: &HardwareSnapshot) -> Ledger {
    if judge::judge(step, snapshot) == Judgement::Done {
        after(ledger, step, snapshot)
    } else {
        ledger.clone()
    }
}

/// The ledger with the approval that governs what it holds: that of the policies in force, else what it kept; none where
/// it holds nothing and nothing is about to be done.
pub fn governed(ledger: &Ledger, plan: &NodePlan) -> Ledger {
    let idle = is_idle(ledger) && plan.steps.is_empty();
    let approval = if plan.governance.policies.is_empty() {
        ledger.approval
    } else {
        Some(plan.governance.approval)
    };
    Ledger {
        approval: approval.filter(|_| !idle),
        ..ledger.clone()
    }
}

/// The ledger once the node's policies ask for this approval, where nothing is to be done: what it holds was configured
/// under it from now on. One that holds nothing keeps none.
pub fn under(ledger: &Ledger, approval: ApprovalMode) -> Ledger {
    Ledger {
        approval: (!is_idle(ledger)).then_some(approval),
        ..ledger.clone()
    }
}

/// The approval that a ledger is to take up: that of the policies in force, where it holds something and has another.
pub fn outdated(ledger: &Ledger, governance: &Governance) -> Option<ApprovalMode> {
    let asked = governance.approval;
    let applies = !governance.policies.is_empty() && !is_idle(ledger);
    (applies && ledger.approval != Some(asked)).then_some(asked)
}

/// Whether nothing of ours is on the machine.
fn is_idle(ledger: &Ledger) -> bool {
    ledger.entries.is_empty() && ledger.groups.is_empty()
}

/// Identities and the way of resets matter only while something of ours is on the machine: a ledger that has nothing to undo
/// lets cards move.
fn forget_idle(ledger: &mut Ledger) {
    if is_idle(ledger) {
        ledger.identities.clear();
        ledger.reset_scope = None;
    }
}

fn acs(port: &PortRef) -> LedgerTarget {
    LedgerTarget::Acs {
        port: port.address,
        path: port.path.clone(),
    }
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn write(
    ledger: &mut Ledger,
    step: &Step,
    target: LedgerTarget,
    before: &str,
    written: &str,
    snapshot: &HardwareSnapshot,
) {
    let Some(Ownership { owners, deletion }) = &step.record else {
        return;
    };
    let at = ledger
        .entries
        .iter()
        .position(|entry| entry.target == target);
    if owners.is_empty() {
        if let Some(at) = at {
            ledger.entries.remove(at);
        }
        return;
    }
    let first = at.and_then(|at| {
        let entry = &ledger.entries[at];
        match baseline::origin(entry, before, ledger, snapshot) {
            Origin::Ours => Some(entry.pre_image.clone()),
            Origin::Boot => None,
        }
    });
    if let Some(at) = at {
        ledger.entries.remove(at);
    }
    ledger.entries.push(LedgerEntry {
        target,
        owners: owners.clone(),
        deletion: *deletion,
        pre_image: first.unwrap_or_else(|| before.to_owned()),
        written: written.to_owned(),
        boot_id: boot_id(snapshot),
    });
}

pub(crate) fn recognise(ledger: &mut Ledger, socs: &[SocIdentity]) {
    for soc in socs {
        match ledger
            .identities
            .iter_mut()
            .find(|known| known.address == soc.address)
        {
            Some(known) => {
                if known.serial.is_none() {
                    known.serial.clone_from(&soc.serial);
                }
            }
            None => ledger.identities.push(soc.clone()),
        }
    }
    ledger.identities.sort();
}
