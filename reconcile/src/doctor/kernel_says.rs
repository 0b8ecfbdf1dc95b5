//! What the kernel says on top: whether all of the bus could be read, how firmware started it, and what errors SoCs counted.
use crd::{Fact, Unknown};

use super::{patient::Patient, seen::Seen};

pub(super) fn bus_whole(patient: &Patient<'_>) -> Vec<Seen> {
    let unread = &patient.snapshot.unread;
    if unread.is_empty() && patient.snapshot.functions.is_empty() {
        let none = Seen::unknown(
            "unknown: the kernel lists no PCI function at all",
            "see that sysfs is mounted on /sys, and that this machine has a PCI bus",
        );
        return vec![none.from("/sys/bus/pci/devices")];
    }
    if unread.is_empty() {
        return vec![Seen::pass("read to its end").from("/sys/bus/pci/devices")];
    }
    let seen = unread.iter().map(|unread| match unread.why {
        // It was in the list a moment before.
        Unknown::Absent => Seen::unknown(
            "unknown: a device went while it was read",
            "look again; if it goes again, see the kernel's log",
        )
        .from(&unread.path),
        why => Seen::untold(&Fact::<()>::unknown(why, unread.path.clone())),
    });
    seen.collect()
}

pub(super) fn secure_boot(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        // A kernel without EFI has none; where it is only hidden, its consequence is seen: lockdown has a row of its own.
        let told = asked.secure_boot.iter();
        let told = told.filter(|fact| fact.unknown != Some(Unknown::Absent));
        told.map(|fact| {
            Seen::told(fact, |on| {
                if *on {
                    Seen::warn(
                        "on: unsigned modules of the vendor's driver are not loaded, and with lockdown no register is written",
                        "sign the modules with a key that firmware knows (`mokutil --import`), or turn it off in firmware",
                    )
                } else {
                    Seen::pass("off")
                }
            })
        })
        .collect()
    })
}

pub(super) fn errors(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        let seen = asked.socs.iter().filter_map(|soc| {
            // Older drivers count none.
            let errors = soc.errors.as_ref();
            let errors = errors.filter(|fact| fact.unknown != Some(Unknown::Absent))?;
            let seen = Seen::told(errors, |errors| {
                let lost = errors.uncorrectable.saturating_add(errors.nonfatal);
                if lost == 0 {
                    return Seen::pass("none that was not corrected");
                }
                Seen::warn(
                    format!(
                        "{} uncorrectable and {} nonfatal since it was started",
                        errors.uncorrectable, errors.nonfatal
                    ),
                    "see the kernel's log: the driver resets a SoC by itself after a fatal one, and what ran there is lost; if they come again, the card is to be looked at",
                )
            });
            Some(seen.at(soc.address))
        });
        seen.collect()
    })
}
