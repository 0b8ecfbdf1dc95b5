//! Builds and workers of one node: a list of their own, outside the digest.
use std::collections::BTreeSet;

use crd::{
    declaration::Declared,
    id::{NodeName, ObjectRef, PciAddress, StepId, WorkerId},
    kind::{ModelBuildSpec, ShardedModelSpec, Target},
    plan::ReportReason,
    program::ProgramRequest,
    snapshot::{HolderKind, PresentWorker},
    step::{Action, Disruption, DisruptionClass, Step, StepReason, Subject},
};

use super::builds::Site;
use super::draft::{Draft, declared, fact, owned, quiet, verb};
use super::replicas::Replicas;
use super::serving::{same, worker_request};
use crate::{
    Inputs,
    placement::{Obstacle, Placed, build_request, surplus_id},
    view::View,
};

/// What a node builds and runs, and what is to be said about it.
#[derive(Debug)]
pub(super) struct NodeWork {
    pub(super) node: NodeName,
    /// Whether it is carried out, and not only reported.
    pub(super) enforced: bool,
    /// SoCs that card work frees first; whoever worked there is started again.
    pub(super) drained: BTreeSet<PciAddress>,
    pub(super) steps: Vec<Step>,
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) advice: Vec<Obstacle>,
}

/// Workers of ours on these SoCs, ordered.
pub(super) fn holding(view: &View<'_>, socs: &[PciAddress]) -> Vec<WorkerId> {
    let recorded = view
        .snapshot
        .workers
        .iter()
        .filter(|worker| worker.socs.iter().any(|soc| socs.contains(soc)))
        .map(|worker| worker.id.clone());
    let seen = view
        .snapshot
        .holders
        .iter()
        .filter(|holder| socs.contains(&holder.soc))
        .filter_map(|holder| match &holder.kind {
            HolderKind::Worker { id } => Some(id.clone()),
            HolderKind::Foreign | HolderKind::Pod { .. } | HolderKind::Unseen { .. } => None,
        });
    let workers: BTreeSet<WorkerId> = recorded.chain(seen).collect();
    workers.into_iter().collect()
}

impl NodeWork {
    /// A node on which nothing is built or run.
    pub(super) fn none(node: &NodeName, drained: BTreeSet<PciAddress>) -> Self {
        Self {
            node: node.clone(),
            enforced: false,
            drained,
            steps: Vec::new(),
            obstacles: Vec::new(),
            advice: Vec::new(),
        }
    }
}

