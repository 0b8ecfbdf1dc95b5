//! The machine that is looked at, and which of its SoCs are meant to reach each other.
use std::collections::BTreeSet;

use crd::{
    declaration::{Declaration, Declared},
    id::PciAddress,
    kind::P2PGroupSpec,
    snapshot::{HardwareSnapshot, PortKind, Prerequisites, Soc},
};

use super::{seen::Seen, would::Would};
use crate::{placement::place, topology::Topology, view::View};

/// One machine under examination.
pub(super) struct Patient<'a> {
    pub(super) snapshot: &'a HardwareSnapshot,
    pub(super) topology: Topology<'a>,
    pub(super) declaration: Option<&'a Declaration>,
    /// What is meant to reach each other, and who says so.
    pub(super) meant: Meant,
    /// What would be done for that.
    pub(super) would: Would,
}

/// Sets of SoCs that are meant to reach each other directly.
pub(super) struct Meant {
    pub(super) by: MeantBy,
    /// Two SoCs or more each.
    pub(super) sets: Vec<Vec<PciAddress>>,
}

/// Who says what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MeantBy {
    /// Declared groups.
    Declaration,
    /// Groups that the ledger records.
    Ledger,
    /// Nobody: all that could.
    Nobody,
}

impl<'a> Patient<'a> {
    pub(super) fn of(snapshot: &'a HardwareSnapshot, declaration: Option<&'a Declaration>) -> Self {
        let topology = Topology::of(snapshot);
        let meant = meant(snapshot, &topology, declaration);
        let would = Would::of(snapshot, &topology, declaration, &meant.sets);
        Self {
            snapshot,
            topology,
            declaration,
            meant,
            would,
        }
    }

    /// Something of every SoC.
    pub(super) fn each(&self, look: impl Fn(&'a Soc) -> Option<Seen>) -> Vec<Seen> {
        let seen = |soc: &'a Soc| Some(look(soc)?.at(soc.address));
        self.snapshot.socs.iter().filter_map(seen).collect()
    }

    /// Something of the prerequisites, where they were looked at.
    pub(super) fn asked(&self, look: impl FnOnce(&'a Prerequisites) -> Vec<Seen>) -> Vec<Seen> {
        match &self.snapshot.prerequisites {
            Some(prerequisites) => look(prerequisites),
            None => vec![Seen::unrecorded()],
        }
    }

    /// SoCs that somebody means to use together; where nobody says, all.
    pub(super) fn is_meant(&self, soc: PciAddress) -> bool {
        match self.meant.by {
            MeantBy::Nobody => true,
            MeantBy::Declaration | MeantBy::Ledger => {
                self.meant.sets.iter().any(|set| set.contains(&soc))
            }
        }
    }

    /// Whether that is a bridge of which it could not be read whether it is a switch's port.
    pub(super) fn is_unread(&self, bridge: PciAddress) -> bool {
        let function = self.topology.function(bridge);
        function.is_some_and(|f| f.port == Some(PortKind::Bridge) && f.acs.get().is_none())
    }

    /// What is said where it is not known of every SoC which card it is on: a bridge above one was not read, or is gone.
    pub(super) fn unplaced(&self) -> Option<Seen> {
        let mut unread = None;
        for soc in &self.snapshot.socs {
            let Some(line) = self.topology.ancestry(soc.address) else {
                return Some(Seen::lost());
            };
            if line.iter().any(|function| self.is_unread(function.address)) {
                unread = Some(Seen::unplaced());
            }
        }
        unread
    }

    /// The bound driver of a function.
    pub(super) fn driver(&self, function: PciAddress) -> Option<&'a str> {
        let function = self.topology.function(function)?;
        function.driver.get().map(String::as_str)
    }
}

fn meant(
    snapshot: &HardwareSnapshot,
    topology: &Topology<'_>,
    declaration: Option<&Declaration>,
) -> Meant {
    if let Some(declaration) = declaration {
        let view = View::of(snapshot, declaration);
        let mut groups: Vec<&Declared<P2PGroupSpec>> = declaration.groups.iter().collect();
        groups.sort_by(|a, b| a.object.cmp(&b.object));
        let placed = place(&view, &groups).groups.into_iter();
        return Meant {
            by: MeantBy::Declaration,
            sets: several(placed.map(|placed| placed.members)),
        };
    }
    let recorded = several(snapshot.ledger.groups.iter().map(|record| {
        let members = record.members.iter().map(|member| member.address);
        members.collect()
    }));
    if recorded.is_empty() {
        Meant {
            by: MeantBy::Nobody,
            sets: several(domains(snapshot, topology).into_iter()),
        }
    } else {
        Meant {
            by: MeantBy::Ledger,
            sets: recorded,
        }
    }
}

fn several(sets: impl Iterator<Item = Vec<PciAddress>>) -> Vec<Vec<PciAddress>> {
    sets.filter(|set| set.len() > 1).collect()
}

/// SoCs by what they can reach below a switch: each in one set, alone where it reaches none.
pub(super) fn domains(
    snapshot: &HardwareSnapshot,
    topology: &Topology<'_>,
) -> Vec<Vec<PciAddress>> {
    let mut sets: Vec<Vec<PciAddress>> = Vec::new();
    for soc in &snapshot.socs {
        let joins = |set: &Vec<PciAddress>| {
            let reaches = |other: &PciAddress| topology.parting(soc.address, *other).is_ok();
            set.iter().any(reaches)
        };
        match sets.iter_mut().find(|set| joins(set)) {
            Some(set) => set.push(soc.address),
            None => sets.push(vec![soc.address]),
        }
    }
    sets
}

/// Ports at which paths of the sets' members part.
pub(super) fn divergence(patient: &Patient<'_>, sets: &[Vec<PciAddress>]) -> BTreeSet<PciAddress> {
    sets.iter()
        .flat_map(|set| patient.topology.divergence(set).unwrap_or_default())
        .collect()
}
