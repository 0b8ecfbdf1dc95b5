//! What becomes of one ledger entry that nothing declares any more.
use crd::{
    Fact,
    id::{ObjectRef, PciAddress, Word},
    kind::DeletionRule,
    plan::ReportReason,
    snapshot::{Acs, LedgerEntry, LedgerTarget, Lockdown, SettingsFile},
    step::{ACS_REDIRECT_MASK, MdpSetting, Ownership, PortRef, StepReason},
};

use super::{
    draft::{Draft, owned},
    ports::Closed,
    settings, socs,
    unit::{Request, Restore},
};
use crate::{
    Concern, NextTry,
    baseline::{self, Origin},
    placement::Obstacle,
    view::{View, is_rebooted},
};

/// What becomes of one entry that nothing wants.
pub(super) enum Fate {
    /// It says what is there already, or is to be left: forget it.
    Forget,
    Restore(Restore),
    Switch(Request),
    /// It says what is there already, and a request that no reset has taken up may be waiting for the next one.
    Withdraw(Request),
    Write(Box<Draft>),
    /// It cannot be undone now, for these reasons; none where that is only advice.
    Blocked(Vec<Obstacle>),
    /// Nor can this port be written.
    Closed(PciAddress, Closed),
}

/// Decides it, under the deletion rule that the ledger kept.
pub(super) fn fate(view: &View<'_>, entry: &LedgerEntry, advice: &mut Vec<Obstacle>) -> Fate {
    match entry.deletion {
        DeletionRule::Retain => {
            advice.push(line(entry, ReportReason::Retained, stays(entry), ""));
            return Fate::Forget;
        }
        DeletionRule::Revert => {}
    }
    let snapshot = view.snapshot;
    let now = baseline::now(&entry.target, snapshot);
    if let Some(now) = &now
        && baseline::origin(entry, now, &snapshot.ledger, snapshot) == Origin::Boot
    {
        return of_the_boot(entry, now, advice);
    }
    match &entry.target {
        LedgerTarget::Acs { port, path } => {
            let port = PortRef {
                address: *port,
                path: path.clone(),
            };
            acs(view, entry, port, advice)
        }
        LedgerTarget::Mdp { soc } => mdp(view, entry, *soc),
        LedgerTarget::Driver { name } => setting(
            view,
            entry,
            name,
            view.snapshot.settings.driver.get(name),
            advice,
        ),
        LedgerTarget::Sysctl { name } => setting(
            view,
            entry,
            name,
            view.snapshot.settings.sysctl.get(name),
            advice,
        ),
        LedgerTarget::File { file } => kept(view, entry, *file, advice),
    }
}

/// The machine booted since, and this is what it came up with: nothing of ours is left to undo. Where that is neither
/// what stood there before us nor a matter of course, it is said.
fn of_the_boot(entry: &LedgerEntry, now: &str, advice: &mut Vec<Obstacle>) -> Fate {
    let message = match &entry.target {
        LedgerTarget::Acs { port: _, path: _ } | LedgerTarget::Mdp { soc: _ } => None,
        LedgerTarget::Driver { name } | LedgerTarget::Sysctl { name } => Some(format!(
            "{name} is {now} since the machine booted, which set it itself: that is not replaced by {}",
            entry.pre_image
        )),
        LedgerTarget::File { file } => Some(format!(
            "{file} is not as we left it: what somebody else wrote there is not replaced"
        )),
    };
    if now != entry.pre_image {
        let hint = "set it by hand if it should go back";
        advice.extend(message.map(|said| line(entry, ReportReason::SettingChanged, said, hint)));
    }
    Fate::Forget
}

