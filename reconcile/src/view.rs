//! One node with everything that is derived from its snapshot once.
use std::collections::BTreeMap;

use crd::{
    declaration::Declaration,
    id::{BootId, NodeName, PciAddress},
    snapshot::{BAR4, HardwareSnapshot, Soc, SocIdentity, told_by_place},
};

use crate::{
    Concern, FailedStep,
    selection::{Policy, Selection, select},
    topology::{Topology, identity},
};

/// BAR 4 must be this big on every member of a group (vendor pre-requisite), in KiB.
pub const P2P_BAR_KIB: u64 = 2 * 1024 * 1024;

/// One node as the planner sees it.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The snapshot, its lists in order.
    pub snapshot: &'a HardwareSnapshot,
    /// Its PCI tree.
    pub topology: Topology<'a>,
    /// Who governs what.
    pub selection: Selection<'a>,
    /// SoCs that must stay in use for now.
    pub spared: BTreeMap<PciAddress, Spared>,
    /// What steps failed on and is left alone for now.
    pub failed: BTreeMap<Concern, FailedStep>,
    socs: BTreeMap<PciAddress, &'a Soc>,
}

/// Why SoCs must stay in use for now: replicas on them have to go on serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    /// The SoCs.
    pub functions: Vec<PciAddress>,
    /// Why, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl<'a> View<'a> {
    /// Views a snapshot that [`read`] made.
    pub fn of(snapshot: &'a HardwareSnapshot, declaration: &'a Declaration) -> Self {
        Self {
            snapshot,
            topology: Topology::of(snapshot),
            selection: select(declaration, snapshot),
            spared: BTreeMap::new(),
            failed: BTreeMap::new(),
            socs: snapshot.socs.iter().map(|soc| (soc.address, soc)).collect(),
        }
    }

    /// The node's name.
    pub fn node(&self) -> &'a NodeName {
        &self.snapshot.metadata.name
    }

    /// A SoC by address.
    pub fn soc(&self, address: PciAddress) -> Option<&'a Soc> {
        self.socs.get(&address).copied()
    }

    /// Every SoC's address, in order.
    pub fn addresses(&self) -> impl Iterator<Item = PciAddress> + '_ {
        self.socs.keys().copied()
    }

    /// The policy that governs a SoC.
    pub fn policy(&self, soc: PciAddress) -> Option<&'a Policy> {
        self.selection.governing.get(&soc).copied()
    }

    /// A SoC by all three of its names; `None` where it is not there.
    pub fn identity(&self, soc: PciAddress) -> Option<SocIdentity> {
        self.soc(soc).map(identity)
    }

    /// Size of a SoC's BAR 4 in KiB, 0 where it decodes nothing; where its BARs are not known, what could not be read and why.
    pub fn bar4_kib(&self, soc: PciAddress) -> Result<u64, String> {
        let Some(function) = self.topology.function(soc) else {
            return Err("it is not on the bus".into());
        };
        if let Some(why) = function.bars.unknown {
            return Err(format!("{}: {why:?}", function.bars.source));
        }
        Ok(function.bar(BAR4).map_or(0, |bar| bar.size_kib))
    }

    /// Whether a SoC's BAR 4 was given no addresses, so that nobody reaches it whatever its size.
    pub fn has_no_place(&self, soc: PciAddress) -> bool {
        let function = self.topology.function(soc);
        let bar = function.and_then(|function| function.bar(BAR4));
        bar.is_some_and(|bar| bar.unassigned)
    }

    /// Whether a SoC's BAR 4 is known to be large enough for P2P, and somewhere.
    pub fn has_p2p_bar(&self, soc: PciAddress) -> bool {
        self.bar4_kib(soc).is_ok_and(|kib| kib >= P2P_BAR_KIB) && !self.has_no_place(soc)
    }
}

/// A snapshot as decisions are made by it: in order, and with ports named that an older version of the probe could not.
pub(crate) fn read(snapshot: &HardwareSnapshot) -> HardwareSnapshot {
    let mut read = in_order(snapshot);
    told_by_place(&mut read.functions);
    read
}

/// The same snapshot with every list in its documented order, so that no input order shows in a plan.
pub fn in_order(snapshot: &HardwareSnapshot) -> HardwareSnapshot {
    let mut ordered = snapshot.clone();
    ordered.functions.sort_by_key(|function| function.address);
    ordered.socs.sort_by_key(|soc| soc.address);
    if let Some(prerequisites) = &mut ordered.prerequisites {
        prerequisites.socs.sort_by_key(|soc| soc.address);
    }
    ordered.programs.sort_by(|a, b| a.key.cmp(&b.key));
    ordered.workers.sort_by(|a, b| a.id.cmp(&b.id));
    ordered.holders.sort();
    ordered.unread.sort();
    ordered
        .ledger
        .entries
        .sort_by(|a, b| a.target.cmp(&b.target));
    ordered.ledger.identities.sort();
    ordered.ledger.groups.sort_by(|a, b| a.group.cmp(&b.group));
    ordered.ledger.lost.sort();
    ordered
}

/// The boot that volatile facts belong to; empty where it is unknown, so that unknown equals unknown.
pub fn boot_id(snapshot: &HardwareSnapshot) -> BootId {
    let known = snapshot.boot_id.get().cloned();
    known.unwrap_or_else(|| BootId(String::new()))
}

/// Whether the machine is known to have booted since `boot`: where the one or the other is not known, neither is that.
pub(crate) fn is_rebooted(boot: &BootId, snapshot: &HardwareSnapshot) -> bool {
    let now = snapshot.boot_id.get();
    now.is_some_and(|now| !boot.0.is_empty() && now != boot)
}
