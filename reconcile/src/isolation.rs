//! What is kept apart: the kernel's IOMMU groups against the sets that ACS really isolates.
//!
//! The kernel computes its groups once, at enumeration; clearing redirect bits later joins devices behind its back.
//! Two functions below one switch are apart as long as both divergence ports redirect requests upstream. Ports above
//! and below the divergence do not matter: a request that is redirected below it still turns around there.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Unknown,
    id::{PciAddress, Word},
    snapshot::{Acs, LedgerEntry, LedgerTarget, PciFunction, hands_on},
    step::{ACS_REDIRECT_MASK, IsolationChange, IsolationSet},
};

use crate::topology::{Apart, Topology};

/// Bits that keep a peer request from going straight across: RR and EC.
const KEEPS_APART: u16 = 0x0024;
/// Vendor id of Switchtec, whose management endpoint sits beside its upstream port.
const SWITCHTEC: u16 = 0x11f8;
/// The SoCs' own driver, in the kernel as in the SDK.
pub(crate) const SOC_DRIVER: &str = "qaic";

/// Words that ports will hold, where they differ from what the snapshot shows.
pub type Words = BTreeMap<PciAddress, Word>;

/// The port that an entry is about, and whether it stands relaxed by us: not where a boot or somebody set its bits again, or another
/// port took its address; `None` where that cannot be read.
pub fn relaxation(
    topology: &Topology<'_>,
    entry: &LedgerEntry,
) -> Option<(PciAddress, Option<bool>)> {
    let LedgerTarget::Acs { port, path } = &entry.target else {
        return None;
    };
    let stands = |function: &PciFunction| {
        let control = match function.acs.get()? {
            Acs::None => return Some(false),
            Acs::Present { control, .. } => control,
        };
        let before: Word = entry.pre_image.parse().ok()?;
        let open = before.0 & !control.0 & ACS_REDIRECT_MASK;
        Some(function.path == *path && open != 0)
    };
    Some((*port, topology.function(*port).and_then(stands)))
}

/// Whether two functions reach each other without passing the IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They do, in one direction at least.
    Direct,
    /// Both divergence ports redirect, or only the CPU connects them.
    Isolated,
    /// A word that decides it is not known.
    Unknown,
}

/// Whether two functions reach each other, once ports hold `words`.
pub fn reach(topology: &Topology<'_>, words: &Words, a: PciAddress, b: PciAddress) -> Reach {
    let parting = match topology.parting(a, b) {
        Ok(parting) => parting,
        Err(Apart::DifferentRoots) => return Reach::Isolated,
        // Functions of one device, or of one conventional bus: no switch port stands between them.
        Err(Apart::NotASwitch(_)) => return Reach::Direct,
        Err(Apart::Unplaced(_)) => return Reach::Unknown,
    };
    let keeps = |port| keeps_apart(topology, words, port);
    match (keeps(parting.first), keeps(parting.second)) {
        (Some(true), Some(true)) => Reach::Isolated,
        (Some(false), _) | (_, Some(false)) => Reach::Direct,
        (None, _) | (_, None) => Reach::Unknown,
    }
}

/// Whether a port keeps requests from below it from going straight across its switch; `None` where its word is unknown.
fn keeps_apart(topology: &Topology<'_>, words: &Words, port: PciAddress) -> Option<bool> {
    if let Some(word) = words.get(&port) {
        return Some(word.0 & KEEPS_APART != 0);
    }
    match topology.function(port)?.acs.get()? {
        Acs::None => Some(false),
        Acs::Present { control, .. } => Some(control.0 & KEEPS_APART != 0),
    }
}

/// What relaxing `port` changes, once every port holds `words`; `members` meant to be joined are not neighbours.
pub fn change(
    topology: &Topology<'_>,
    words: &Words,
    port: PciAddress,
    members: &BTreeSet<PciAddress>,
) -> IsolationChange {
    let joined = joined(topology, words, port);
    IsolationChange {
        kernel: kernel_groups(topology, &joined),
        after: sets(topology, words, &joined),
        neighbours: joined.difference(members).copied().collect(),
    }
}

