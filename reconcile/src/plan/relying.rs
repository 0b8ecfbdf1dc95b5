//! Whose work relies on ports whose isolation comes back: it stops first.
use std::collections::BTreeSet;

use crd::{
    id::PciAddress,
    snapshot::{PresentWorker, SocIdentity},
};

use super::unit::Restore;
use crate::{judge::foreign_holders, view::View};

/// SoCs of every set in the ledger that relies on one of these ports: sets that followed one another can share them.
pub(super) fn relying(view: &View<'_>, undone: &[Restore]) -> BTreeSet<PciAddress> {
    let sets = view.snapshot.ledger.groups.iter();
    sets.filter(|record| {
        let ports = view.topology.recorded_divergence(&record.members);
        undone
            .iter()
            .any(|restore| ports.contains(&restore.port.address))
    })
    .flat_map(|record| stoppable(view, &record.members))
    .collect()
}

/// Of these, those on which work may cross a port that is restored: all but those of workers whose own SoCs reach each other
/// below it. A set that was split goes on serving on its parts.
pub(super) fn crossing(
    view: &View<'_>,
    mut socs: BTreeSet<PciAddress>,
    undone: &[Restore],
) -> BTreeSet<PciAddress> {
    let crosses = |worker: &PresentWorker| {
        let ports = view.topology.divergence(&worker.socs);
        ports.map_or(true, |ports| {
            let mut undone = undone.iter();
            undone.any(|restore| ports.contains(&restore.port.address))
        })
    };
    socs.retain(|soc| {
        let workers = view.snapshot.workers.iter();
        let mut here = workers
            .filter(|worker| worker.socs.contains(soc))
            .peekable();
        here.peek().is_none() || here.any(crosses)
    });
    socs
}

/// Those whose work can be stopped. A foreign holder is not stopped, and does not keep isolation from coming back.
pub(super) fn stoppable(view: &View<'_>, members: &[SocIdentity]) -> Vec<PciAddress> {
    let ours = |soc: &PciAddress| {
        view.soc(*soc).is_some() && foreign_holders(*soc, view.snapshot).is_empty()
    };
    let members = members.iter().map(|member| member.address);
    members.filter(ours).collect()
}
