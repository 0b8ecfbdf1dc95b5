//! Programs in a registry: by what digest one lies there, as the pod that pushed it said, and as its build keeps it.
use crd::{id::ProgramKey, kind::ModelBuild};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStateTerminated, ContainerStatus, Pod},
};
use kube_client::ResourceExt;

use super::{
    job,
    world::{Place, World},
};

/// What the pods of a job that is done say of what they pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its digest, `sha256:…`.
    Digest(String),
    /// Nothing yet: the end of a pod is seen later than the end of its job.
    NotYet,
    /// Nothing, though this pod ended well.
    Nothing(String),
    /// The pod that ended well is gone.
    Gone,
}

/// The artifact that a build keeps, where it is of this program in this repository.
pub fn kept(build: &ModelBuild, key: &ProgramKey, repository: &str) -> Option<String> {
    let status = build.status.as_ref()?;
    let artifact = status.artifact.as_ref()?;
    let (place, _) = artifact.rsplit_once('@')?;
    (status.program.as_ref() == Some(key) && place == repository).then(|| artifact.clone())
}

/// What the pods of a job that is done say.
pub fn told(world: &World, job: &Job) -> Told {
    let mut told = Told::Gone;
    for pod in pods(world, job) {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        match phase {
            Some("Failed") => {}
            Some("Succeeded") => {
                let ended = push(pod).and_then(ended);
                let message = ended.and_then(|ended| ended.message.as_deref());
                return match message.map(str::trim).filter(|said| is_digest(said)) {
                    Some(digest) => Told::Digest(digest.to_owned()),
                    None => Told::Nothing(pod.name_any()),
                };
            }
            _ => told = Told::NotYet,
        }
    }
    told
}

/// Whether a job's program is built already, and is being pushed now.
pub fn is_pushed(world: &World, job: &Job) -> bool {
    pods(world, job).any(|pod| push(pod).is_some_and(runs))
}

/// Whether a job's program is being built in a pod whose container that pushes waits for that.
pub fn is_built(world: &World, job: &Job) -> bool {
    pods(world, job).any(|pod| {
        let status = pod.status.as_ref();
        let first = status.and_then(|status| status.init_container_statuses.as_ref());
        first.into_iter().flatten().any(runs)
    })
}

/// Pods of exactly this job: one of its name that was deleted may have left some.
pub fn pods<'a>(world: &'a World, job: &'a Job) -> impl Iterator<Item = &'a Pod> {
    let place = Place::of(job);
    let pods: Vec<&Pod> = world
        .pods_of(&place, job::LABEL)
        .map(AsRef::as_ref)
        .filter(|pod| {
            let mut owners = pod.owner_references().iter();
            owners.any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
        })
        .collect();
    pods.into_iter()
}

fn push(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == job::PUSH)
}

fn ended(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}

fn runs(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    state.is_some_and(|state| state.running.is_some())
}

fn is_digest(said: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    said.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}
