//! Builds and workers of one node: a list of their own, outside the digest.
use std::collections::BTreeSet;

use crd::{
    declaration::{Declaration, Declared},
    id::{ObjectRef, PciAddress, StepId, WorkerId},
    kind::{Connectivity, ModelBuildSpec, Precision, Target},
    plan::ReportReason,
    program::ProgramRequest,
    snapshot::{HolderKind, PresentWorker},
    step::{Action, Disruption, DisruptionClass, Step, StepReason, Subject},
};

use super::draft::{Draft, declared, fact, owned, quiet, verb};
use super::serving::{same, worker_request};
use crate::{
    Inputs,
    placement::{Obstacle, Placed, build_request},
    program,
    view::View,
};

/// The vendor advises this much memory for large models through the host, in MiB (1 TB).
const ADVISED_MIB: u64 = 1_000_000_000_000 / (1024 * 1024);
/// And this many CPUs.
const ADVISED_CPUS: u32 = 32;

/// What a node builds and runs, and what is to be said about it.
#[derive(Debug, Default)]
pub(super) struct NodeWork {
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
            HolderKind::Foreign => None,
        });
    let workers: BTreeSet<WorkerId> = recorded.chain(seen).collect();
    workers.into_iter().collect()
}

/// Plans one node's builds and workers. `builds` are those that no replica asks for; `drained` are the SoCs that this
/// plan frees, whose workers are started again.
pub(super) fn plan(
    inputs: &Inputs<'_>,
    view: &View<'_>,
    placed: &[&Placed<'_>],
    builds: &[&Declared<ModelBuildSpec>],
    drained: &BTreeSet<PciAddress>,
) -> NodeWork {
    let mut work = NodeWork::default();
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
        if !placed.iter().any(|placed| placed.id == worker.id) {
            stops.push(stop(view, worker));
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

struct Site<'a, 'b> {
    inputs: &'a Inputs<'a>,
    view: &'a View<'a>,
    work: &'b mut NodeWork,
}

impl Site<'_, '_> {
    /// The request with its keys, and the step that builds it where it is not there yet. `None` where it cannot be built.
    fn build(
        &mut self,
        mut request: ProgramRequest,
        near: &[PciAddress],
        built: &mut Vec<(ProgramRequest, Option<StepId>)>,
    ) -> Option<(ProgramRequest, Option<StepId>)> {
        let tools = &self.view.snapshot.tools;
        if request.model.is_none() {
            request.model = self.inputs.models.get(&request.object).cloned();
        }
        let ready = match request.target {
            Target::CPU => tools.worker.get().is_some(),
            Target::AI100 => {
                request.topology.cores = request
                    .topology
                    .cores
                    .or_else(|| least_cores(self.view, near));
                tools.compiler.get().is_some()
            }
        };
        if !ready {
            self.work.obstacles.push(obstacle(
                &request.object,
                "/spec/target",
                ReportReason::CompilerMissing,
                format!(
                    "{} has nothing that builds for target {:?}",
                    self.view.node(),
                    request.target
                ),
                match request.target {
                    Target::CPU => "put shardplane-worker beside shardplane or on PATH",
                    Target::AI100 => "install the Apps SDK",
                },
            ));
            return None;
        }
        request.key = program::key(&request, tools);
        if let Some(done) = built.iter().find(|(done, _)| *done == request) {
            return Some(done.clone());
        }
        self.unbuildable(&request)?;
        self.advise(&request);
        let present = request.key.as_ref().is_some_and(|key| {
            let programs = &self.view.snapshot.programs;
            programs.iter().any(|program| program.key == *key)
        });
        let step = (!present).then(|| {
            let draft = build_draft(self.inputs.declaration, &request);
            push(self.view, &mut self.work.steps, draft, None)
        });
        built.push((request.clone(), step.clone()));
        Some((request, step))
    }

    /// `Some` where the target can take the request.
    fn unbuildable(&mut self, request: &ProgramRequest) -> Option<()> {
        let why = match (request.target, request.precision) {
            (Target::AI100, Precision::Fp16 | Precision::Mxfp6) => {
                program::compiler_call(request, &self.view.snapshot.tools)
                    .err()
                    .map(|e| e.to_string())
            }
            (Target::CPU, Precision::F32 | Precision::Bf16 | Precision::Int8 | Precision::Int4) => {
                None
            }
            (
                Target::AI100,
                Precision::F32 | Precision::Bf16 | Precision::Int8 | Precision::Int4,
            )
            | (Target::CPU, Precision::Fp16 | Precision::Mxfp6) => Some(format!(
                "precision {:?} is not one of target {:?}",
                request.precision, request.target
            )),
        };
        match why {
            None => Some(()),
            Some(why) => {
                self.work.obstacles.push(obstacle(
                    &request.object,
                    "/spec",
                    ReportReason::BuildMismatch,
                    why,
                    "Fp16 and Mxfp6 are for AI100; F32, Bf16, Int8 and Int4 for CPU",
                ));
                None
            }
        }
    }

    fn advise(&mut self, request: &ProgramRequest) {
        let through_host = request.topology.connectivity == Connectivity::ThroughHost;
        if request.target != Target::AI100 || !through_host {
            return;
        }
        let host = &self.view.snapshot.host;
        if let Some(mib) = host.memory_mib.get().filter(|mib| **mib < ADVISED_MIB) {
            self.work.advice.push(obstacle(
                &request.object,
                "/spec/topology/connectivity",
                ReportReason::LowMemory,
                format!("{} has {mib} MiB of memory; the vendor advises 1 TB for large models through the host", self.view.node()),
                "",
            ));
        }
        if let Some(cpus) = host.cpus.get().filter(|cpus| **cpus < ADVISED_CPUS) {
            self.work.advice.push(obstacle(
                &request.object,
                "/spec/topology/connectivity",
                ReportReason::FewCpus,
                format!("{} has {cpus} CPUs; the vendor advises {ADVISED_CPUS} for large models through the host", self.view.node()),
                "",
            ));
        }
    }

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
        let causes = vec![declared(placed.model, "/spec")];
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
                    StepReason::WorkerMissing,
                    causes,
                )
                .expects([fact(subject, "absent")])
                .undone_by(back)
            }
        };
        Some(draft.leaves(leaves))
    }
}

