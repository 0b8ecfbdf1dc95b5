//! Bridges that could not be read though functions hang below them: where they stand, as far as the paths below tell.
use std::collections::{BTreeMap, BTreeSet};

use super::HardwareSnapshot;
use crate::id::{PciAddress, PciPath};

/// A bridge that is not among the functions, told as unread, with something below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The bridge.
    pub bridge: PciAddress,
    /// Its path, as that of the function below it begins.
    pub path: PciPath,
    /// A function that hangs below it, or another such bridge.
    pub below: PciAddress,
    /// What it hangs below itself.
    pub above: Above,
}

/// What a bridge hangs below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Above {
    /// Nothing: it is a root port.
    Nothing,
    /// This bridge, which is among the functions or a gap too.
    Bridge(PciAddress),
    /// One that nothing in the snapshot names.
    Unknown,
}

/// The gaps of a snapshot, ordered by bridge.
pub fn gaps(snapshot: &HardwareSnapshot) -> Vec<Gap> {
    let there: BTreeSet<PciAddress> = snapshot.functions.iter().map(|f| f.address).collect();
    let by_path: BTreeMap<&str, PciAddress> = (snapshot.functions.iter())
        .map(|function| (function.path.as_str(), function.address))
        .collect();
    let unread: BTreeSet<PciAddress> = (snapshot.unread.iter())
        .flat_map(|unread| unread.path.split('/'))
        .filter_map(|part| part.parse().ok())
        .filter(|address| !there.contains(address))
        .collect();
    let mut found: BTreeMap<PciAddress, Gap> = BTreeMap::new();
    let mut open: Vec<(PciAddress, PciAddress, &str)> = (snapshot.functions.iter())
        .filter_map(|f| Some((f.address, f.parent?, f.path.as_str())))
        .filter(|(_, bridge, _)| unread.contains(bridge))
        .collect();
    open.reverse();
    while let Some((below, bridge, path)) = open.pop() {
        let Some((path, _)) = path
            .rsplit_once('/')
            .filter(|_| !found.contains_key(&bridge))
        else {
            continue;
        };
        let above = match path.rsplit_once('/') {
            None if path == bridge.to_string() => Above::Nothing,
            None => Above::Unknown,
            Some((above, _)) => match by_path.get(above) {
                Some(known) => Above::Bridge(*known),
                None => match named(&unread, above, bridge) {
                    Some(other) => {
                        open.push((bridge, other, path));
                        Above::Bridge(other)
                    }
                    None => Above::Unknown,
                },
            },
        };
        let gap = Gap {
            bridge,
            path: path.into(),
            below,
            above,
        };
        found.insert(bridge, gap);
    }
    found.into_values().collect()
}

/// The unread bridge at a path that leads to `bridge`: of those with its last hop, the nearest on a lower bus.
fn named(unread: &BTreeSet<PciAddress>, path: &str, bridge: PciAddress) -> Option<PciAddress> {
    match path.rsplit_once('/') {
        None => path.parse().ok().filter(|root| unread.contains(root)),
        Some((_, hop)) => {
            let is_it = |other: &&PciAddress| {
                other.domain == bridge.domain
                    && other.bus < bridge.bus
                    && format!("{:02x}.{:x}", other.device, other.function) == hop
            };
            unread.iter().rev().find(is_it).copied()
        }
    }
}
