//! Seeing that resets have begun. The tool's `success` only means that one was asked for: for some seconds after it a SoC may be
//! told as it was, and whoever took that for its end would reset the next one beside it.
//!
//! Format: inferred. How long the tool is behind is published nowhere.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crd::id::PciAddress;

use super::identity::Roll;
use crate::{machine::Machine, vendor::Device};

/// How long a SoC is taken to be behind the times at most. One that shows no sign of its reset for so long was through with it
/// between two looks, or was never reset: what relies on it is asked again.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// The first pause between two looks; each further one is twice as long.
const LOOK: Duration = Duration::from_secs(1);

/// How SoCs were partitioned, as far as that was told, before they were reset.
pub(super) type Before = BTreeMap<PciAddress, Option<bool>>;

/// How these are partitioned now.
pub(super) fn before(roll: &Roll, socs: &[PciAddress]) -> Before {
    socs.iter().map(|&soc| (soc, mdp(roll, soc))).collect()
}

/// Waits until each of these was seen in its reset, or through with it: not Ready, or partitioned otherwise than before.
pub(super) fn seen(machine: &Machine, before: &Before) {
    let socs: Vec<PciAddress> = before.keys().copied().collect();
    let mut unseen: BTreeSet<PciAddress> = socs.iter().copied().collect();
    let until = machine.now().plus(LIMIT);
    let mut pause = LOOK;
    loop {
        let roll = Roll::call(machine, &socs);
        // Of a tool that gives no answer nothing is known.
        unseen.retain(|soc| {
            let as_it_was = mdp(&roll, *soc) == before[soc];
            roll.state(*soc)
                .map_or(true, |state| state == "Ready" && as_it_was)
        });
        let now = machine.now();
        if unseen.is_empty() || now >= until {
            return;
        }
        machine.pause(pause.min(now.until(until)));
        pause = (pause * 2).min(LIMIT);
    }
}

fn mdp(roll: &Roll, soc: PciAddress) -> Option<bool> {
    roll.device(soc).ok().flatten().and_then(Device::mdp)
}
