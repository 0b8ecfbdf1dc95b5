//! Which declared replicas have no place before card work of the plan makes one. That work does not wait for them: the set
//! that a second replica needs may be cut from the SoCs that the first one holds.
use std::collections::{BTreeMap, BTreeSet};

use crd::id::{NodeName, ObjectRef, PciAddress, WorkerId};

use super::{replicas::Replicas, work::NodeWork};
use crate::placement::Placed;

/// What another attempt has to know of the models for whose replicas card work waits; empty where this one stands.
///
/// The first attempt finds those that neither run nor have a place. The next stands by them as long as the work it then
/// plans makes places for replicas of theirs; where it makes none, they count as missing, as everywhere.
pub(super) fn unhoused(
    replicas: &[Replicas<'_>],
    placed: &[Placed<'_>],
    works: &[NodeWork],
    waits: &BTreeMap<ObjectRef, usize>,
) -> BTreeMap<ObjectRef, BTreeSet<WorkerId>> {
    let mut again = BTreeMap::new();
    for model in replicas {
        let object = &model.model.object;
        let found = match &model.unhoused {
            None if waits.contains_key(object) => Some(homeless(model, placed)),
            None => None,
            Some(known) => {
                let left = made_room_for(model, known, placed, works);
                (left != *known).then_some(left)
            }
        };
        // In a first attempt, none is what is known anyway.
        let tells = |found: &BTreeSet<WorkerId>| model.unhoused.is_some() || !found.is_empty();
        again.extend(found.filter(tells).map(|found| (object.clone(), found)));
    }
    again
}

/// How many declared replicas, beside those that card work houses, neither run nor have a place.
pub(super) fn without_a_place(model: &Replicas<'_>, placed: &[Placed<'_>]) -> usize {
    let housed = model.unhoused.as_ref();
    let homeless = homeless(model, placed);
    let left = homeless
        .iter()
        .filter(|id| housed.is_none_or(|housed| !housed.contains(*id)));
    left.count()
}

/// Of a model's replicas without a place, how many run on: those whose SoCs no card work frees.
pub(super) fn left(model: &ObjectRef, placed: &[Placed<'_>], works: &[NodeWork]) -> String {
    let remain = (placed.iter()).filter(|one| one.remains && one.model.object == *model);
    match remain
        .filter(|one| !frees(works, &one.node, &one.socs))
        .count()
    {
        0 => String::new(),
        on => format!("; {on} that run are left as they are"),
    }
}

/// Whether card work frees one of these SoCs first.
fn frees(works: &[NodeWork], node: &NodeName, socs: &[PciAddress]) -> bool {
    let mut there = works.iter().filter(|work| work.node == *node);
    there.any(|work| socs.iter().any(|soc| work.drained.contains(soc)))
}

/// Declared replicas that neither run nor have a place.
fn homeless(model: &Replicas<'_>, placed: &[Placed<'_>]) -> BTreeSet<WorkerId> {
    let declared = model.declared.iter();
    declared
        .filter(|id| !model.running.contains_key(*id))
        .filter(|id| !placed.iter().any(|placed| placed.id == **id))
        .cloned()
        .collect()
}

/// Of these, those that found no place besides, if what is freed houses any replica of the model anew: each that moves
/// there makes room, or comes to where the next work makes some.
fn made_room_for(
    model: &Replicas<'_>,
    known: &BTreeSet<WorkerId>,
    placed: &[Placed<'_>],
    works: &[NodeWork],
) -> BTreeSet<WorkerId> {
    let freed = |node: &NodeName, socs: &[PciAddress]| frees(works, node, socs);
    let serving = model.serving();
    // One that serves on elsewhere has to wait for its turn, and may have none.
    let comes = |placed: &Placed<'_>| {
        model.running.get(&placed.id).is_none_or(|running| {
            let moves = running.socs != placed.socs || running.node != placed.node;
            let idle = !serving.contains(&placed.id) || freed(&running.node, &running.socs);
            moves && idle
        })
    };
    let mut own = (placed.iter()).filter(|placed| model.declared.contains(&placed.id));
    if !own.any(|placed| freed(&placed.node, &placed.socs) && comes(placed)) {
        return BTreeSet::new();
    }
    let besides = |id: &&WorkerId| {
        let mut placed = placed.iter();
        placed.any(|placed| placed.id == **id && !freed(&placed.node, &placed.socs))
    };
    known.iter().filter(|id| !besides(id)).cloned().collect()
}
