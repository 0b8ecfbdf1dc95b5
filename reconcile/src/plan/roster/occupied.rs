//! Who of the replicas is to run on SoCs that another worker has and does not leave: whoever is to come after it waits, and what
//! runs of it goes on.
use std::collections::BTreeMap;

use crd::{
    id::{NodeName, PciAddress, WorkerId},
    step::Action,
};

use super::{super::replicas::Running, NodeWork, Role};

/// Replicas with worker steps that have to wait, each with the worker that stays where it is to run.
pub(super) fn held(roles: &[Role<'_>], works: &[NodeWork]) -> BTreeMap<WorkerId, WorkerId> {
    let mut held = BTreeMap::new();
    for work in works.iter().filter(|work| work.enforced) {
        for step in &work.steps {
            let (Action::StartWorker { worker } | Action::ReplaceWorker { worker }) = &step.action
            else {
                continue;
            };
            // What has no turn of its own waits for that, and not for who is where.
            let mut own = roles.iter();
            if own.any(|role| has_no_turn(role, &worker.id)) {
                continue;
            }
            let wanted = (&work.node, worker.socs.as_slice());
            let holder = running(roles).find(|(_, id, running)| {
                **id != worker.id && running.node == work.node && meet(&running.socs, &worker.socs)
            });
            if let Some((role, id, there)) = holder
                && !leaves((role, id, there), works, wanted)
            {
                held.insert(worker.id.clone(), id.clone());
            }
        }
    }
    held
}

fn running<'r, 'a>(
    roles: &'r [Role<'a>],
) -> impl Iterator<Item = (&'r Role<'a>, &'r WorkerId, &'r Running)> {
    roles.iter().flat_map(|role| {
        let running = role.replicas.running.iter();
        running.map(move |(id, running)| (role, id, running))
    })
}

fn meet(one: &[PciAddress], other: &[PciAddress]) -> bool {
    one.iter().any(|soc| other.contains(soc))
}

/// Whether a running worker is off these SoCs once this plan is carried out.
fn leaves(
    (role, id, there): (&Role<'_>, &WorkerId, &Running),
    works: &[NodeWork],
    (node, wanted): (&NodeName, &[PciAddress]),
) -> bool {
    let mut here = works.iter().filter(|work| work.node == *node);
    let Some(work) = here.next() else {
        return false;
    };
    // Card work stops it, whatever becomes of it.
    if there.socs.iter().any(|soc| work.drained.contains(soc)) {
        return true;
    }
    if *id == role.replicas.surplus && role.turns.surplus_stops.is_some() {
        return true;
    }
    let goes = work.steps.iter().any(|step| match &step.action {
        Action::StopWorker { worker } => worker == id,
        Action::ReplaceWorker { worker } => worker.id == *id && !meet(&worker.socs, wanted),
        _ => false,
    });
    goes && !has_no_turn(role, id)
}

fn has_no_turn(role: &Role<'_>, id: &WorkerId) -> bool {
    role.turns.waiting.contains(id) || role.turns.shut_out.contains(id)
}
