//! Which replica of which model runs on which group or node; running replicas stay where they are while they can.
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crd::{
    declaration::{Declaration, Declared},
    id::{GroupId, NodeName, ObjectRef, PciAddress, WorkerId},
    kind::{Connectivity, ShardedModelSpec, Target},
    plan::ReportReason,
    program::ProgramRequest,
    snapshot::PresentWorker,
};

use super::{Obstacle, numbers, served::program};

/// One group as models see it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Which.
    pub group: GroupId,
    /// Its members, rank 0 first.
    pub members: Vec<PciAddress>,
    /// Whether it is or will be usable.
    pub fits: bool,
    /// Whether all of its members are there: a running replica stays on a group that is merely blocked.
    pub whole: bool,
}

/// One node as models see it.
#[derive(Clone, Debug)]
pub struct House<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// Whether a policy selects it.
    pub governed: bool,
    /// Whether nothing on it is to be touched.
    pub sealed: bool,
    /// Whether it can build for the CPU target.
    pub has_worker: bool,
    /// SoCs that are there.
    pub socs: Vec<PciAddress>,
    /// Its groups, ordered by id.
    pub seats: Vec<Seat>,
    /// Its workers, ordered by id.
    pub workers: &'a [PresentWorker],
}

/// One replica with its place.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// Which.
    pub id: WorkerId,
    /// Its model.
    pub model: &'a Declared<ShardedModelSpec>,
    /// Its index, from 0.
    pub replica: u32,
    /// What it serves, its cores and keys not yet filled in.
    pub program: ProgramRequest,
    /// Where.
    pub node: NodeName,
    /// On which group, where it has one.
    pub group: Option<GroupId>,
    /// The SoCs it holds, rank 0 first.
    pub socs: Vec<PciAddress>,
    /// Whether it stays on a group that is blocked: it is left as it is.
    pub frozen: bool,
    /// Whether it has no place as declared, and only stays where it runs.
    pub remains: bool,
}

/// Places every replica of every model (ordered by namespace and name).
pub fn place_models<'a>(
    declaration: &'a Declaration,
    houses: &[House<'_>],
) -> (Vec<Placed<'a>>, Vec<Obstacle>) {
    let mut models: Vec<&Declared<ShardedModelSpec>> = declaration.models.iter().collect();
    models.sort_by(|a, b| a.object.cmp(&b.object));
    let mut placed = Vec::new();
    let mut obstacles = Vec::new();
    let mut taken: BTreeSet<GroupId> = BTreeSet::new();
    let mut wanting = Vec::new();
    for model in models {
        let program = match program(declaration, model) {
            Ok(program) => program,
            Err(obstacle) => {
                obstacles.push(*obstacle);
                continue;
            }
        };
        let running = houses.iter().flat_map(|house| house.workers);
        for replica in numbers(model, running) {
            let want = Want {
                id: worker_id(&model.object, replica),
                model,
                replica,
                grouped: needs_group(declaration, &model.spec, &program),
                program: program.clone(),
                models: &declaration.models,
            };
            match want.stay(houses, &mut taken) {
                Some(stays) => placed.push(stays),
                None => wanting.push(want),
            }
        }
    }
    // Whoever names a group has no other, and more shards find fewer that suit: they come first. The name decides between equals.
    wanting.sort_by_key(|want| {
        let shards = want.program.topology.shards;
        (want.model.spec.group_ref.is_none(), Reverse(shards))
    });
    let mut failed: BTreeMap<&ObjectRef, (u32, Obstacle)> = BTreeMap::new();
    let mut homeless = Vec::new();
    for want in wanting {
        let (model, remains) = (want.model, want.remains(houses));
        match want.settle(houses, &mut taken, &placed) {
            Ok(settled) => placed.push(settled),
            Err(obstacle) => {
                let (count, _) = failed.entry(&model.object).or_insert((0, *obstacle));
                *count += 1;
                homeless.extend(remains);
            }
        }
    }
    // Last: whoever has a place as declared comes first.
    let seats = |node: &NodeName| {
        let mut of = houses.iter().filter(|house| house.node == node);
        of.next().map_or(&[][..], |house| house.seats.as_slice())
    };
    homeless.retain(|remains| {
        let of_another = |seat: &Seat| {
            taken.contains(&seat.group) && seat.members.iter().any(|soc| remains.socs.contains(soc))
        };
        !seats(&remains.node).iter().any(of_another)
    });
    for (_, (count, obstacle)) in failed {
        obstacles.push(Obstacle {
            message: format!(
                "{count} of its replicas have no place: {}",
                obstacle.message
            ),
            ..obstacle
        });
    }
    placed.extend(homeless);
    placed.sort_by(|a, b| a.id.cmp(&b.id));
    (placed, obstacles)
}

