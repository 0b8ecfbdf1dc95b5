//! The PCI tree of one node, and where the paths of two functions part.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{PciAddress, Word},
    snapshot::{Acs, HardwareSnapshot, PciFunction, PortKind, SocIdentity},
};

/// The PCI tree of one node.
#[derive(Clone, Debug)]
pub struct Topology<'a> {
    functions: BTreeMap<PciAddress, &'a PciFunction>,
    /// Each function with the bridges above it, from itself to its root; absent where the tree is broken.
    lines: BTreeMap<PciAddress, Vec<&'a PciFunction>>,
    snapshot: &'a HardwareSnapshot,
}

/// Where the paths of two functions part, when that is inside a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Upstream port of the lowest common switch.
    pub switch: PciAddress,
    /// The downstream port that leads to the first function.
    pub first: PciAddress,
    /// The downstream port that leads to the second.
    pub second: PciAddress,
}

/// Why two functions have no common switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// Nothing but root ports lies above both: traffic goes through the CPU.
    DifferentRoots,
    /// The lowest bridge above both is this one, and it is not a switch's upstream port.
    NotASwitch(PciAddress),
    /// A function is not in the tree, or the tree is broken above it.
    Unplaced(PciAddress),
}

impl<'a> Topology<'a> {
    /// The tree of a snapshot.
    pub fn of(snapshot: &'a HardwareSnapshot) -> Self {
        let functions: BTreeMap<PciAddress, &PciFunction> =
            snapshot.functions.iter().map(|f| (f.address, f)).collect();
        let lines = functions
            .keys()
            .filter_map(|address| Some((*address, line(&functions, *address)?)))
            .collect();
        Self {
            functions,
            lines,
            snapshot,
        }
    }

    /// The snapshot that it is the tree of.
    pub fn snapshot(&self) -> &'a HardwareSnapshot {
        self.snapshot
    }

    /// A function by address.
    pub fn function(&self, address: PciAddress) -> Option<&'a PciFunction> {
        self.functions.get(&address).copied()
    }

    /// Every function, ordered by address.
    pub fn functions(&self) -> impl Iterator<Item = &'a PciFunction> + '_ {
        self.functions.values().copied()
    }

    /// The function and the bridges above it, from itself to its root; `None` where a parent is missing or loops.
    pub fn ancestry(&self, address: PciAddress) -> Option<&[&'a PciFunction]> {
        self.lines.get(&address).map(Vec::as_slice)
    }

    /// The bridge above a function, near or far, that is not in the tree.
    pub fn missing_above(&self, address: PciAddress) -> Option<PciAddress> {
        let mut function = self.function(address)?;
        // No way up is longer than all functions; bridges that claim each other as parents end it.
        for _ in 0..self.functions.len() {
            let parent = function.parent?;
            match self.function(parent) {
                Some(above) => function = above,
                None => return Some(parent),
            }
        }
        None
    }

    /// Whether `below` lies below `port`, or is it.
    pub fn is_below(&self, below: PciAddress, port: PciAddress) -> bool {
        self.ancestry(below)
            .is_some_and(|line| line.iter().any(|function| function.address == port))
    }

    /// Where the paths of two different functions part.
    pub fn parting(&self, first: PciAddress, second: PciAddress) -> Result<Parting, Apart> {
        let a = self.ancestry(first).ok_or(Apart::Unplaced(first))?;
        let b = self.ancestry(second).ok_or(Apart::Unplaced(second))?;
        let shared = a
            .iter()
            .rev()
            .zip(b.iter().rev())
            .take_while(|(x, y)| x.address == y.address)
            .count();
        let Some(switch) = shared.checked_sub(1).map(|last| a[a.len() - 1 - last]) else {
            return Err(Apart::DifferentRoots);
        };
        let below = |line: &[&PciFunction]| {
            let at = line.len().checked_sub(shared + 1)?;
            (line[at].port == Some(PortKind::SwitchDownstream)).then_some(line[at].address)
        };
        match (switch.port, below(a), below(b)) {
            (Some(PortKind::SwitchUpstream), Some(first), Some(second)) => Ok(Parting {
                switch: switch.address,
                first,
                second,
            }),
            _ => Err(Apart::NotASwitch(switch.address)),
        }
    }

    /// The divergence ports of a set: for every pair, the two ports just below its lowest common switch.
    pub fn divergence(
        &self,
        members: &[PciAddress],
    ) -> Result<BTreeSet<PciAddress>, (PciAddress, PciAddress, Apart)> {
        let mut ports = BTreeSet::new();
        for (index, &first) in members.iter().enumerate() {
            for &second in &members[index + 1..] {
                let parting = self
                    .parting(first, second)
                    .map_err(|apart| (first, second, apart))?;
                ports.extend([parting.first, parting.second]);
            }
        }
        Ok(ports)
    }

    /// The divergence ports of a set as it was recorded, those of pairs with a common switch. A member that is gone counts
    /// at the deepest bridge that is left of its path: that is where its way parts from the others'.
    pub fn recorded_divergence(&self, members: &[SocIdentity]) -> BTreeSet<PciAddress> {
        let places: BTreeSet<PciAddress> = members
            .iter()
            .filter_map(|member| self.place_of(member))
            .collect();
        let pairs = places.iter().flat_map(|first| {
            places
                .range(first..)
                .skip(1)
                .map(|second| (*first, *second))
        });
        pairs
            .filter_map(|(first, second)| self.parting(first, second).ok())
            .flat_map(|parting| [parting.first, parting.second])
            .collect()
    }

    fn place_of(&self, soc: &SocIdentity) -> Option<PciAddress> {
        if self.functions.contains_key(&soc.address) {
            return Some(soc.address);
        }
        let above = |function: &&&PciFunction| {
            let rest = soc.path.0.strip_prefix(function.path.0.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let left = self.functions.values().filter(above);
        left.max_by_key(|function| function.path.0.len())
            .map(|function| function.address)
    }

    /// The known ACS control words of a set's divergence ports, ordered by port. Ports without ACS have none.
    pub fn words(&self, members: &[PciAddress]) -> Vec<(PciAddress, Word)> {
        self.divergence(members)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|port| match self.function(port)?.acs.get()? {
                Acs::None => None,
                Acs::Present { control, .. } => Some((port, *control)),
            })
            .collect()
    }

    /// The upstream port of the topmost switch above a function: its switch domain. `None` where there is none.
    pub fn domain(&self, address: PciAddress) -> Option<PciAddress> {
        let line = self.ancestry(address)?;
        line.iter()
            .rev()
            .find(|function| function.port == Some(PortKind::SwitchUpstream))
            .map(|function| function.address)
    }
}

/// The way up from a function; bridges that claim each other as parents end it.
fn line<'a>(
    functions: &BTreeMap<PciAddress, &'a PciFunction>,
    address: PciAddress,
) -> Option<Vec<&'a PciFunction>> {
    let mut line = vec![*functions.get(&address)?];
    while let Some(parent) = line.last().and_then(|function| function.parent) {
        if line.iter().any(|seen| seen.address == parent) {
            return None;
        }
        line.push(functions.get(&parent)?);
    }
    Some(line)
}