/// Endpoints that lose isolation when `port` is relaxed, once every port holds `words`.
pub fn joined(topology: &Topology<'_>, words: &Words, port: PciAddress) -> BTreeSet<PciAddress> {
    // The port of the requester decides: once this one lets requests across, whatever lies below it reaches everything
    // beside it, also where the way back was open already.
    let kept = keeps_apart(topology, &Words::new(), port) != Some(false);
    let opens = kept && keeps_apart(topology, words, port) != Some(true);
    let pairs = opens.then(|| pairs_across(topology, port));
    pairs
        .into_iter()
        .flatten()
        .flat_map(|(x, y)| [x, y])
        .collect()
}

/// Whether a function that loses isolation is one that we do not know to be harmless: bound to VFIO, or to nobody knows what, or
/// neither an AI 100 SoC nor part of a switch.
pub fn is_untrusted(topology: &Topology<'_>, address: PciAddress) -> bool {
    let Some(function) = topology.function(address) else {
        return true;
    };
    let soc = topology
        .snapshot()
        .socs
        .iter()
        .any(|soc| soc.address == address);
    // What else than its own driver has a SoC has it for somebody.
    let given = match (function.driver.get(), function.driver.unknown) {
        (Some(driver), _) => hands_on(driver) || soc && driver != SOC_DRIVER,
        (None, why) => why != Some(Unknown::Absent),
    };
    given || !(soc || function.port.is_some() || function.vendor.0 == SWITCHTEC)
}

/// What a function is bound to, in words.
pub(crate) fn bound_to(function: &PciFunction) -> String {
    match (function.driver.get(), function.driver.unknown) {
        (Some(driver), _) => format!("driver {driver}"),
        (None, Some(Unknown::Absent)) => "no driver".to_owned(),
        (None, _) => "its driver could not be read".to_owned(),
    }
}

/// Pairs of endpoints whose paths part at `port`: one below it, one below another port of the same switch.
fn pairs_across(topology: &Topology<'_>, port: PciAddress) -> Vec<(PciAddress, PciAddress)> {
    let Some(switch) = topology.function(port).and_then(|function| function.parent) else {
        return Vec::new();
    };
    let endpoint = |function: &&PciFunction| function.port.is_none();
    let (below, beside): (Vec<_>, Vec<_>) = topology
        .functions()
        .filter(endpoint)
        .map(|function| function.address)
        .filter(|address| topology.is_below(*address, switch))
        .partition(|address| topology.is_below(*address, port));
    below
        .iter()
        .flat_map(|x| beside.iter().map(|y| (*x, *y)))
        .collect()
}

fn kernel_groups(topology: &Topology<'_>, joined: &BTreeSet<PciAddress>) -> Vec<IsolationSet> {
    let mut groups: BTreeMap<(Option<u32>, Option<PciAddress>), Vec<PciAddress>> = BTreeMap::new();
    for address in joined {
        let group = topology
            .function(*address)
            .and_then(|function| function.iommu_group.get().copied());
        // Functions whose group is unknown are listed one by one: nothing says that they share one.
        let alone = group.is_none().then_some(*address);
        groups.entry((group, alone)).or_default().push(*address);
    }
    groups
        .into_iter()
        .map(|((group, _), functions)| IsolationSet { group, functions })
        .collect()
}

/// The sets of `functions` that are isolated from each other; what is unknown counts as joined.
pub fn sets(
    topology: &Topology<'_>,
    words: &Words,
    functions: &BTreeSet<PciAddress>,
) -> Vec<Vec<PciAddress>> {
    let mut sets: Vec<Vec<PciAddress>> = Vec::new();
    for address in functions {
        let (mut touching, apart): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| {
            set.iter()
                .any(|other| reach(topology, words, *address, *other) != Reach::Isolated)
        });
        touching.push(vec![*address]);
        let mut merged = touching.concat();
        merged.sort_unstable();
        sets = apart;
        sets.push(merged);
    }
    sets.sort();
    sets
}
