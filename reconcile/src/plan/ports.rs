//! Ports that cannot be written: one line for each object and reason, however many ports there are.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    fact::Unknown,
    id::{ObjectRef, PciAddress},
    plan::ReportReason,
    snapshot::Acs,
};

use super::{groups::Assessed, socs::why};
use crate::{placement::Obstacle, view::View};

/// Why a port stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closed {
    /// Its control word could not be read.
    Unread(Option<Unknown>),
    /// No policy lets it be relaxed.
    Unmanaged,
    /// Kernel lockdown forbids relaxing it.
    Locked,
    /// Kernel lockdown forbids restoring it.
    LockedAgain,
}

/// What keeps ports of these groups closed: sets of one group are spoken of together, as their cure is one.
pub(super) fn obstacles(view: &View<'_>, groups: &[Assessed<'_>]) -> Vec<Obstacle> {
    let mut closed: BTreeMap<(ObjectRef, Closed), BTreeSet<PciAddress>> = BTreeMap::new();
    for group in groups {
        for (port, why) in &group.closed {
            let object = group.placed.declared.object.clone();
            closed.entry((object, *why)).or_default().insert(*port);
        }
    }
    lines(view, "/spec", closed)
}

/// One line for each object and reason.
pub(super) fn lines(
    view: &View<'_>,
    pointer: &str,
    closed: BTreeMap<(ObjectRef, Closed), BTreeSet<PciAddress>>,
) -> Vec<Obstacle> {
    closed
        .into_iter()
        .map(|((object, closed), ports)| {
            let (reason, message, hint) = said(view, closed, &ports);
            Obstacle {
                reason,
                object,
                pointer: pointer.into(),
                functions: ports.into_iter().collect(),
                message,
                hint: hint.into(),
            }
        })
        .collect()
}

fn said(
    view: &View<'_>,
    closed: Closed,
    ports: &BTreeSet<PciAddress>,
) -> (ReportReason, String, &'static str) {
    let names: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let words: Vec<String> = ports.iter().map(|port| word(view, *port)).collect();
    let (redirect, them) = match ports.len() {
        1 => ("redirects", "it"),
        _ => ("redirect", "them"),
    };
    match closed {
        Closed::Unread(unknown) => (
            match unknown {
                Some(Unknown::Lockdown) => ReportReason::Lockdown,
                _ => ReportReason::AcsUnknown,
            },
            format!(
                "the ACS control word of {} could not be read ({})",
                names.join(", "),
                why(unknown)
            ),
            "run as root on the machine itself; an unknown word is never taken for a clear one",
        ),
        Closed::Unmanaged => (
            ReportReason::AcsUnmanaged,
            format!(
                "{} {redirect} peer traffic and no policy lets {them} be relaxed",
                words.join(", ")
            ),
            "declare `acs: {mode: Minimal}` in the policy of the members",
        ),
        Closed::Locked => (
            ReportReason::Lockdown,
            format!(
                "{} {redirect} peer traffic and kernel lockdown forbids writing {them}",
                words.join(", ")
            ),
            "boot with what `shardplane plan --boot-parameters` prints, or without Secure Boot",
        ),
        Closed::LockedAgain => (
            ReportReason::Lockdown,
            format!(
                "kernel lockdown forbids restoring the ACS control word of {}",
                names.join(", ")
            ),
            "reboot: the kernel sets the word again",
        ),
    }
}

/// A port with its control word.
fn word(view: &View<'_>, port: PciAddress) -> String {
    match view
        .topology
        .function(port)
        .and_then(|found| found.acs.get())
    {
        Some(Acs::Present { control, .. }) => format!("{port} ({control})"),
        Some(Acs::None) | None => port.to_string(),
    }
}