fn acs(view: &View<'_>, entry: &LedgerEntry, port: PortRef, advice: &mut Vec<Obstacle>) -> Fate {
    let Some(function) = view.topology.function(port.address) else {
        // After a boot what is plugged in starts from the kernel's default; before it a port that only left the bus keeps its
        // register, as long as its slot has power.
        if is_rebooted(&entry.boot_id, view.snapshot) {
            return Fate::Forget;
        }
        let away = away(entry, port.address);
        // Whoever takes all of it back has to know; where cards come and go, it is no goal.
        if view.selection.policies.is_empty() {
            return Fate::Blocked(vec![away]);
        }
        advice.push(away);
        return Fate::Blocked(Vec::new());
    };
    let control = match (function.acs.get(), function.acs.unknown) {
        (Some(Acs::None), _) => return Fate::Forget,
        (Some(Acs::Present { control, .. }), _) => *control,
        (None, why) => {
            return Fate::Closed(port.address, Closed::Unread(why));
        }
    };
    let Ok(pre_image) = entry.pre_image.parse::<Word>() else {
        let message = format!(
            "the ledger's word for {} is not one: {}",
            port.address, entry.pre_image
        );
        return Fate::Blocked(vec![line(
            entry,
            ReportReason::AcsUnknown,
            message,
            "repair or archive the ledger",
        )]);
    };
    let mask = Word((control.0 ^ pre_image.0) & ACS_REDIRECT_MASK);
    if mask.0 == 0 {
        return Fate::Forget;
    }
    match view.snapshot.host.lockdown.get() {
        Some(Lockdown::Integrity | Lockdown::Confidentiality) => {
            return Fate::Closed(port.address, Closed::LockedAgain);
        }
        Some(Lockdown::None) | None => {}
    }
    if view.failed.contains_key(&Concern::Port(port.address)) {
        return Fate::Closed(port.address, Closed::Failed);
    }
    let pointer = format!("/entries/acs/{}", port.address);
    Fate::Restore(Restore {
        port,
        before: control,
        pre_image,
        mask,
        record: gone(),
        causes: vec![owned(view, entry.owners.first(), &pointer)],
    })
}

fn away(entry: &LedgerEntry, port: PciAddress) -> Obstacle {
    line(
        entry,
        ReportReason::MemberMissing,
        format!(
            "{port} is not on the bus, and may keep {} until it loses power",
            entry.written
        ),
        "put it back (`echo 1 > /sys/bus/pci/rescan`) and run again, or after a boot: its word from before is kept until then",
    )
}

fn mdp(view: &View<'_>, entry: &LedgerEntry, soc: PciAddress) -> Fate {
    let object = owner(entry);
    let now = view.soc(soc).and_then(|found| found.mdp.get().copied());
    // Firmware keeps what it was asked until a reset, and nobody can read it back: the entry alone knows of it.
    let there = now.is_some_and(|now| now.to_string() == entry.pre_image);
    let mut obstacles = socs::state_obstacles(view, soc, &object);
    if there {
        obstacles.extend(socs::request_obstacles(view, soc, &object));
        // That its resets came to nothing is no reason: none is needed.
        let failed = view.failed.get(&Concern::Soc(soc));
        let failed = failed.filter(|step| step.next_try != NextTry::NextBoot);
        obstacles.extend(failed.map(|step| step.obstacle(&object, "", vec![soc])));
        for obstacle in &mut obstacles {
            obstacle.message = format!(
                "partitioning of {soc} reads {} as before us, but the request for {} may still wait for its next reset, by whomever, and cannot be taken back: {}",
                entry.pre_image, entry.written, obstacle.message
            );
        }
    } else {
        obstacles.extend(socs::change_obstacles(view, soc, &object));
        obstacles.extend(socs::held_obstacle(view, soc, &object));
    }
    let fate = if there { Fate::Withdraw } else { Fate::Switch };
    match (now, view.identity(soc)) {
        (Some(_), Some(identity)) if obstacles.is_empty() => fate(Request {
            soc: identity,
            enable: if entry.pre_image == "true" {
                MdpSetting::On
            } else {
                MdpSetting::Off
            },
            record: gone(),
            causes: vec![owned(
                view,
                entry.owners.first(),
                &format!("/entries/mdp/{soc}"),
            )],
        }),
        _ => {
            if obstacles.is_empty() {
                let (message, hint) = socs::partitioning_unknown(view, soc);
                obstacles.push(line(entry, ReportReason::MdpUnknown, message, hint));
            }
            Fate::Blocked(obstacles)
        }
    }
}

fn setting(
    view: &View<'_>,
    entry: &LedgerEntry,
    name: &str,
    fact: Option<&Fact<u64>>,
    advice: &mut Vec<Obstacle>,
) -> Fate {
    let Some(fact) = fact else {
        return Fate::Forget;
    };
    let Some(now) = fact.get() else {
        let message = format!("{name} could not be read ({})", socs::why(fact.unknown));
        return Fate::Blocked(vec![line(
            entry,
            ReportReason::SettingUnknown,
            message,
            "run as root on the machine itself",
        )]);
    };
    if now.to_string() == entry.pre_image {
        return Fate::Forget;
    }
    let kept = baseline::is_kept(
        &entry.target,
        &now.to_string(),
        &view.snapshot.ledger,
        view.snapshot,
    );
    if now.to_string() != entry.written && !kept {
        let message = format!(
            "{name} was left at {} and is {now}: somebody else's value is not replaced by {}",
            entry.written, entry.pre_image
        );
        advice.push(line(
            entry,
            ReportReason::SettingChanged,
            message,
            "set it by hand if it should go back",
        ));
        return Fate::Forget;
    }
    let Ok(before) = entry.pre_image.parse::<u64>() else {
        return Fate::Forget;
    };
    if let Some(step) = view.failed.get(&Concern::Setting(name.to_owned())) {
        return Fate::Blocked(vec![step.obstacle(&owner(entry), "", Vec::new())]);
    }
    let causes = vec![owned(
        view,
        entry.owners.first(),
        &format!("/entries/{name}"),
    )];
    settings::write(
        &entry.target,
        name,
        *now,
        before,
        StepReason::SettingGone,
        causes,
        gone(),
    )
    .map_or(Fate::Forget, |draft| Fate::Write(Box::new(draft)))
}

