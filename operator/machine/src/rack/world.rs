//! A server's PCIe tree of one boot: every function with its path, address and nature, and how they hang together.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{MhiSerial, PciAddress, PciPath, Word},
    kind::rack::{Sku, SocState},
    snapshot::{Acs, PciFunction, PortKind, Soc, SocPrerequisites},
};

/// One function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) path: PciPath,
    pub(crate) address: PciAddress,
    pub(crate) parent: Option<usize>,
    pub(crate) vendor: Word,
    pub(crate) device: Word,
    pub(crate) class: u32,
    /// Driver bound at boot; absent for none.
    pub(crate) driver: Option<String>,
    pub(crate) nature: Nature,
    /// What a recording shows of it; absent for what a file builds.
    pub(crate) shown: Option<Box<Shown>>,
}

/// What a recording shows of a function, where a built one shows what its kind has.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) function: PciFunction,
    pub(crate) soc: Option<Soc>,
    pub(crate) asked: Option<SocPrerequisites>,
    /// Whether somebody held it.
    pub(crate) held: bool,
}

impl Function {
    /// The SoC that a recording shows here.
    pub(crate) fn recorded_soc(&self) -> Option<&Soc> {
        self.shown.as_ref()?.soc.as_ref()
    }

    /// Where the ACS stands that a recording shows here, and its capability word.
    pub(crate) fn recorded_acs(&self) -> Option<(usize, Word)> {
        match self.shown.as_ref()?.function.acs.get()? {
            Acs::None => None,
            Acs::Present {
                offset, capability, ..
            } => Some((usize::from(*offset), *capability)),
        }
    }
}

/// What a function is.
#[derive(Clone, Debug)]
pub(crate) enum Nature {
    Port(Port),
    Soc(SocPart),
    Other,
}

/// A bridge function.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) kind: PortKind,
    /// Zero where the port has no ACS.
    pub(crate) acs_capability: Word,
    /// The control word that stands after a boot.
    pub(crate) acs_at_boot: Word,
    /// The control word that the file gives for the first boot.
    pub(crate) acs_now: Option<Word>,
    pub(crate) secondary: u8,
    pub(crate) subordinate: u8,
    /// Whether it belongs to a card's own switch.
    pub(crate) on_card: bool,
}

/// A SoC as built.
#[derive(Clone, Debug)]
pub(crate) struct SocPart {
    pub(crate) serial: MhiSerial,
    pub(crate) board_serial: String,
    pub(crate) sku: Sku,
    pub(crate) cores: u32,
    pub(crate) dram_mib: u32,
    pub(crate) bar4_kib: u64,
    pub(crate) mdp: bool,
    pub(crate) state: SocState,
}

/// The tree of one boot.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) functions: Vec<Function>,
    pub(crate) by_address: BTreeMap<PciAddress, usize>,
    pub(crate) by_path: BTreeMap<PciPath, usize>,
    /// Cards that the file leaves out of their slots.
    pub(crate) absent: BTreeSet<PciPath>,
    /// IOMMU group of each function, as the kernel computed it at the boot.
    pub(crate) groups: BTreeMap<usize, u32>,
}

impl World {
    /// The functions from this one up to its root port, itself first.
    pub(crate) fn upward(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(index), |&at| self.functions[at].parent)
    }

    /// Functions right below this one.
    pub(crate) fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.functions.len()).filter(move |&at| self.functions[at].parent == Some(index))
    }

    pub(crate) fn is_soc(&self, index: usize) -> bool {
        match &self.functions[index].nature {
            Nature::Soc(_) => true,
            Nature::Port(_) | Nature::Other => false,
        }
    }

    /// Serials of every SoC.
    pub(crate) fn serials(&self) -> impl Iterator<Item = &str> {
        self.functions
            .iter()
            .filter_map(|function| match &function.nature {
                Nature::Soc(soc) => Some(soc.serial.as_str()),
                Nature::Port(_) | Nature::Other => None,
            })
    }

    /// The two ports just below the lowest switch common to two functions; none where only a root port, or nothing, is common.
    pub(crate) fn divergence(&self, one: usize, other: usize) -> Option<(usize, usize)> {
        let mut left: Vec<usize> = self.upward(one).collect();
        let mut right: Vec<usize> = self.upward(other).collect();
        left.reverse();
        right.reverse();
        let common = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
        let meeting = *left.get(common.checked_sub(1)?)?;
        let Nature::Port(port) = &self.functions[meeting].nature else {
            return None;
        };
        if port.kind != PortKind::SwitchUpstream {
            return None;
        }
        Some((*left.get(common)?, *right.get(common)?))
    }
}
