//! Looks at a step and a fresh snapshot: is it done, may it act, or is it void?
use crd::{
    Unknown,
    id::{GroupId, PciAddress},
    judgement::Judgement,
    snapshot::{
        Acs, FileImage, HardwareSnapshot, Holder, HolderKind, LedgerEntry, PortOwner, SocIdentity,
        SocStatus, hands_on,
    },
    step::{Action, Precondition, Step, Subject},
};

use crate::{lost, topology};

/// Judges a step just before it acts.
///
/// `Done` when all that it leaves behind is there (a step that leaves nothing behind that can be seen, such as a reset
/// or an untaint, is never `Done`: it has ended when its effect returned); else `Ready` when all that it expects is
/// there; else `Void` with the first expectation that is false.
pub fn judge(step: &Step, snapshot: &HardwareSnapshot) -> Judgement {
    let void = foreign_on_drain(step, snapshot).or_else(|| second_owner(step, snapshot));
    if let Some(void) = void.or_else(|| lost::held_back(step, snapshot)) {
        return void;
    }
    let visible = !step.leaves.is_empty() || matches!(step.action, Action::AssignGroup { .. });
    let left = step.leaves.iter().all(|fact| holds(fact, snapshot));
    if visible && left && membership_recorded(step, snapshot) {
        return Judgement::Done;
    }
    step.preconditions
        .iter()
        .find(|fact| !holds(fact, snapshot))
        .map_or(Judgement::Ready, |fact| Judgement::Void {
            expected: format!("{} {}", name(&fact.subject), fact.equals),
            found: read(&fact.subject, snapshot),
        })
}

/// Whether a fact holds.
pub fn holds(fact: &Precondition, snapshot: &HardwareSnapshot) -> bool {
    read(&fact.subject, snapshot) == fact.equals
}

/// A fact as text, `unknown` (with its reason) where it is not known: no expectation equals that.
pub fn read(subject: &Subject, snapshot: &HardwareSnapshot) -> String {
    match subject {
        Subject::AcsControl { port } => acs(*port, snapshot),
        Subject::Mdp { soc } => with_soc(*soc, snapshot, |soc| {
            fact_text(&soc.mdp, |on| if *on { "on" } else { "off" }.into())
        }),
        Subject::Status { soc } => with_soc(*soc, snapshot, |soc| {
            fact_text(&soc.status, |status| match status {
                SocStatus::Ready => "Ready".into(),
                SocStatus::Initializing => "Initializing".into(),
                SocStatus::Error => "Error".into(),
                SocStatus::Other(word) => word.clone(),
            })
        }),
        Subject::Identity { soc } => with_soc(*soc, snapshot, |soc| {
            identity_text(&topology::identity(soc))
        }),
        Subject::Path { port } => snapshot
            .functions
            .iter()
            .find(|function| function.address == *port)
            .map_or_else(|| "absent".into(), |function| function.path.0.clone()),
        Subject::Held { soc } => held(*soc, snapshot),
        Subject::Driver { name } => setting(snapshot.settings.driver.get(name)),
        Subject::Sysctl { name } => setting(snapshot.settings.sysctl.get(name)),
        Subject::File { file } => snapshot.settings.kept.get(file).map_or_else(
            || "absent".into(),
            |kept| fact_text(kept, |kept| image_text(&kept.image)),
        ),
        Subject::Qmonitor => fact_text(&snapshot.tools.qmonitor_running, |running| {
            if *running { "running" } else { "stopped" }.into()
        }),
        Subject::Program { key } => {
            let present = snapshot.programs.iter().any(|program| program.key == *key);
            if present { "present" } else { "absent" }.into()
        }
        Subject::Worker { id } => snapshot
            .workers
            .iter()
            .find(|worker| worker.id == *id)
            .map_or_else(|| "absent".into(), |worker| worker.options.0.clone()),
        Subject::Verification { group } => {
            let verified = is_verified(group, snapshot);
            if verified { "verified" } else { "unverified" }.into()
        }
        Subject::Ledger { entry } => entry_text(
            snapshot
                .ledger
                .entries
                .iter()
                .find(|found| found.target == *entry),
        ),
    }
}

/// A settings file as preconditions write it: `absent`, or the digest of its text.
pub fn image_text(image: &FileImage) -> String {
    match image {
        FileImage::Absent => "absent".into(),
        FileImage::Text(text) => format!("b3:{}", blake3::hash(text.as_bytes()).to_hex()),
    }
}