/// `<namespace>/<model>-<index>`.
pub fn worker_id(model: &ObjectRef, replica: u32) -> WorkerId {
    let namespace = model.namespace.as_deref().unwrap_or("default");
    WorkerId(format!("{namespace}/{}-{replica}", model.name))
}

/// `<namespace>/<model>-surplus`: the replica that serves while another is stopped.
pub fn surplus_id(model: &ObjectRef) -> WorkerId {
    let namespace = model.namespace.as_deref().unwrap_or("default");
    WorkerId(format!("{namespace}/{}-surplus", model.name))
}

/// Whether a worker is a replica of a model, its surplus one among them.
pub fn is_of(worker: &WorkerId, model: &ObjectRef) -> bool {
    let number = |whole: &str| whole.rsplit_once('-').and_then(|(_, n)| n.parse().ok());
    *worker == surplus_id(model)
        || number(&worker.0).is_some_and(|replica| *worker == worker_id(model, replica))
}

/// A replica that wants a place.
pub(super) struct Want<'a> {
    pub(super) id: WorkerId,
    pub(super) model: &'a Declared<ShardedModelSpec>,
    pub(super) replica: u32,
    pub(super) grouped: bool,
    pub(super) program: ProgramRequest,
    /// Every model that is declared.
    pub(super) models: &'a [Declared<ShardedModelSpec>],
}

impl<'a> Want<'a> {
    /// Stays where it runs, if that still suits it.
    pub(super) fn stay(
        &self,
        houses: &[House<'_>],
        taken: &mut BTreeSet<GroupId>,
    ) -> Option<Placed<'a>> {
        let (house, worker) = houses
            .iter()
            .filter(|house| house.governed)
            .find_map(|house| Some((house, house.workers.iter().find(|w| w.id == self.id)?)))?;
        if house.sealed {
            return Some(self.at(house, None, true));
        }
        if !self.grouped {
            return worker.group.is_none().then(|| self.at(house, None, false));
        }
        // A set that was formed anew may have the name of another one: it is known by its SoCs.
        let group = worker.group.as_ref()?;
        let has = |seat: &Seat, soc: &PciAddress| seat.members.contains(soc);
        let named =
            |seat: &&Seat| seat.group == *group && worker.socs.iter().any(|soc| has(seat, soc));
        let around = |seat: &&Seat| worker.socs.iter().all(|soc| has(seat, soc));
        let seats = || house.seats.iter();
        let seat = seats().find(named).or_else(|| seats().find(around))?;
        let suits = self.suits(seat) && (seat.fits || seat.whole);
        let free = suits && taken.insert(seat.group.clone());
        free.then(|| self.at(house, Some(seat), !seat.fits))
    }

