//! Names of SoCs: where the ledger knows them, by which serials, and what boards say of themselves.
use std::collections::{BTreeMap, BTreeSet};

use crd::id::PciAddress;

use super::{
    patient::Patient,
    seen::{Seen, counted},
};
use crate::{
    doubt::{LOOK_AS_ROOT, bus_in_doubt},
    drift::{Drift, renumbered, shared_serials},
};

pub(super) fn identity(patient: &Patient<'_>) -> Vec<Seen> {
    let moved = renumbered(patient.snapshot);
    if moved.is_empty() {
        return unmoved(patient);
    }
    let shared = shared_serials(patient.snapshot);
    let seen = |drift: Drift| {
        let fix = if shared.contains(&drift) {
            "nothing is touched while it is so: look again, and ask the vendor if it stays; boards may have been given one serial, or the driver tells a wrong one"
        } else {
            "put cards back where they were; or put the node's folder in the state directory aside, which gives up what it would restore"
        };
        Seen::fail(drift.message, fix)
            .over(drift.functions)
            .from("ledger")
    };
    moved.into_iter().map(seen).collect()
}

/// Nothing that is there disagrees; what is recorded may not be there.
fn unmoved(patient: &Patient<'_>) -> Vec<Seen> {
    let known = patient.snapshot.ledger.identities.iter();
    let known: Vec<PciAddress> = known.map(|known| known.address).collect();
    let is_there = |soc: &PciAddress| patient.snapshot.socs.iter().any(|at| at.address == *soc);
    let (there, gone): (Vec<_>, Vec<_>) = known.into_iter().partition(is_there);
    let mut seen = Vec::new();
    if gone.is_empty() || !there.is_empty() {
        seen.push(Seen::pass(format!(
            "{} as recorded",
            counted(there.len(), "SoC")
        )));
    }
    if !gone.is_empty() {
        let recorded = format!("{} recorded and not seen", counted(gone.len(), "SoC"));
        let missing = match bus_in_doubt(patient.snapshot) {
            Some(why) => Seen::unknown(format!("unknown: {recorded}; {why}"), LOOK_AS_ROOT),
            None => Seen::warn(
                recorded,
                "see that its card sits in its slot and has power; one that was taken out for good is forgotten with what was declared of it",
            ),
        };
        seen.push(missing.over(gone));
    }
    seen.into_iter().map(|seen| seen.from("ledger")).collect()
}

pub(super) fn serial(patient: &Patient<'_>) -> Vec<Seen> {
    patient.each(|soc| {
        let seen = if soc.serial.get().is_some() {
            Seen::pass("each has one")
        } else {
            Seen::warn(
                "none can be read: the SoC is known by its address and path alone",
                "a card that is swapped for another in the same slot would not be noticed; load the driver, which shows it",
            )
        };
        Some(seen.from(&soc.serial.source))
    })
}

pub(super) fn boards(patient: &Patient<'_>) -> Vec<Seen> {
    let mut cards_of: BTreeMap<&str, BTreeSet<PciAddress>> = BTreeMap::new();
    let mut sources = BTreeSet::new();
    let cards = patient.topology.cards();
    for card in &cards {
        for soc in patient
            .snapshot
            .socs
            .iter()
            .filter(|soc| card.socs.contains(&soc.address))
        {
            if let (Some(serial), Some(first)) = (soc.board_serial.get(), card.socs.first()) {
                cards_of.entry(serial).or_default().insert(*first);
                sources.insert(soc.board_serial.source.as_str());
            }
        }
    }
    let shared: Vec<String> = cards_of
        .iter()
        .filter(|(_, cards)| cards.len() > 1)
        .map(|(serial, cards)| format!("`{serial}` on {}", counted(cards.len(), "card")))
        .collect();
    let Some(source) = sources.first() else {
        return Vec::new();
    };
    if let Some(unplaced) = patient.unplaced() {
        return vec![unplaced.from(source)];
    }
    let seen = if shared.is_empty() {
        Seen::pass("each card its own")
    } else {
        Seen::warn(
            format!("one serial on several cards: {}", shared.join(", ")),
            "nothing: cards are told by the PCI tree here; tools that group by board serial will be wrong",
        )
    };
    vec![seen.from(source)]
}