/// A SoC's identity as preconditions write it: `serial@path`, the serial empty where it cannot be read.
pub fn identity_text(soc: &SocIdentity) -> String {
    let serial = soc.serial.as_ref().map_or("", |serial| serial.as_str());
    format!("{serial}@{}", soc.path)
}

/// A ledger entry as preconditions write it.
pub fn entry_text(entry: Option<&LedgerEntry>) -> String {
    entry.map_or_else(
        || "absent".into(),
        |entry| {
            let owners: Vec<String> = entry.owners.iter().map(ToString::to_string).collect();
            format!("owned by {} ({:?})", owners.join(", "), entry.deletion)
        },
    )
}

/// Who holds a SoC: `free`, or the holders by name and pid.
///
/// A SoC bound to VFIO is held by whoever opens it, and one with cores in use and no known holder by somebody we
/// cannot see.
pub fn held(soc: PciAddress, snapshot: &HardwareSnapshot) -> String {
    let mut holders: Vec<String> = snapshot
        .holders
        .iter()
        .filter(|holder| holder.soc == soc)
        .map(|holder| match (&holder.kind, holder.pid) {
            (HolderKind::Worker { id }, _) => format!("worker {id}"),
            (HolderKind::Foreign | HolderKind::Pod { .. } | HolderKind::Unseen { .. }, _) => {
                foreign(holder)
            }
        })
        .collect();
    holders.extend(unlisted_holder(soc, snapshot));
    holders.sort();
    holders.dedup();
    if holders.is_empty() {
        "free".into()
    } else {
        holders.join(", ")
    }
}

/// The holders of a SoC that we may not stop, named.
pub fn foreign_holders(soc: PciAddress, snapshot: &HardwareSnapshot) -> Vec<String> {
    let mut named: Vec<String> = snapshot
        .holders
        .iter()
        .filter(|holder| holder.soc == soc && holder.kind.is_foreign())
        .map(foreign)
        .collect();
    named.extend(unlisted_holder(soc, snapshot));
    named.sort();
    named.dedup();
    named
}

/// A holder that we may not stop, in words: whose it is tells more than its number.
fn foreign(holder: &Holder) -> String {
    if let HolderKind::Unseen { why } = &holder.kind {
        return format!("somebody who cannot be seen ({}: {why:?})", holder.name);
    }
    if let HolderKind::Pod { named: Some(pod) } = &holder.kind {
        return format!("pod {pod}");
    }
    let named = match holder.pid {
        Some(pid) => format!("pid {pid} ({})", holder.name),
        None => holder.name.clone(),
    };
    let whose = [
        ("pod", &holder.pod),
        ("container", &holder.container),
        ("unit", &holder.unit),
    ];
    match whose.into_iter().find(|(_, of)| of.is_some()) {
        Some((what, Some(of))) => format!("{named} of {what} {of}"),
        Some((_, None)) | None => named,
    }
}

/// A holder that no list of open files names.
fn unlisted_holder(soc: PciAddress, snapshot: &HardwareSnapshot) -> Option<String> {
    let driver = snapshot
        .functions
        .iter()
        .find(|function| function.address == soc)
        .and_then(|function| function.driver.get());
    // Our own worker may hold it still: whoever bound it to VFIO under the worker has it from then on.
    if let Some(driver) = driver.filter(|driver| hands_on(driver)) {
        return Some(format!("driver {driver}"));
    }
    if snapshot.holders.iter().any(|holder| holder.soc == soc) {
        return None;
    }
    let soc = snapshot.socs.iter().find(|found| found.address == soc)?;
    // What the tool says of them may be another's, or the half of a number: then somebody may be at work.
    let unreadable = [&soc.cores_free, &soc.cores]
        .into_iter()
        .find(|fact| fact.unknown == Some(Unknown::Malformed));
    match (soc.cores_free.get(), soc.cores.get(), unreadable) {
        (Some(free), Some(all), _) if free < all => Some(format!(
            "an unknown program ({} of {all} cores in use)",
            all - free
        )),
        (_, _, Some(fact)) => Some(format!(
            "a program, perhaps: whether its cores are in use cannot be told ({}: Malformed)",
            fact.source
        )),
        _ => None,
    }
}

/// Whether the ledger holds a proof of P2P for this group in exactly the state at hand.
pub fn is_verified(group: &GroupId, snapshot: &HardwareSnapshot) -> bool {
    let Some(record) = snapshot.ledger.groups.iter().find(|r| r.group == *group) else {
        return false;
    };
    let Some(seen) = &record.verification else {
        return false;
    };
    let members: Vec<PciAddress> = record.members.iter().map(|m| m.address).collect();
    crate::view::boot_id(snapshot) == seen.boot_id
        && seen.members == members
        && seen.mdp == topology::all_mdp(&members, snapshot)
        && seen.acs == topology::Topology::of(snapshot).words(&members)
}

