//! SoCs that left the bus while we reset SoCs of their machine: what one reset did, the next may do as well, so that it waits until
//! they are back or the machine has booted.
use crd::{
    id::PciAddress,
    judgement::Judgement,
    snapshot::{HardwareSnapshot, Ledger, LedgerEntry, LedgerTarget, LostSoc, SocIdentity},
    step::{Action, Step},
};

use crate::{
    doubt::gone,
    view::{boot_id, is_rebooted},
};

/// What to do about them.
pub(crate) const SEE_SLOT: &str = "look at the card, its slot and its power, and put it back; or boot the machine, best with its power off in between";

/// The ledger with those of `there` that are off the bus by now, which were there before SoCs of the machine were reset. Whoever is
/// back, or went before a boot, is known no more.
pub fn noted(ledger: &Ledger, there: &[SocIdentity], snapshot: &HardwareSnapshot) -> Ledger {
    let mut lost: Vec<LostSoc> = ledger.lost.clone();
    lost.retain(|lost| is_away(lost, snapshot));
    let gone = gone(there, snapshot);
    let new = there.iter().filter(|soc| gone.contains(&soc.address));
    for soc in new {
        if lost.iter().all(|known| known.soc.path != soc.path) {
            lost.push(LostSoc {
                soc: soc.clone(),
                boot_id: boot_id(snapshot),
            });
        }
    }
    lost.sort();
    Ledger {
        lost,
        ..ledger.clone()
    }
}

/// Those that are away still, in the boot in which they went.
pub fn away(snapshot: &HardwareSnapshot) -> Vec<PciAddress> {
    let lost = snapshot.ledger.lost.iter();
    lost.filter(|lost| is_away(lost, snapshot))
        .map(|lost| lost.soc.address)
        .collect()
}

/// Whether a ledger entry is about one of them.
pub(crate) fn is_of(entry: &LedgerEntry, snapshot: &HardwareSnapshot) -> bool {
    match &entry.target {
        LedgerTarget::Mdp { soc } => away(snapshot).contains(soc),
        _ => false,
    }
}

/// Where no SoC is to be reset for now, why, in one sentence.
pub(crate) fn holds_resets(snapshot: &HardwareSnapshot) -> Option<String> {
    let away = away(snapshot);
    let names: Vec<String> = away.iter().map(ToString::to_string).collect();
    (!away.is_empty()).then(|| {
        format!(
            "{} left the bus while SoCs of this machine were reset in this boot, so that no other is reset for now",
            names.join(", ")
        )
    })
}

/// A reset does not begin while one of them is away, whoever planned it and from what.
pub(crate) fn held_back(step: &Step, snapshot: &HardwareSnapshot) -> Option<Judgement> {
    match &step.action {
        Action::Reset { .. } => holds_resets(snapshot).map(|found| Judgement::Void {
            expected: "every SoC back that was there before the first reset of this boot".into(),
            found,
        }),
        _ => None,
    }
}

/// It is away as long as its place and its serial are nobody's. A bus that cannot be read does not bring it back.
fn is_away(lost: &LostSoc, snapshot: &HardwareSnapshot) -> bool {
    let same_place = |path| path == &lost.soc.path;
    let named = lost.soc.serial.as_ref();
    let same_serial = |soc: &crd::snapshot::Soc| named.is_some() && soc.serial.get() == named;
    !is_rebooted(&lost.boot_id, snapshot)
        && !(snapshot.functions.iter()).any(|function| same_place(&function.path))
        && !snapshot.socs.iter().any(same_serial)
}
