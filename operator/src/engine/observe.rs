//! Looks at every node of the room: what the machine says, with what only we know of it.
use std::collections::BTreeMap;

use crd::{
    Fact,
    declaration::Declaration,
    id::{Digest, NodeName, ObjectRef},
    kind::ModelSource,
    plan::{NodePlan, Plan},
    snapshot::{HardwareSnapshot, WorkerToolchain},
    step::Action,
};
use machine::{Known, KnownWorker};
use reconcile::NodeInput;

use super::{Engine, interrupt::StopFlag};
use crate::{
    cluster::agent::tenants::Tenants,
    failure::Failure,
    place::SourcePlace,
    room::{Node, Room},
    state::{ledger, models::ModelDigests, programs::ProgramStore},
};

/// What is known beside the machines.
#[derive(Debug)]
pub struct Surroundings {
    /// What the worker binary says of itself.
    pub worker: Fact<WorkerToolchain>,
    /// Our workers, by node.
    pub workers: BTreeMap<NodeName, Vec<KnownWorker>>,
    /// Who else may hold SoCs.
    pub tenants: Tenants,
}

/// Probes one node.
pub fn node(room: &Room, node: &Node, around: &Surroundings) -> Result<HardwareSnapshot, Failure> {
    let mut snapshot = machine::probe(&node.machine, &known(room, node, around)?);
    around.tenants.join(&mut snapshot);
    Ok(snapshot)
}

/// Probes one node, and searches for holders as before a reset: for whoever looks once, or is about to act.
pub fn closely(
    room: &Room,
    node: &Node,
    around: &Surroundings,
) -> Result<HardwareSnapshot, Failure> {
    let known = known(room, node, around)?;
    let mut snapshot = machine::probe(&node.machine, &known);
    hold_closely(node, &known, around, &mut snapshot);
    Ok(snapshot)
}

impl Engine<'_> {
    /// Looks at every node, and plans for what was seen. Where the plan resets SoCs, who holds them is searched for as before a
    /// reset, and planned for: found only then, he would be refused when the steps before it are done.
    pub fn look(&mut self, effort: Effort<'_>) -> Result<(Plan, Vec<NodeInput>), Failure> {
        let around = self.surroundings();
        let mut nodes = all(self.room, &around)?;
        let plan = self.plan(&nodes, effort)?;
        let mut others = false;
        for node_plan in plan.nodes.iter().filter(|node| resets(node)) {
            let at = self.room.nodes.iter().find(|at| at.name == node_plan.node);
            let snapshot = nodes.iter_mut().find_map(|node| match node {
                NodeInput::Read(snapshot) if snapshot.metadata.name == node_plan.node => {
                    Some(snapshot)
                }
                _ => None,
            });
            if let Some((at, snapshot)) = at.zip(snapshot) {
                let first = snapshot.holders.clone();
                hold_closely(at, &known(self.room, at, &around)?, &around, snapshot);
                others |= snapshot.holders != first;
            }
        }
        let plan = if others {
            self.plan(&nodes, effort)?
        } else {
            plan
        };
        Ok((plan, nodes))
    }
}

fn resets(plan: &NodePlan) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| matches!(step.action, Action::Reset { .. }))
}

fn hold_closely(
    node: &Node,
    known: &Known,
    around: &Surroundings,
    snapshot: &mut HardwareSnapshot,
) {
    snapshot.holders = machine::whole_holders(&node.machine, known, snapshot);
    // Whoever was at work at the first look may have left before the second.
    if machine::is_at_work_unseen(snapshot) {
        *snapshot = machine::probe(&node.machine, known);
        snapshot.holders = machine::whole_holders(&node.machine, known, snapshot);
    }
    around.tenants.join(snapshot);
}

fn known(room: &Room, node: &Node, around: &Surroundings) -> Result<Known, Failure> {
    Ok(Known {
        ledger: ledger::read(&room.state.node_folder(&node.name))?,
        programs: ProgramStore::new(room.state.programs()).list()?,
        workers: around.workers.get(&node.name).cloned().unwrap_or_default(),
        worker: around.worker.clone(),
    })
}

/// Probes every node.
pub fn all(room: &Room, around: &Surroundings) -> Result<Vec<NodeInput>, Failure> {
    room.nodes
        .iter()
        .map(|at| Ok(NodeInput::Read(node(room, at, around)?)))
        .collect()
}

/// How far to go for a model's digest.
#[derive(Clone, Copy, Debug)]
pub enum Effort<'a> {
    /// Only what is remembered: planning reads no model.
    Remembered,
    /// Read what must be read, until somebody asks for a stop.
    Read(&'a StopFlag),
}

/// Digests of the declared models' sources, where they can be told.
pub fn models(
    declaration: &Declaration,
    place: &SourcePlace,
    room: &Room,
    effort: Effort<'_>,
) -> Result<BTreeMap<ObjectRef, Digest>, Failure> {
    let file = room.state.models();
    let mut digests = ModelDigests::read(&file);
    let mut found = BTreeMap::new();
    for (object, source, declared_in) in sources(declaration) {
        let Some(path) = &source.path else { continue };
        let model = place.resolve(path, &declared_in);
        let digest = match effort {
            Effort::Remembered => digests.remembered(&model),
            // A model that cannot be read is told when its build runs, with the line that declares it.
            Effort::Read(stop) => {
                let read = digests.compute(&model, || stop.asked().is_some());
                read.ok()
            }
        };
        if let Some(digest) = digest {
            found.insert(object, digest);
        }
    }
    if matches!(effort, Effort::Read(_)) {
        digests.write(&file)?;
    }
    Ok(found)
}

/// Every declared model source, with the object and the file that declare it.
fn sources(declaration: &Declaration) -> Vec<(ObjectRef, ModelSource, String)> {
    let builds = declaration.builds.iter().map(|build| {
        let file = build.span("/spec/source").map(|span| span.file.clone());
        (build.object.clone(), Some(build.spec.source.clone()), file)
    });
    let models = declaration.models.iter().map(|model| {
        let file = model.span("/spec/model").map(|span| span.file.clone());
        (model.object.clone(), model.spec.model.clone(), file)
    });
    builds
        .chain(models)
        .filter_map(|(object, source, file)| Some((object, source?, file?)))
        .collect()
}