fn membership_recorded(step: &Step, snapshot: &HardwareSnapshot) -> bool {
    let Action::AssignGroup { group, members } = &step.action else {
        return true;
    };
    let record = snapshot.ledger.groups.iter().find(|r| r.group == *group);
    record.map_or(members.is_empty(), |record| record.members == *members)
}

fn foreign_on_drain(step: &Step, snapshot: &HardwareSnapshot) -> Option<Judgement> {
    let Action::Drain { socs, .. } = &step.action else {
        return None;
    };
    socs.iter().find_map(|soc| {
        let foreign = foreign_holders(*soc, snapshot);
        (!foreign.is_empty()).then(|| Judgement::Void {
            expected: format!("no holder of {soc} but our own workers"),
            found: foreign.join(", "),
        })
    })
}

/// Who else resets SoCs of the machine, or may: the vendor's operator has an agent of its own where qmonitor listens.
/// Nothing where nobody does, and where the recording is older than the question.
pub fn resets_too(snapshot: &HardwareSnapshot) -> Option<String> {
    let fact = snapshot.tools.qmonitor_owner.as_ref()?;
    match (fact.get(), fact.unknown) {
        (Some(PortOwner::Nobody | PortOwner::Process { .. }), _) => None,
        (Some(PortOwner::Pod { pid, name, uid }), _) => Some(format!(
            "pid {pid} ({name}) of pod {uid} listens on port 62472: it is the vendor's operator's agent, which resets SoCs of this node"
        )),
        (None, why) => Some(format!(
            "somebody listens on port 62472 who cannot be told from the vendor's operator's agent ({}: {})",
            fact.source,
            why.map_or_else(|| "no reason given".into(), |why| format!("{why:?}"))
        )),
    }
}

/// Of two that reset SoCs we are never the second, whenever the other came.
fn second_owner(step: &Step, snapshot: &HardwareSnapshot) -> Option<Judgement> {
    match &step.action {
        Action::RequestMdp { .. } | Action::Reset { .. } => {
            resets_too(snapshot).map(|found| Judgement::Void {
                expected: "nobody else who resets SoCs".into(),
                found,
            })
        }
        _ => None,
    }
}

fn acs(port: PciAddress, snapshot: &HardwareSnapshot) -> String {
    let Some(function) = snapshot.functions.iter().find(|f| f.address == port) else {
        return "absent".into();
    };
    fact_text(&function.acs, |acs| match acs {
        Acs::None => "none".into(),
        Acs::Present { control, .. } => control.to_string(),
    })
}

fn with_soc(
    address: PciAddress,
    snapshot: &HardwareSnapshot,
    text: impl FnOnce(&crd::snapshot::Soc) -> String,
) -> String {
    snapshot
        .socs
        .iter()
        .find(|soc| soc.address == address)
        .map_or_else(|| "absent".into(), text)
}

fn setting(fact: Option<&crd::Fact<u64>>) -> String {
    fact.map_or_else(
        || "absent".into(),
        |fact| fact_text(fact, ToString::to_string),
    )
}

fn fact_text<T>(fact: &crd::Fact<T>, text: impl FnOnce(&T) -> String) -> String {
    match (fact.get(), fact.unknown) {
        (Some(value), _) => text(value),
        (None, Some(reason)) => format!("unknown ({reason:?})"),
        (None, None) => "unknown".into(),
    }
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::AcsControl { port } => format!("ACS control of {port}"),
        Subject::Mdp { soc } => format!("partitioning of {soc}"),
        Subject::Status { soc } => format!("status of {soc}"),
        Subject::Identity { soc } => format!("identity of {soc}"),
        Subject::Path { port } => format!("path of {port}"),
        Subject::Held { soc } => format!("holders of {soc}"),
        Subject::Driver { name } => format!("driver parameter {name}"),
        Subject::Sysctl { name } => format!("setting {name}"),
        Subject::File { file } => format!("settings file {file}"),
        Subject::Qmonitor => "qmonitor".into(),
        Subject::Program { key } => format!("program {key}"),
        Subject::Worker { id } => format!("worker {id}"),
        Subject::Verification { group } => format!("verification of {group}"),
        Subject::Ledger { .. } => "ledger entry".into(),
    }
}
