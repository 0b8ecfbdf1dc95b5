//! What reaches what: the PCI tree, switch domains, cards, and the ports at which two SoCs' paths part.
mod cards;
mod tree;

use crd::{
    id::PciAddress,
    snapshot::{HardwareSnapshot, Soc, SocIdentity},
};

pub use cards::{Card, SOCS_PER_CARD};
pub use tree::{Apart, Parting, Topology};

/// A SoC by all three of its names.
pub fn identity(soc: &Soc) -> SocIdentity {
    SocIdentity {
        address: soc.address,
        path: soc.path.clone(),
        serial: soc.serial.get().cloned(),
    }
}

/// Whether every one of these SoCs is known to have multi-device partitioning on.
pub fn all_mdp(socs: &[PciAddress], snapshot: &HardwareSnapshot) -> bool {
    socs.iter().all(|address| {
        let soc = snapshot.socs.iter().find(|soc| soc.address == *address);
        soc.is_some_and(|soc| soc.mdp.get() == Some(&true))
    })
}
