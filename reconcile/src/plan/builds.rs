//! Programs of one node: what is built for a replica or a build of its own, and what stands against it.
use crd::{
    declaration::Declaration,
    id::{ObjectRef, PciAddress, StepId},
    kind::{Connectivity, Precision, Target},
    plan::ReportReason,
    program::ProgramRequest,
    step::{Action, StepReason, Subject},
};

use super::{
    draft::{Draft, declared, fact},
    work::{NodeWork, obstacle, push},
};
use crate::{Inputs, Sources, program, view::View};

/// The vendor advises this much memory for large models through the host, in MiB (1 TB).
const ADVISED_MIB: u64 = 1_000_000_000_000 / (1024 * 1024);
/// And this many CPUs.
const ADVISED_CPUS: u32 = 32;

/// A node while its work is planned.
pub(super) struct Site<'a, 'b> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) view: &'a View<'a>,
    pub(super) work: &'b mut NodeWork,
}

impl Site<'_, '_> {
    /// The request with its keys, and the step that builds it where it is not there yet. `None` where it cannot be built.
    pub(super) fn build(
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
        let failed = self.inputs.unbuilt.get(&request.object);
        if let Some(why) = failed.filter(|_| !present) {
            let failed = obstacle(
                &request.object,
                "/spec",
                ReportReason::BuildFailed,
                why.clone(),
                "its workers are left as they are; it is tried again",
            );
            if !self.work.obstacles.contains(&failed) {
                self.work.obstacles.push(failed);
            }
            return None;
        }
        if !present && self.inputs.sources == Sources::Paths && request.source.path.is_none() {
            let elsewhere = obstacle(
                &request.object,
                "/spec/model",
                ReportReason::ModelElsewhere,
                format!(
                    "{} takes its model from a volume or a registry, which only a cluster has",
                    request.object
                ),
                "give `path` to build and serve it here",
            );
            if !self.work.obstacles.contains(&elsewhere) {
                self.work.obstacles.push(elsewhere);
            }
            return None;
        }
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

fn target(object: &ObjectRef) -> String {
    let namespace = object.namespace.as_deref().unwrap_or("default");
    format!("{namespace}/{}", object.name)
}