/// Plans one node's builds and workers. `builds` are those that no replica asks for.
pub(super) fn plan(
    inputs: &Inputs<'_>,
    view: &View<'_>,
    replicas: &[Replicas<'_>],
    placed: &[&Placed<'_>],
    builds: &[&Declared<ModelBuildSpec>],
    drained: &BTreeSet<PciAddress>,
) -> NodeWork {
    let mut work = NodeWork::none(view.node(), drained.clone());
    let mut site = Site {
        inputs,
        view,
        work: &mut work,
    };
    let mut stops = Vec::new();
    let mut starts = Vec::new();
    let mut built: Vec<(ProgramRequest, Option<StepId>)> = Vec::new();
    for build in builds {
        let request = build_request(build);
        let all: Vec<PciAddress> = view.addresses().collect();
        site.build(request, &all, &mut built);
    }
    for worker in &view.snapshot.workers {
        let placed = placed.iter().any(|placed| placed.id == worker.id);
        // A surplus replica stops when its model's turns say so.
        let surplus = replicas.iter().any(|of| of.surplus == worker.id);
        if !placed && !surplus {
            let of = replicas.iter().find(|of| of.declared.contains(&worker.id));
            stops.push(stop(view, worker, of.map(|of| of.model)));
        }
    }
    for placed in placed.iter().filter(|placed| !placed.frozen) {
        let near = if placed.socs.is_empty() {
            view.addresses().collect()
        } else {
            placed.socs.clone()
        };
        let Some((program, build)) = site.build(placed.program.clone(), &near, &mut built) else {
            continue;
        };
        match program.target {
            Target::CPU => {}
            Target::AI100 => {
                site.work.obstacles.push(obstacle(
                    &placed.model.object,
                    "/spec/target",
                    ReportReason::CannotServe,
                    "its program is for AI100, which this version compiles and cannot serve yet"
                        .into(),
                    "serve it with `target: CPU`, or set `replicas: 0` and keep the build",
                ));
                continue;
            }
        }
        starts.extend(
            site.worker(placed, program, drained)
                .map(|draft| (draft, build)),
        );
    }
    for draft in stops {
        push(view, &mut work.steps, draft, None);
    }
    for (draft, build) in starts {
        push(view, &mut work.steps, draft, build);
    }
    work
}

impl Site<'_, '_> {
    /// The step that makes a replica run as declared; `None` where it does.
    fn worker(
        &self,
        placed: &Placed<'_>,
        program: ProgramRequest,
        drained: &BTreeSet<PciAddress>,
    ) -> Option<Draft> {
        let request = worker_request(placed, program);
        let running = self
            .view
            .snapshot
            .workers
            .iter()
            .find(|worker| worker.id == placed.id);
        let subject = Subject::Worker {
            id: placed.id.clone(),
        };
        let surplus = placed.id == surplus_id(&placed.model.object);
        let (missing, pointer) = if surplus {
            (StepReason::SurplusNeeded, "/spec/rollout")
        } else {
            (StepReason::WorkerMissing, "/spec")
        };
        let causes = vec![declared(placed.model, pointer)];
        let leaves = [fact(subject.clone(), request.options.0.clone())];
        let target = placed.id.0.clone();
        let draft = match running {
            Some(worker) if !stopped(worker, drained) => {
                if same(worker, &request) {
                    return None;
                }
                let action = Action::ReplaceWorker { worker: request };
                Draft::new(target, action, StepReason::WorkerDiffers, causes)
                    .expects([fact(subject, worker.options.0.clone())])
                    .never_undone("the declaration that the old worker ran is not known any more")
                    .disturbs(stops(worker))
            }
            Some(_) | None => {
                let back = Action::StopWorker {
                    worker: placed.id.clone(),
                };
                Draft::new(
                    target,
                    Action::StartWorker { worker: request },
                    missing,
                    causes,
                )
                .expects([fact(subject, "absent")])
                .undone_by(back)
            }
        };
        Some(draft.leaves(leaves))
    }
}

fn stopped(worker: &PresentWorker, drained: &BTreeSet<PciAddress>) -> bool {
    worker.socs.iter().any(|soc| drained.contains(soc))
}

/// Stops a worker that is nobody's here: of a model that is declared, a replica that has no place on this node.
fn stop(view: &View<'_>, worker: &PresentWorker, of: Option<&Declared<ShardedModelSpec>>) -> Draft {
    let id = worker.id.clone();
    let (reason, cause, never) = match of {
        Some(model) => (
            StepReason::WorkerUnplaced,
            declared(model, "/spec"),
            "the declaration that the worker ran is not known any more",
        ),
        None => (
            StepReason::WorkerGone,
            owned(view, None, &format!("/workers/{id}")),
            "nothing declares the worker any more",
        ),
    };
    Draft::new(
        id.0.clone(),
        Action::StopWorker { worker: id.clone() },
        reason,
        vec![cause],
    )
    .leaves([fact(Subject::Worker { id }, "absent")])
    .never_undone(never)
    .disturbs(stops(worker))
}

fn stops(worker: &PresentWorker) -> Disruption {
    Disruption {
        class: DisruptionClass::Worker,
        disruptive: true,
        socs: worker.socs.clone(),
        workers: vec![worker.id.clone()],
        isolation: None,
    }
}

pub(super) fn obstacle(
    object: &ObjectRef,
    pointer: &str,
    reason: ReportReason,
    message: String,
    hint: &str,
) -> Obstacle {
    Obstacle {
        reason,
        object: object.clone(),
        pointer: pointer.into(),
        functions: Vec::new(),
        message,
        hint: hint.into(),
    }
}

pub(super) fn push(
    view: &View<'_>,
    steps: &mut Vec<Step>,
    draft: Draft,
    after: Option<StepId>,
) -> StepId {
    let Draft { target, mut step } = draft;
    let base = format!("{}/{}/{target}", view.node(), verb(&step.action));
    let mut id = StepId(base.clone());
    let mut copy = 2;
    while steps.iter().any(|step| step.id == id) {
        id = StepId(format!("{base}~{copy}"));
        copy += 1;
    }
    step.id = id.clone();
    step.depends_on = after.into_iter().collect();
    if step.disruption == quiet() && step.causes.is_empty() {
        step.causes = vec![owned(view, None, "/")];
    }
    steps.push(step);
    id
}
