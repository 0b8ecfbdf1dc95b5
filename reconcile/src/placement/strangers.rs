//! Devices that are no members and would lose isolation to a set.
use std::collections::BTreeSet;

use crd::{
    declaration::Declared,
    id::{PciAddress, Word},
    kind::{P2PGroupSpec, UntrustedNeighbours},
    snapshot::Acs,
    step::ACS_REDIRECT_MASK,
};

use crate::{
    isolation::{self, Words},
    view::View,
};

/// Whether untrusted neighbours may lose isolation to these members: the stricter of the rules that are stated; refused
/// where none is.
pub fn allows_neighbours(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    members: &[PciAddress],
) -> bool {
    let own = group.spec.isolation.as_ref();
    let stated: BTreeSet<UntrustedNeighbours> = members
        .iter()
        .filter_map(|soc| view.policy(*soc)?.spec.acs.as_ref()?.untrusted_neighbours)
        .chain(own.map(|rule| rule.untrusted_neighbours))
        .collect();
    stated.contains(&UntrustedNeighbours::Allow) && !stated.contains(&UntrustedNeighbours::Refuse)
}

/// Whether forming this set would take isolation from somebody from whom no rule lets it be taken.
pub(super) fn disturbs(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    members: &[PciAddress],
) -> bool {
    let topology = &view.topology;
    let untrusted = |function: &PciAddress| isolation::is_untrusted(topology, *function);
    let anybody = topology
        .functions()
        .any(|function| function.port.is_none() && untrusted(&function.address));
    if !anybody || allows_neighbours(view, group, members) {
        return false;
    }
    let ports = topology.divergence(members).unwrap_or_default();
    let relaxed: Words = ports
        .into_iter()
        .filter_map(|port| match topology.function(port)?.acs.get()? {
            Acs::Present { control, .. } if control.0 & ACS_REDIRECT_MASK != 0 => {
                Some((port, Word(control.0 & !ACS_REDIRECT_MASK)))
            }
            Acs::Present { .. } | Acs::None => None,
        })
        .collect();
    relaxed.keys().any(|port| {
        let mut joined = isolation::joined(topology, &relaxed, *port).into_iter();
        joined.any(|function| !members.contains(&function) && untrusted(&function))
    })
}
