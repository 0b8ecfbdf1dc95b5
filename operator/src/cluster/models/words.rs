//! What is said of a build's Job: that it goes on, and what a person can do where it does not.
use crd::kind::ModelBuild;
use k8s_openapi::api::batch::v1::Job;
use kube_client::ResourceExt;

use super::{
    Verdict, artifact,
    builds::runs,
    evicted,
    recipe::{Recipe, Store},
    stalled,
    world::World,
};
use crate::cluster::names::REQUESTED_AT;

/// The server has no image volumes, and takes them out of what it stores without a word.
pub fn dropped(build: &ModelBuild) -> Verdict {
    stalled(
        "ImageVolumesMissing",
        format!(
            "this API server drops image volumes, by which a model of `oci` is mounted (they are on from Kubernetes 1.35, before that with the feature gate ImageVolume): put the model on a claim and name it by `pvc`; or once servers and kubelets have them, `kubectl annotate mbuild {} -n {} --overwrite {REQUESTED_AT}=\"$(date)\"`",
            build.name_any(),
            build.namespace().unwrap_or_default()
        ),
    )
}

/// Nodes end one pod of a job after the other, which is no failure of the job.
pub fn evicted(world: &World, job: &Job) -> Option<Verdict> {
    let ends = evicted::lately(world, artifact::pods(world, job), 1)?;
    let name = job.name_any();
    let message = format!(
        "nodes end pods of Job {name} again and again ({}): see to `spec.pod.resources`, a LimitRange of the namespace, or the node; it is tried again",
        ends.why
    );
    ends.again.then(|| stalled("Evicted", message))
}

/// How a job that is at work goes on.
pub fn goes_on(world: &World, recipe: &Recipe, job: &Job) -> String {
    let name = job.name_any();
    match &recipe.store {
        Store::Registry { declared, .. } if artifact::is_pushed(world, job) => {
            return format!("Job {name} pushes the program to {}", declared.repository);
        }
        // A pod is ready no sooner than its last container.
        Store::Registry { .. } if artifact::is_built(world, job) => {
            return format!("Job {name} builds the program");
        }
        Store::Claim { .. } if runs(job) => return format!("Job {name} builds the program"),
        Store::Claim { .. } | Store::Registry { .. } => {}
    }
    let namespace = job.namespace().unwrap_or_default();
    format!(
        "Job {name} waits for its pod; `kubectl describe pods -n {namespace} -l job-name={name}` says for what"
    )
}

/// Why a job failed, and how it is tried again.
pub fn failed(build: &ModelBuild, recipe: &Recipe, job: &Job, why: &str) -> String {
    let (name, namespace) = (job.name_any(), job.namespace().unwrap_or_default());
    let all = match &recipe.store {
        Store::Claim { .. } => "",
        Store::Registry { .. } => " --all-containers",
    };
    format!(
        "Job {name} failed ({why}): `kubectl logs -n {namespace} job/{name}{all}` says why; change the build, or once the cause is gone, `kubectl annotate mbuild {} -n {namespace} --overwrite {REQUESTED_AT}=\"$(date)\"` tries it again",
        build.name_any()
    )
}
