//! What an agent says of its node: the snapshot, what differs from what was left there, and how far its grant came.
use std::collections::BTreeSet;

use crd::{
    id::PciAddress,
    journal::{Event, Record},
    kind::{CardNodeStatus, GrantProgress, GrantState, LastStep, NodeCounts, SocsHeld},
    snapshot::{HardwareSnapshot, HolderKind, SocStatus},
    step::ACS_REDIRECT_MASK,
};
use machine::Timestamp;
use reconcile::{drift, isolation, judge, topology::Topology};

use crate::cluster::{
    condition::{self, About, IDLE, Said, Standing, said, shortened},
    packed::{self, SNAPSHOT_LIMIT},
};

/// Sentences and steps that a status has room for.
const LISTED: usize = 16;
/// Characters of one sentence.
const SENTENCE: usize = 256;

/// Everything that a status is made of.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The node as it was last looked at.
    pub snapshot: &'a HardwareSnapshot,
    /// The last steps of its journal, newest first.
    pub last_steps: &'a [LastStep],
    /// UID of its Node, where there is one.
    pub node_uid: Option<&'a str>,
    /// Generation of the `CardNode` that this answers.
    pub generation: Option<i64>,
    /// How far the last grant came.
    pub grant: Option<&'a GrantProgress>,
    /// Why nothing may be carried out here, where that is so.
    pub idle: Option<&'a str>,
}

/// The status, where the one before it was `before`.
pub fn status(seen: &Seen<'_>, before: &CardNodeStatus, now: Timestamp) -> CardNodeStatus {
    let drifts: Vec<String> = drift::renumbered(seen.snapshot)
        .into_iter()
        .chain(drift::drifted(seen.snapshot))
        .map(|drift| shortened(&drift.message, SENTENCE))
        .collect();
    let (snapshot, unsaid) = packed(seen.snapshot);
    let words = words(seen, &drifts, unsaid.as_deref());
    CardNodeStatus {
        observed_generation: seen.generation,
        snapshot_digest: Some(reconcile::snapshot_digest(seen.snapshot)),
        snapshot,
        boot_id: seen.snapshot.boot_id.get().cloned(),
        node_uid: seen.node_uid.map(str::to_owned),
        agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        grant: seen.grant.cloned(),
        counts: Some(counts(seen.snapshot, drifts.len())),
        deviations: drifts.into_iter().take(LISTED).collect(),
        vendor_agent: judge::resets_too(seen.snapshot).map(|who| shortened(&who, SENTENCE)),
        holders: holders(seen.snapshot),
        last_steps: seen.last_steps.to_vec(),
        conditions: condition::conditions(&before.conditions, words, seen.generation, now),
    }
}

/// The snapshot as a status carries it; an error where it has no room, with what was left out first.
fn packed(snapshot: &HardwareSnapshot) -> (Option<String>, Option<String>) {
    let plain = HardwareSnapshot {
        readings: None,
        recording: None,
        ..snapshot.clone()
    };
    let pack = |snapshot: &HardwareSnapshot| packed::pack(snapshot, SNAPSHOT_LIMIT);
    // No plan depends on prerequisites: they are the first to go.
    let smaller = || HardwareSnapshot {
        prerequisites: None,
        ..plain.clone()
    };
    match pack(&plain).or_else(|_| pack(&smaller())) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(crate::failure::chain(&error))),
    }
}

fn counts(snapshot: &HardwareSnapshot, deviations: usize) -> NodeCounts {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let ready = snapshot
        .socs
        .iter()
        .filter(|soc| soc.status.get() == Some(&SocStatus::Ready));
    let held = |soc: &PciAddress| snapshot.holders.iter().any(|holder| holder.soc == *soc);
    NodeCounts {
        socs: count(snapshot.socs.len()),
        ready: count(ready.count()),
        held: count(
            snapshot
                .socs
                .iter()
                .filter(|soc| held(&soc.address))
                .count(),
        ),
        groups: count(
            snapshot
                .ledger
                .groups
                .iter()
                .filter(|group| group.verification.is_some())
                .count(),
        ),
        deviations: count(deviations),
    }
}

/// Who holds SoCs, each with all of theirs.
fn holders(snapshot: &HardwareSnapshot) -> Vec<SocsHeld> {
    let mut held: Vec<SocsHeld> = Vec::new();
    for holder in &snapshot.holders {
        let named = match &holder.kind {
            HolderKind::Pod { named } => named.clone(),
            HolderKind::Worker { .. } | HolderKind::Foreign | HolderKind::Unseen { .. } => None,
        };
        let one = SocsHeld {
            socs: vec![holder.soc],
            pod: named,
            pod_uid: holder.pod.clone(),
            pid: holder.pid,
            name: shortened(&holder.name, SENTENCE),
        };
        let same = |known: &&mut SocsHeld| {
            (&known.pod, &known.pod_uid, known.pid, &known.name)
                == (&one.pod, &one.pod_uid, one.pid, &one.name)
        };
        match held.iter_mut().find(same) {
            Some(known) => known.socs.push(holder.soc),
            None => held.push(one),
        }
    }
    held.truncate(LISTED);
    held
}

