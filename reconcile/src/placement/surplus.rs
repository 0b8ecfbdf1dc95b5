//! The place of one replica more than is declared, which serves while another is stopped.
use std::collections::BTreeSet;

use crd::{
    declaration::{Declaration, Declared},
    id::{GroupId, WorkerId},
    kind::ShardedModelSpec,
};

use super::{
    models::{House, Placed, Seat, Want, needs_group, surplus_id},
    served::program,
};

/// Places one replica more than is declared: where it runs already, or on what no other replica is on or leaves.
pub fn place_surplus<'a>(
    declaration: &'a Declaration,
    houses: &[House<'_>],
    placed: &[Placed<'a>],
    model: &'a Declared<ShardedModelSpec>,
) -> Option<Placed<'a>> {
    let program = program(declaration, model).ok()?;
    // By SoCs: a set that was formed anew may have the name of another one.
    let is_left = |house: &House<'_>, seat: &Seat| {
        let own = |id: &WorkerId| placed.iter().any(|placed| placed.id == *id);
        let mut running = house.workers.iter().filter(|worker| own(&worker.id));
        running.any(|worker| worker.socs.iter().any(|soc| seat.members.contains(soc)))
    };
    let left = houses.iter().flat_map(|house| {
        let seats = house.seats.iter().filter(move |seat| is_left(house, seat));
        seats.map(|seat| seat.group.clone())
    });
    let taken = placed.iter().filter_map(|placed| placed.group.clone());
    let mut taken: BTreeSet<GroupId> = taken.chain(left).collect();
    let want = Want {
        id: surplus_id(&model.object),
        model,
        replica: model.spec.replicas,
        grouped: needs_group(declaration, &model.spec, &program),
        program,
        models: &declaration.models,
    };
    want.stay(houses, &mut taken)
        .or_else(|| want.settle(houses, &mut taken, placed).ok())
}
