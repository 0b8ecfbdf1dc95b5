//! SoCs side by side: as many cores each, whole cards, and nobody else on them.
use std::collections::BTreeSet;

use crd::{Fact, snapshot::HolderKind};

use super::{
    patient::Patient,
    seen::{Seen, counted},
};
use crate::judge::foreign_holders;

/// SoCs of a card that is sold as an Ultra.
const ULTRA: usize = 4;

pub(super) fn cores(patient: &Patient<'_>) -> Vec<Seen> {
    let socs = &patient.snapshot.socs;
    let counts: BTreeSet<u32> = (socs.iter())
        .filter_map(|soc| soc.cores.get().copied())
        .collect();
    if let (Some(least), true) = (counts.first(), counts.len() > 1) {
        let said: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let known = socs.iter().filter(|soc| soc.cores.get().is_some());
        let mut seen = Seen::warn(
            format!("{} cores", said.join(" and ")),
            format!(
                "a program over SoCs of both uses {least} cores of each; keep groups to one kind"
            ),
        )
        .over(known.clone().map(|soc| soc.address));
        for soc in known {
            seen = seen.from(&soc.cores.source);
        }
        return vec![seen];
    }
    patient.each(|soc| {
        let known = soc.cores.get()?;
        Some(Seen::pass(format!("{known} cores each")).from(&soc.cores.source))
    })
}

pub(super) fn whole(patient: &Patient<'_>) -> Vec<Seen> {
    let is_ultra = |address| {
        let mut socs = patient.snapshot.socs.iter();
        let soc = socs.find(|soc| soc.address == address);
        soc.and_then(|soc| soc.sku.get())
            .is_some_and(|sku| sku.0.contains("Ultra"))
    };
    let cards = patient.topology.cards();
    // Whatever they hang on: one that hangs on no switch of a card is the least whole of all.
    let ultras = cards
        .iter()
        .filter(|card| card.socs.iter().any(|soc| is_ultra(*soc)));
    ultras
        .map(|card| {
            let shown = card.socs.len();
            let seen = match (card.switch, patient.unplaced()) {
                (Some(_), _) if shown == ULTRA => Seen::pass("four SoCs on each Ultra"),
                // Those that it lacks may be among the others.
                (_, Some(unplaced)) => unplaced,
                (Some(switch), None) => Seen::warn(
                    format!("{} of 4 on the card below {switch}", counted(shown, "SoC")),
                    "a SoC fell off the bus, is hidden, or is given away: see the kernel's log, and cycle the machine's power if it stays",
                ),
                (None, None) => Seen::warn(
                    "a SoC of an Ultra alone: the card's switch and its three others are not above and beside it",
                    "a virtual machine was given the SoC without its card, or the switch is hidden: give it the whole card; on a physical machine see the kernel's log, and cycle its power",
                ),
            };
            seen.over(card.socs.iter().copied()).from("/sys/bus/pci/devices")
        })
        .collect()
}

pub(super) fn holders(patient: &Patient<'_>) -> Vec<Seen> {
    patient.each(|soc| {
        let foreign = foreign_holders(soc.address, patient.snapshot);
        let here = patient.snapshot.holders.iter();
        let unseen = here
            .filter(|holder| holder.soc == soc.address)
            .find_map(|holder| match &holder.kind {
                HolderKind::Unseen { why } => Some((*why, &holder.name)),
                HolderKind::Worker { .. } | HolderKind::Pod { .. } | HolderKind::Foreign => None,
            });
        if let (Some((why, path)), 1) = (unseen, foreign.len()) {
            // Nobody was seen, and not everybody could be.
            return Some(Seen::untold(&Fact::<()>::unknown(why, path.clone())));
        }
        let seen = if foreign.is_empty() {
            Seen::pass("nobody but our own workers")
        } else {
            Seen::warn(
                format!("held by {}", foreign.join(", ")),
                "stop it before the SoC must be reset: `shardplane apply` never resets one that somebody else holds",
            )
        };
        Some(seen.from("/proc"))
    })
}