    /// Where it runs, though that does not suit it any more: with no other place, it is better left there than stopped. Card
    /// work that needs its SoCs frees them all the same.
    fn remains(&self, houses: &[House<'_>]) -> Option<Placed<'a>> {
        let running = |house: &House<'_>| house.workers.iter().find(|w| w.id == self.id).cloned();
        let mut open = houses.iter().filter(|house| house.governed);
        let (house, worker) = open.find_map(|house| Some((house, running(house)?)))?;
        let whole = worker.socs.iter().all(|soc| house.socs.contains(soc));
        whole.then(|| Placed {
            group: worker.group,
            socs: worker.socs,
            remains: true,
            ..self.at(house, None, true)
        })
    }

    /// Takes the smallest free group that suits, or the node with the fewest replicas.
    pub(super) fn settle(
        self,
        houses: &[House<'_>],
        taken: &mut BTreeSet<GroupId>,
        placed: &[Placed<'a>],
    ) -> Result<Placed<'a>, Box<Obstacle>> {
        let open = || {
            houses
                .iter()
                .filter(|house| house.governed && !house.sealed)
        };
        if open().next().is_none() {
            // Nothing is begun there; why not is told of the node, once.
            if let Some(sealed) = houses.iter().find(|house| house.governed) {
                return Ok(self.at(sealed, None, true));
            }
            return Err(self.refuse(
                ReportReason::NotGoverned,
                "no CardPolicy selects a readable node".into(),
                "declare a CardPolicy for the node: without one nothing is done on it",
            ));
        }
        if self.grouped {
            let best = open()
                .flat_map(|house| house.seats.iter().map(move |seat| (house, seat)))
                .filter(|(_, seat)| seat.fits && self.suits(seat) && !taken.contains(&seat.group))
                .min_by_key(|(house, seat)| {
                    // Where nobody else runs nobody has to leave; and whoever starts anew where it is leaves the free set to
                    // a surplus replica.
                    let (own, others): (Vec<_>, Vec<_>) =
                        (house.workers.iter()).partition(|worker| worker.id == self.id);
                    let held = |by: &[&PresentWorker]| {
                        let mut held = by.iter().flat_map(|worker| &worker.socs);
                        held.any(|soc| seat.members.contains(soc))
                    };
                    (
                        held(&others),
                        !held(&own),
                        self.is_anothers(&seat.group),
                        seat.members.len(),
                        house.node,
                        &seat.group,
                    )
                });
            let Some((house, seat)) = best else {
                return Err(self.no_group(houses, taken));
            };
            taken.insert(seat.group.clone());
            return Ok(self.at(house, Some(seat), false));
        }
        let load = |house: &House<'_>| placed.iter().filter(|p| p.node == *house.node).count();
        let able = open().filter(|house| match self.program.target {
            Target::CPU => house.has_worker,
            Target::AI100 => house.socs.len() >= self.program.topology.shards as usize,
        });
        let best = able.min_by_key(|house| (load(house), house.node));
        match (best, self.program.target) {
            (Some(house), _) => Ok(self.at(house, None, false)),
            (None, Target::CPU) => Err(self.refuse(
                ReportReason::CompilerMissing,
                "shardplane-worker was found on no node".into(),
                "put shardplane-worker beside shardplane or on PATH",
            )),
            (None, Target::AI100) => Err(self.refuse(
                ReportReason::NotEnoughSoCs,
                format!("no node has {} SoCs", self.program.topology.shards),
                "declare fewer shards",
            )),
        }
    }

    /// Whether another model names this group, which has no other then.
    fn is_anothers(&self, group: &GroupId) -> bool {
        let names = |model: &Declared<ShardedModelSpec>| {
            let named = model.spec.group_ref.as_ref();
            model.object != self.model.object && named.is_some_and(|name| *name == group.name)
        };
        self.model.spec.group_ref.is_none() && self.models.iter().any(names)
    }

    fn suits(&self, seat: &Seat) -> bool {
        let named = self.model.spec.group_ref.as_ref();
        named.is_none_or(|name| *name == seat.group.name)
            && seat.members.len() >= self.program.topology.shards as usize
    }

    fn at(&self, house: &House<'_>, seat: Option<&Seat>, frozen: bool) -> Placed<'a> {
        let shards = self.program.topology.shards as usize;
        Placed {
            id: self.id.clone(),
            model: self.model,
            replica: self.replica,
            program: self.program.clone(),
            node: house.node.clone(),
            group: seat.map(|seat| seat.group.clone()),
            socs: seat
                .map(|seat| seat.members.iter().copied().take(shards).collect())
                .unwrap_or_default(),
            frozen,
            remains: false,
        }
    }

    fn no_group(&self, houses: &[House<'_>], taken: &BTreeSet<GroupId>) -> Box<Obstacle> {
        let shards = self.program.topology.shards;
        let seats: Vec<String> = houses
            .iter()
            .flat_map(|house| &house.seats)
            .filter(|seat| {
                let named = self.model.spec.group_ref.as_ref();
                named.is_none_or(|name| *name == seat.group.name)
            })
            .map(|seat| {
                let state = match (seat.fits, taken.contains(&seat.group)) {
                    (false, _) => "blocked".to_owned(),
                    (true, true) => "in use".to_owned(),
                    (true, false) => format!("{} SoCs", seat.members.len()),
                };
                format!("{} ({state})", seat.group)
            })
            .collect();
        let clears = houses.iter().flat_map(|house| &house.seats).any(|seat| {
            let blocked = !seat.fits && !taken.contains(&seat.group);
            blocked && self.suits(seat)
        });
        let there = if seats.is_empty() {
            "there is none".into()
        } else {
            seats.join(", ")
        };
        self.refuse(
            ReportReason::NoFittingGroup,
            format!("no free group of {shards} SoCs or more: {there}"),
            if clears {
                "it has a place when what blocks such a group is out of the way; or declare another P2PGroup, fewer shards, or connectivity ThroughHost"
            } else {
                "declare a larger or another P2PGroup, fewer shards, or connectivity ThroughHost"
            },
        )
    }

    fn refuse(&self, reason: ReportReason, message: String, hint: &str) -> Box<Obstacle> {
        Box::new(Obstacle {
            reason,
            object: self.model.object.clone(),
            pointer: if self.grouped {
                "/spec/shards"
            } else {
                "/spec"
            }
            .into(),
            functions: Vec::new(),
            message,
            hint: hint.into(),
        })
    }
}

/// On a group: whatever names one, AI100 over P2P, and CPU over P2P where any is declared.
pub(super) fn needs_group(
    declaration: &Declaration,
    spec: &ShardedModelSpec,
    program: &ProgramRequest,
) -> bool {
    let direct = match (program.topology.connectivity, program.target) {
        (Connectivity::ThroughHost, Target::CPU | Target::AI100) => false,
        (Connectivity::P2P, Target::AI100) => true,
        (Connectivity::P2P, Target::CPU) => !declaration.groups.is_empty(),
    };
    direct || spec.group_ref.is_some()
}
