//! Why sets were not formed, and why some SoCs are in none: what is too few, and what is not known.
use std::collections::BTreeSet;

use crd::{
    declaration::Declared,
    id::PciAddress,
    kind::{P2PGroupSpec, SpreadOver},
    plan::ReportReason,
};

use super::{
    automatic::fits,
    bars::{self, Unfit},
    groups::{Obstacle, Taken, is_unread, not_placed},
};
use crate::{doubt::LOOK_AS_ROOT, topology::SOCS_PER_CARD, view::View};

/// SoCs in no set that a fault keeps out.
pub(super) fn left_out(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    taken: &Taken,
) -> Vec<Obstacle> {
    if group.spec.size == 1 {
        return Vec::new();
    }
    let left = view
        .addresses()
        .filter(|soc| !taken.0.contains(soc) && view.policy(*soc).is_some());
    let obstacle = |unfit: Unfit| Obstacle {
        reason: unfit.reason,
        object: group.object.clone(),
        pointer: "/spec/automatic".into(),
        functions: unfit.socs,
        message: unfit.message,
        hint: unfit.hint.into(),
    };
    let unfit = bars::unfit(view, left).into_iter().map(obstacle);
    unfit.chain(short_cards(view, group, taken)).collect()
}

/// Ultra cards that show fewer SoCs than they carry, where one of those is in no set.
fn short_cards(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    taken: &Taken,
) -> impl Iterator<Item = Obstacle> {
    let is_ultra = |soc: &PciAddress| {
        let sku = view.soc(*soc).and_then(|soc| soc.sku.get());
        sku.is_some_and(|sku| sku.0.contains("Ultra"))
    };
    let left = |soc: &PciAddress| !taken.0.contains(soc) && view.policy(*soc).is_some();
    let short = view.topology.cards().into_iter().filter_map(|card| {
        let is_short = card.socs.len() < SOCS_PER_CARD
            && card.socs.iter().any(is_ultra)
            && card.socs.iter().any(left);
        Some((card.switch.filter(|_| is_short)?, card.socs))
    });
    let lines: Vec<Obstacle> = short
        .map(|(switch, socs)| Obstacle {
            reason: ReportReason::NotEnoughSoCs,
            object: group.object.clone(),
            pointer: "/spec/automatic".into(),
            message: format!(
                "the Ultra card below {switch} shows {} of its {SOCS_PER_CARD} SoCs",
                socs.len()
            ),
            functions: socs,
            hint: "one fell off the bus, is hidden, or is given away: see the kernel's log, and cycle the machine's power if it stays".into(),
        })
        .collect();
    lines.into_iter()
}

pub(super) fn not_enough(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    formed: usize,
    wanted: usize,
    taken: &Taken,
) -> Obstacle {
    let size = group.spec.size as usize;
    let free: Vec<PciAddress> = view
        .addresses()
        .filter(|soc| !taken.0.contains(soc) && fits(view, *soc, size))
        .collect();
    let switched = free.iter().any(|soc| view.topology.domain(*soc).is_some());
    let (reason, place) = match group.spec.automatic.as_ref().map(|rules| rules.per) {
        Some(SpreadOver::Card) => (ReportReason::NotEnoughSoCs, "card"),
        Some(SpreadOver::Switch) | None if switched || free.len() < size => {
            (ReportReason::NotEnoughSoCs, "switch")
        }
        Some(SpreadOver::Switch) | None => (ReportReason::NoCommonSwitch, "switch"),
    };
    if let Some(conflict) = in_conflict(view, group, formed, wanted, free.len(), taken) {
        return conflict;
    }
    let count = free.len();
    let unread = unread_bridges(view, &free);
    let unplaced: Vec<PciAddress> = free
        .iter()
        .copied()
        .filter(|soc| view.topology.ancestry(*soc).is_none())
        .collect();
    let message = format!(
        "{formed} of {wanted} sets fit on {}: no {place} has {size} SoCs left that can be members ({count} are free on the node)",
        view.node()
    );
    if let Some(first) = unplaced.first() {
        let why = not_placed(view, *first);
        let more = match unplaced.len() - 1 {
            0 => String::new(),
            more => format!(" (nor those above {more} more)"),
        };
        return Obstacle {
            reason: ReportReason::Unread,
            object: group.object.clone(),
            pointer: "/spec/size".into(),
            functions: unplaced,
            message: format!("{message}; {why}{more}, so which of them belong together is unknown"),
            hint: LOOK_AS_ROOT.into(),
        };
    }
    if !unread.is_empty() {
        let names: Vec<String> = unread.iter().map(ToString::to_string).collect();
        return Obstacle {
            reason: ReportReason::AcsUnknown,
            object: group.object.clone(),
            pointer: "/spec/size".into(),
            functions: unread,
            message: format!(
                "{message}; the configuration space of {} could not be read, so whether it is a switch is unknown",
                names.join(", ")
            ),
            hint: "run as root: without CAP_SYS_ADMIN configuration space ends after 64 bytes"
                .into(),
        };
    }
    Obstacle {
        reason,
        object: group.object.clone(),
        pointer: "/spec/size".into(),
        functions: free,
        message,
        hint: "declare a smaller size or count, or a wider `automatic.per`; SoCs without a common switch can be used with connectivity ThroughHost".into(),
    }
}

/// The SoCs that would do if policies did not cancel each other on them: then no other size is the cure.
fn in_conflict(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    formed: usize,
    wanted: usize,
    free: usize,
    taken: &Taken,
) -> Option<Obstacle> {
    let size = group.spec.size as usize;
    let conflicts: Vec<_> = view
        .selection
        .conflicts
        .iter()
        .filter(|(soc, _)| !taken.0.contains(soc))
        .filter(|(soc, _)| size == 1 || view.has_p2p_bar(**soc))
        .collect();
    if conflicts.is_empty() || conflicts.len() + free < size {
        return None;
    }
    let names: BTreeSet<&str> = conflicts
        .iter()
        .flat_map(|(_, policies)| policies.iter().map(|policy| policy.object.name.as_str()))
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    let socs = match conflicts.len() {
        1 => "1 SoC".to_owned(),
        many => format!("{many} SoCs"),
    };
    Some(Obstacle {
        reason: ReportReason::PolicyConflict,
        object: group.object.clone(),
        pointer: "/spec/size".into(),
        functions: conflicts.iter().map(|(soc, _)| **soc).collect(),
        message: format!(
            "{formed} of {wanted} sets fit on {}: {socs} would do, and the policies {} cancel each other there",
            view.node(),
            names.join(" and ")
        ),
        hint: "let one policy alone select them".into(),
    })
}

/// Bridges above these SoCs of which nobody knows what they are, ordered by address.
fn unread_bridges(view: &View<'_>, socs: &[PciAddress]) -> Vec<PciAddress> {
    let bridges: BTreeSet<PciAddress> = socs
        .iter()
        .filter_map(|soc| view.topology.ancestry(*soc))
        .flatten()
        .map(|above| above.address)
        .filter(|above| is_unread(view, *above))
        .collect();
    bridges.into_iter().collect()
}
