//! Ports that cannot be written: one line for each object and reason, however many ports there are.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    fact::Unknown,
    id::{ObjectRef, PciAddress},
    plan::ReportReason,
    snapshot::Acs,
};

use super::{groups::Assessed, socs::why};
use crate::{
    Concern,
    doubt::{PORT_IS_OFF, SEE_PORT},
    placement::Obstacle,
    view::View,
};

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
    /// Writing it failed, and it is left alone until it is tried again.
    Failed,
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
    let mut lines = Vec::new();
    for ((object, closed), ports) in closed {
        let (reason, message, hint) = match closed {
            Closed::Unread(unknown) => unread(unknown, &ports),
            Closed::Unmanaged => unmanaged(view, &ports),
            Closed::Locked => locked(view, &ports),
            Closed::LockedAgain => locked_again(&ports),
            Closed::Failed => {
                lines.extend(ports.into_iter().filter_map(|port| {
                    let step = view.failed.get(&Concern::Port(port))?;
                    Some(step.obstacle(&object, pointer, vec![port]))
                }));
                continue;
            }
        };
        lines.push(Obstacle {
            reason,
            object,
            pointer: pointer.into(),
            functions: ports.into_iter().collect(),
            message,
            hint: hint.into(),
        });
    }
    lines
}

/// A reason, a sentence and what to do.
type Said = (ReportReason, String, &'static str);

fn unread(unknown: Option<Unknown>, ports: &BTreeSet<PciAddress>) -> Said {
    if unknown == Some(Unknown::NotReady) {
        let message = format!(
            "the ACS control word of {} could not be read: a port {PORT_IS_OFF}",
            names(ports)
        );
        return (ReportReason::AcsUnknown, message, SEE_PORT);
    }
    (
        match unknown {
            Some(Unknown::Lockdown) => ReportReason::Lockdown,
            _ => ReportReason::AcsUnknown,
        },
        format!(
            "the ACS control word of {} could not be read ({})",
            names(ports),
            why(unknown)
        ),
        "run as root on the machine itself; an unknown word is never taken for a clear one",
    )
}

fn unmanaged(view: &View<'_>, ports: &BTreeSet<PciAddress>) -> Said {
    let (redirect, them) = verb(ports);
    (
        ReportReason::AcsUnmanaged,
        format!(
            "{} {redirect} peer traffic and no policy lets {them} be relaxed",
            words(view, ports)
        ),
        "declare `acs: {mode: Minimal}` in the policy of the members",
    )
}

fn locked(view: &View<'_>, ports: &BTreeSet<PciAddress>) -> Said {
    let (redirect, them) = verb(ports);
    (
        ReportReason::Lockdown,
        format!(
            "{} {redirect} peer traffic and kernel lockdown forbids writing {them}",
            words(view, ports)
        ),
        "boot with what `shardplane plan --boot-parameters` prints, or without Secure Boot",
    )
}

fn locked_again(ports: &BTreeSet<PciAddress>) -> Said {
    (
        ReportReason::Lockdown,
        format!(
            "kernel lockdown forbids restoring the ACS control word of {}",
            names(ports)
        ),
        "reboot: the kernel sets the word again",
    )
}

fn names(ports: &BTreeSet<PciAddress>) -> String {
    let names: Vec<String> = ports.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn words(view: &View<'_>, ports: &BTreeSet<PciAddress>) -> String {
    let words: Vec<String> = ports.iter().map(|port| word(view, *port)).collect();
    words.join(", ")
}

fn verb(ports: &BTreeSet<PciAddress>) -> (&'static str, &'static str) {
    match ports.len() {
        1 => ("redirects", "it"),
        _ => ("redirect", "them"),
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
