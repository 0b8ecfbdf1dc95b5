//! Which of the SoCs that would do is the better member of a new set.
use crd::{id::PciAddress, snapshot::SocStatus};

use crate::{judge::foreign_holders, view::View};

/// SoCs that are Ready and nobody's first, then by address.
pub(super) fn preferred(view: &View<'_>, mut socs: Vec<PciAddress>) -> Vec<PciAddress> {
    socs.sort_by_key(|soc| (!is_ready(view, *soc), serves(view, *soc), *soc));
    socs
}

/// How many of these cannot be used now, and on how many a worker of ours would have to stop.
pub(super) fn trouble(view: &View<'_>, socs: &[PciAddress]) -> (usize, usize) {
    let unready = socs.iter().filter(|soc| !is_ready(view, **soc));
    let serving = socs.iter().filter(|soc| serves(view, **soc));
    (unready.count(), serving.count())
}

/// Whether a worker of ours runs on a SoC.
fn serves(view: &View<'_>, soc: PciAddress) -> bool {
    let mut workers = view.snapshot.workers.iter();
    workers.any(|worker| worker.socs.contains(&soc))
}

/// Whether nothing is known to stand against using a SoC now: state, partitioning, the word of its port, holders.
pub(super) fn is_ready(view: &View<'_>, soc: PciAddress) -> bool {
    let usable = view.soc(soc).is_some_and(|found| {
        found.status.get() == Some(&SocStatus::Ready) && found.mdp.get().is_some()
    });
    let port = view
        .topology
        .function(soc)
        .and_then(|function| function.parent);
    let known = port
        .and_then(|port| view.topology.function(port))
        .is_some_and(|port| port.acs.get().is_some());
    usable && known && foreign_holders(soc, view.snapshot).is_empty()
}