/// That an entry's subject stays, in one sentence: a word or a number with its value, a file by its path alone.
fn stays(entry: &LedgerEntry) -> String {
    let written = match &entry.target {
        LedgerTarget::File { file: _ } => String::new(),
        LedgerTarget::Acs { port: _, path: _ }
        | LedgerTarget::Mdp { soc: _ }
        | LedgerTarget::Driver { name: _ }
        | LedgerTarget::Sysctl { name: _ } => format!(" ({})", entry.written),
    };
    format!(
        "{} stays as we left it{written}, as the deletion rule says",
        what(entry)
    )
}

/// A settings file goes back to what stood there, unless it is somebody else's by now.
fn kept(
    view: &View<'_>,
    entry: &LedgerEntry,
    file: SettingsFile,
    advice: &mut Vec<Obstacle>,
) -> Fate {
    let Some(fact) = view.snapshot.settings.kept.get(&file) else {
        // The folder is gone, and our file with it.
        return Fate::Forget;
    };
    let Some(now) = fact.get().map(|kept| &kept.image) else {
        let message = format!("{file} could not be read ({})", socs::why(fact.unknown));
        let hint = "run as root on the machine itself; a link in its place must go first";
        return Fate::Blocked(vec![line(
            entry,
            ReportReason::SettingUnknown,
            message,
            hint,
        )]);
    };
    if now.to_string() == entry.pre_image {
        return Fate::Forget;
    }
    if now.to_string() != entry.written {
        let message =
            format!("{file} is not as we left it: what somebody else wrote there is not replaced");
        advice.push(line(
            entry,
            ReportReason::SettingChanged,
            message,
            "put it right by hand if it should go back",
        ));
        return Fate::Forget;
    }
    let Ok(before) = entry.pre_image.parse() else {
        return Fate::Forget;
    };
    if let Some(step) = view.failed.get(&Concern::File(file)) {
        return Fate::Blocked(vec![step.obstacle(&owner(entry), "", Vec::new())]);
    }
    let pointer = format!("/entries/{}", what(entry));
    let causes = vec![owned(view, entry.owners.first(), &pointer)];
    let draft = super::kept::write(
        file,
        now.clone(),
        before,
        StepReason::SettingGone,
        causes,
        gone(),
    );
    Fate::Write(Box::new(draft))
}

/// What a write records that puts something back for good.
fn gone() -> Ownership {
    Ownership {
        owners: Vec::new(),
        deletion: DeletionRule::Revert,
    }
}

/// What an entry is about, as step ids and lines write it.
pub(super) fn what(entry: &LedgerEntry) -> String {
    match &entry.target {
        LedgerTarget::Acs { port, path: _ } => format!("acs/{port}"),
        LedgerTarget::Mdp { soc } => format!("mdp/{soc}"),
        LedgerTarget::Driver { name } | LedgerTarget::Sysctl { name } => name.clone(),
        LedgerTarget::File { file } => file.to_string(),
    }
}

pub(super) fn owner(entry: &LedgerEntry) -> ObjectRef {
    entry.owners.first().cloned().unwrap_or(ObjectRef {
        kind: "Ledger".into(),
        namespace: None,
        name: what(entry),
    })
}

fn line(entry: &LedgerEntry, reason: ReportReason, message: String, hint: &str) -> Obstacle {
    let functions = match &entry.target {
        LedgerTarget::Acs { port, path: _ } => vec![*port],
        LedgerTarget::Mdp { soc } => vec![*soc],
        LedgerTarget::Driver { name: _ }
        | LedgerTarget::Sysctl { name: _ }
        | LedgerTarget::File { file: _ } => Vec::new(),
    };
    Obstacle {
        reason,
        object: owner(entry),
        pointer: String::new(),
        functions,
        message,
        hint: hint.into(),
    }
}
