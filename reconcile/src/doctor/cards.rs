//! SoCs as the bus and the vendor's tool show them: there, with room, on a good link, ready and partitioned.
use crd::{
    Unknown,
    snapshot::{BAR4, PciFunction, Soc, SocStatus},
};

use super::{
    first,
    patient::{MeantBy, Patient},
    seen::{Seen, counted},
};
use crate::{
    doubt::{LOOK_AS_ROOT, bus_in_doubt},
    placement::GIVE_ROOM,
    view::P2P_BAR_KIB,
};

/// Transfers of a fourth-generation link, in GT/s.
const SPEED: u32 = 16;
/// Lanes of a SoC (vendor's data sheet).
const LANES: u32 = 8;

pub(super) fn socs(patient: &Patient<'_>) -> Vec<Seen> {
    const BUS: &str = "/sys/bus/pci/devices";
    let socs = &patient.snapshot.socs;
    let seen = if let (true, Some(why)) = (socs.is_empty(), bus_in_doubt(patient.snapshot)) {
        Seen::unknown(format!("unknown: none is seen, and {why}"), LOOK_AS_ROOT)
    } else if socs.is_empty() {
        Seen::fail(
            "none",
            "see that cards sit in their slots and have power, and what `lspci -d 17cb:` shows; a virtual machine must be given them",
        )
    } else {
        let count = counted(socs.len(), "SoC");
        let cards = counted(patient.topology.cards().len(), "card");
        let lost = |soc: &Soc| patient.topology.ancestry(soc.address).is_none();
        Seen::pass(if socs.iter().any(lost) {
            format!("{count}, of which bridges above are not there")
        } else if patient.unplaced().is_some() {
            format!("{count}, on cards that only root can tell apart")
        } else {
            format!("{count} on {cards}")
        })
    };
    vec![seen.from(BUS)]
}

fn function<'a>(patient: &Patient<'a>, soc: &Soc) -> Option<&'a PciFunction> {
    patient.topology.function(soc.address)
}

fn resource(function: &PciFunction) -> String {
    format!("/sys/bus/pci/devices/{}/resource", function.address)
}

pub(super) fn bar4_size(patient: &Patient<'_>) -> Vec<Seen> {
    patient.each(|soc| {
        let function = function(patient, soc)?;
        if function.bars.get().is_none() {
            return Some(Seen::told(&function.bars, |_| Seen::pass("")));
        }
        let bar = function.bar(BAR4);
        let integrator = "ask the system integrator: the board's own configuration decides its size, nothing that runs here";
        let seen = match bar.map(|bar| bar.size_kib) {
            Some(size) if size >= P2P_BAR_KIB => Seen::pass(format!("{} GiB", size >> 20)),
            Some(size) => Seen::fail(
                format!("{size} KiB, and P2P needs 2 GiB"),
                integrator,
            ),
            None => Seen::fail(
                "none: the kernel found no room for it, or the SoC has none",
                "turn above-4G decoding on in firmware, with 2 GiB and more of 64-bit space for each SoC; if it stays, ask the system integrator",
            ),
        };
        Some(seen.from(&resource(function)))
    })
}

pub(super) fn bar4_assigned(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        let seen = asked.socs.iter().map(|soc| {
            let seen = Seen::told(&soc.bar4_assigned, |assigned| {
                if *assigned {
                    Seen::pass("given")
                } else {
                    Seen::fail("not given: the SoC cannot be reached", GIVE_ROOM)
                }
            });
            seen.at(soc.address)
        });
        seen.collect()
    })
}

pub(super) fn link(patient: &Patient<'_>) -> Vec<Seen> {
    patient.each(|soc| {
        let function = function(patient, soc)?;
        let Some(link) = function.link.get() else {
            // What has no link has none to judge.
            let untold = function.link.unknown != Some(Unknown::Absent);
            return untold.then(|| Seen::told(&function.link, |_| Seen::pass("")));
        };
        let folder = format!(
            "/sys/bus/pci/devices/{}/current_link_speed",
            function.address
        );
        let whole = link.speed.split(['.', ' ']).next();
        let Some(whole) = whole.and_then(|whole| whole.parse::<u32>().ok()) else {
            let fact = format!("unknown: the kernel says `{}`", link.speed);
            let fix = "look again; if it stays so, see the kernel's log for its link";
            return Some(Seen::unknown(fact, fix).from(&folder));
        };
        let fact = format!("{}, x{}", link.speed, link.width);
        let seen = if whole >= SPEED && link.width >= LANES {
            Seen::pass(fact)
        } else {
            Seen::warn(
                format!("{fact}: less than the 16 GT/s and x8 of a SoC"),
                "see that the card sits well, in a slot of the fourth generation with lanes enough",
            )
        };
        Some(seen.from(&folder))
    })
}

pub(super) fn ready(patient: &Patient<'_>) -> Vec<Seen> {
    let answered = patient
        .snapshot
        .socs
        .iter()
        .any(|soc| soc.status.get().is_some());
    patient.each(|soc| {
        // Without the driver nothing can be asked: that is said where the driver is.
        if patient.driver(soc.address).is_some_and(|driver| driver != "qaic") {
            return None;
        }
        if answered && soc.status.unknown == Some(Unknown::ToolFailed) {
            let left_out = Seen::fail(
                "on the bus, and the vendor's tool leaves it out",
                "it resets, or its driver lost it: wait up to 15 minutes, then see the kernel's log",
            );
            return Some(left_out.from(&soc.status.source));
        }
        Some(Seen::told(&soc.status, |status| match status {
            SocStatus::Ready => Seen::pass("Ready"),
            SocStatus::Initializing => Seen::fail(
                "Initializing",
                "wait, up to 15 minutes after a boot or a reset; never reset it in this state",
            ),
            SocStatus::Error => Seen::fail(
                "Error",
                "the user is not in group qaic, the node is not passed into the container, Secure Boot refuses the module, driver and SDK differ, or the SoC is broken: see the kernel's log, then reset it with `qaic-util -s -p ADDRESS`",
            ),
            SocStatus::Other(word) => Seen::fail(
                format!("`{word}`, which is not Ready"),
                "wait, and look again; see the kernel's log if it stays",
            ),
        }))
    })
}

pub(super) fn partitioning(patient: &Patient<'_>) -> Vec<Seen> {
    patient.each(|soc| {
        if !patient.is_meant(soc.address) {
            return None;
        }
        let fix = match patient.meant.by {
            MeantBy::Declaration | MeantBy::Ledger => "`shardplane apply` requests it and resets the SoC, one at a time",
            MeantBy::Nobody => "declare a P2PGroup over it, or `mdp: Enabled` in a CardPolicy, and `shardplane apply`: it requests it and resets the SoC, one at a time",
        };
        Some(Seen::told(&soc.mdp, |on| {
            if *on {
                Seen::pass("on (MDP+)")
            } else {
                let first = first::for_partitioning(patient.snapshot, soc.address)
                    .or_else(|| patient.would.first(soc.address));
                Seen::fail("off", "").mended_once(first, fix)
            }
        }))
    })
}