/// The last steps that ended, newest first.
pub fn last_steps(records: &[Record]) -> Vec<LastStep> {
    records
        .iter()
        .rev()
        .filter_map(|record| {
            let (step, outcome, why) = match &record.event {
                Event::Verified { step } => (step, "verified", None),
                Event::Failed { step, why } => (step, "failed", Some(why.clone())),
                Event::Void {
                    step,
                    expected,
                    found,
                } => (
                    step,
                    "void",
                    Some(format!("expected {expected}, found {found}")),
                ),
                Event::Compensated { step } => (step, "compensated", Some("undone".to_owned())),
                Event::RunBegin { .. }
                | Event::Intent { .. }
                | Event::Done { .. }
                | Event::RunEnd { .. } => return None,
            };
            Some(LastStep {
                id: step.clone(),
                outcome: outcome.to_owned(),
                at: record.at.clone(),
                why: why.map(|why| shortened(&why, SENTENCE)),
            })
        })
        .take(LISTED)
        .collect()
}

fn words(seen: &Seen<'_>, drifts: &[String], unsaid: Option<&str>) -> Vec<Said> {
    let (stands, reason, message) = standing(seen, unsaid);
    let mut words = condition::standing(stands, reason, message);
    words.push(match drifts.first() {
        None => said(
            About::Drifted,
            false,
            "AsLeft",
            "every register and setting is as it was left",
        ),
        Some(first) => said(
            About::Drifted,
            true,
            "Changed",
            match drifts.len() - 1 {
                0 => first.clone(),
                more => format!("{first}; and {more} more"),
            },
        ),
    });
    let relaxed = relaxed(seen.snapshot);
    words.push(if relaxed == 0 {
        said(
            About::IsolationReduced,
            false,
            "Isolated",
            "no port is relaxed by us, nor for a set of ours",
        )
    } else {
        said(
            About::IsolationReduced,
            true,
            "AcsRelaxed",
            format!("ACS is relaxed on {relaxed} ports, so that SoCs reach each other directly"),
        )
    });
    words
}

/// Ports that are relaxed: those that the ledger is to put back, unless they are seen to redirect again, and what sets of ours rely
/// on, whoever relaxed it.
fn relaxed(snapshot: &HardwareSnapshot) -> usize {
    let topology = Topology::of(snapshot);
    let entries = snapshot.ledger.entries.iter();
    let ours = entries.filter_map(|entry| isolation::relaxation(&topology, entry));
    let mut ports: BTreeSet<PciAddress> = ours
        .filter(|(_, stands)| *stands != Some(false))
        .map(|(port, _)| port)
        .collect();
    for set in &snapshot.ledger.groups {
        let members: Vec<PciAddress> = set.members.iter().map(|member| member.address).collect();
        let words = topology.words(&members);
        let relaxed = words
            .iter()
            .filter(|(_, word)| word.0 & ACS_REDIRECT_MASK == 0);
        ports.extend(relaxed.map(|(port, _)| *port));
    }
    ports.len()
}

fn standing(seen: &Seen<'_>, unsaid: Option<&str>) -> (Standing, &'static str, String) {
    if let Some(why) = unsaid {
        return (
            Standing::Stalled,
            "SnapshotTooLarge",
            format!("the snapshot is not published: {why}"),
        );
    }
    if let Some(why) = seen.idle {
        return (Standing::Stalled, IDLE, why.to_owned());
    }
    let Some(grant) = seen.grant else {
        return (
            Standing::Ready,
            "Reporting",
            "the agent reports; nothing was granted yet".to_owned(),
        );
    };
    let why = || grant.why.clone().unwrap_or_default();
    match grant.state {
        GrantState::Working => (
            Standing::Working,
            if grant.awaiting.is_some() {
                "WaitingForDrain"
            } else {
                "CarryingOut"
            },
            match &grant.awaiting {
                None => format!("carrying out {}", grant.digest.0),
                Some(step) => format!("{step} waits for the controller to drain its SoCs"),
            },
        ),
        GrantState::Converged => (
            Standing::Ready,
            "Reporting",
            format!("every step of {} was verified", grant.digest.0),
        ),
        GrantState::Halted => (
            Standing::Stalled,
            "Halted",
            format!(
                "{}; look at the card, then delete the ChangePlan to plan again",
                why()
            ),
        ),
        GrantState::RolledBack => (
            Standing::Stalled,
            "RolledBack",
            format!(
                "{}; look at the card, then delete the ChangePlan to plan again",
                why()
            ),
        ),
        // Whether another comes is its policies' to say: there may be nothing left to do.
        GrantState::Void | GrantState::Refused => (
            Standing::Ready,
            "Reporting",
            format!(
                "the agent reports; its last plan went no further: {}",
                why()
            ),
        ),
    }
}
