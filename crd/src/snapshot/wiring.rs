//! What a silent port is: told by where it stands, as its own registers do not say.
use std::collections::BTreeSet;

use super::{PciFunction, PortKind};
use crate::id::PciAddress;

/// Names ports whose registers could not be read by where they stand: on a switch's inner bus there are downstream ports
/// alone, and nothing but an upstream port leads there (PCI Express Base Specification, "Switch"). A port that went silent
/// would otherwise seem to be no part of its switch, and the others to part nobody.
///
/// A probe does it, and so does whoever reads a snapshot that another version of the probe made. What no neighbour tells of
/// stays a [`PortKind::Bridge`] without a known ACS: nobody knows what it is.
pub fn told_by_place(functions: &mut [PciFunction]) {
    for function in &mut *functions {
        let silent = function.acs.get().is_none();
        if silent && function.port.is_none() && function.class.starts_with("0x0604") {
            function.port = Some(PortKind::Bridge);
        }
    }
    let above = parents_of(functions, PortKind::SwitchDownstream);
    for function in functions.iter_mut().filter(|function| is_unknown(function)) {
        if above.contains(&function.address) {
            function.port = Some(PortKind::SwitchUpstream);
        }
    }
    let upstream: BTreeSet<PciAddress> = functions
        .iter()
        .filter(|function| function.port == Some(PortKind::SwitchUpstream))
        .map(|function| function.address)
        .collect();
    for function in functions.iter_mut().filter(|function| is_unknown(function)) {
        let parent = function.parent;
        if parent.is_some_and(|parent| upstream.contains(&parent)) {
            function.port = Some(PortKind::SwitchDownstream);
        }
    }
}

fn parents_of(functions: &[PciFunction], kind: PortKind) -> BTreeSet<PciAddress> {
    let of = functions
        .iter()
        .filter(|function| function.port == Some(kind));
    of.filter_map(|function| function.parent).collect()
}

fn is_unknown(function: &PciFunction) -> bool {
    function.port == Some(PortKind::Bridge) && function.acs.get().is_none()
}