/// The fewest cores of these SoCs, which is what a program over them can use.
fn least_cores(view: &View<'_>, socs: &[PciAddress]) -> Option<u32> {
    let cores = socs.iter().map(|soc| view.soc(*soc)?.cores.get().copied());
    cores.collect::<Option<Vec<u32>>>()?.into_iter().min()
}

fn build_draft(declaration: &Declaration, request: &ProgramRequest) -> Draft {
    let of_build = declaration
        .builds
        .iter()
        .find(|build| build.object == request.object);
    let of_model = declaration
        .models
        .iter()
        .find(|model| model.object == request.object);
    let causes = of_build
        .map(|build| declared(build, "/spec"))
        .or_else(|| of_model.map(|model| declared(model, "/spec")))
        .into_iter()
        .collect();
    let action = Action::Build {
        program: request.clone(),
    };
    let draft = Draft::new(
        target(&request.object),
        action,
        StepReason::ProgramMissing,
        causes,
    )
    .never_undone("a program is content-addressed and stays in the store");
    match &request.key {
        Some(key) => {
            let subject = Subject::Program { key: key.clone() };
            draft
                .expects([fact(subject.clone(), "absent")])
                .leaves([fact(subject, "present")])
        }
        None => draft,
    }
}

fn stopped(worker: &PresentWorker, drained: &BTreeSet<PciAddress>) -> bool {
    worker.socs.iter().any(|soc| drained.contains(soc))
}

fn stop(view: &View<'_>, worker: &PresentWorker) -> Draft {
    let id = worker.id.clone();
    let causes = vec![owned(view, None, &format!("/workers/{id}"))];
    Draft::new(
        id.0.clone(),
        Action::StopWorker { worker: id.clone() },
        StepReason::WorkerGone,
        causes,
    )
    .leaves([fact(Subject::Worker { id }, "absent")])
    .never_undone("nothing declares the worker any more")
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

fn target(object: &ObjectRef) -> String {
    let namespace = object.namespace.as_deref().unwrap_or("default");
    format!("{namespace}/{}", object.name)
}

fn obstacle(
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

fn push(view: &View<'_>, steps: &mut Vec<Step>, draft: Draft, after: Option<StepId>) -> StepId {
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
