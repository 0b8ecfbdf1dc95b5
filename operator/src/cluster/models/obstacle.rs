//! What keeps a pod of ours from starting, as its kubelet says it: what no waiting mends takes a person.
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSpec};
use kube_client::ResourceExt;

use super::{
    Verdict, stalled,
    world::{Place, World},
};
use crate::cluster::controller::stays;

/// What a kubelet says of a container that waits, what it is called here, and what it comes to.
const REASONS: [(&str, &str, &str); 10] = [
    ("ErrImagePull", IMAGE, PULL),
    ("ImagePullBackOff", IMAGE, PULL),
    ("ErrImageNeverPull", IMAGE, PULL),
    ("RegistryUnavailable", IMAGE, PULL),
    ("InvalidImageName", IMAGE, "is no image's name"),
    ("ImageInspectError", IMAGE, "cannot be read on the node"),
    ("CreateContainerConfigError", REFUSED, MADE),
    ("CreateContainerError", REFUSED, MADE),
    ("RunContainerError", REFUSED, MADE),
    (CRASHING, "Crashing", "ends again and again"),
];
/// The worker's exit code where what it is to open is not there.
const NO_INPUT: i32 = 66;
const CRASHING: &str = "CrashLoopBackOff";
const IMAGE: &str = "ImageUnavailable";
const REFUSED: &str = "ContainerRefused";
/// The kernel's word for a process that it ended because there was no more memory for it, as kubelets pass it on.
const OOM: &str = "OOMKilled";
/// What runc says where there was not even memory enough to start a process (`libcontainer/process_linux.go`): the kernel's word
/// for it is not among those that kubelets pass on then.
const STARVED: &str = "container init was OOM-killed";
const PULL: &str = "cannot be pulled";
const MADE: &str = "is not made a container of";

/// What keeps a pod of the object with this name from starting. Kubelets try all of it again: then it is said no more.
///
/// What they say of it changes from one try to the next; told in their words it would be written again and again.
pub fn of(world: &World, object: &Place, label: &str) -> Option<Verdict> {
    let mut pods = world.pods_of(object, label);
    pods.find_map(|pod| stays(pod.as_ref()).then(|| waits(pod))?)
}

fn waits(pod: &Arc<Pod>) -> Option<Verdict> {
    let status = pod.status.as_ref()?;
    let statuses = [&status.init_container_statuses, &status.container_statuses];
    let mut statuses = statuses.into_iter().flatten().flatten();
    statuses.find_map(|container| {
        let (reason, what) = reason(container)?;
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        let whose = subject(pod.spec.as_ref(), container, reason);
        Some(stalled(
            reason,
            format!(
                "{whose} {what}; `kubectl describe pod -n {namespace} {name}` says why, and it is tried again"
            ),
        ))
    })
}

/// What a container waits for, by name: its image, or an artifact that is mounted in it. A kubelet pulls both, says the
/// same word of both, and names the one that it means in what it says beside that.
fn subject(spec: Option<&PodSpec>, container: &ContainerStatus, reason: &str) -> String {
    let asked = spec.and_then(|spec| {
        let first = spec.init_containers.iter().flatten();
        let mut containers = first.chain(&spec.containers);
        containers.find(|asked| asked.name == container.name)
    });
    // What a kubelet names as a container's image may be no more than the digest of what it runs.
    let image = asked
        .and_then(|asked| asked.image.as_ref())
        .unwrap_or(&container.image);
    if reason != IMAGE {
        return image.clone();
    }
    let mounted = asked.and_then(|asked| asked.volume_mounts.as_ref());
    let is_mounted =
        |name: &str| mounted.is_some_and(|mounts| mounts.iter().any(|mount| mount.name == name));
    let volumes = spec.and_then(|spec| spec.volumes.as_ref());
    let artifacts = volumes
        .into_iter()
        .flatten()
        .filter(|volume| is_mounted(&volume.name))
        .filter_map(|volume| {
            let reference = volume.image.as_ref()?.reference.as_ref()?;
            let what = format!("{reference}, which volume {} is to be,", volume.name);
            Some((reference, what))
        });
    let all: Vec<(&String, String)> = std::iter::once((image, image.clone()))
        .chain(artifacts)
        .collect();
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let said = waiting.and_then(|waiting| waiting.message.as_deref());
    // The name of one may be how another's begins.
    let named = all
        .iter()
        .filter(|(reference, _)| said.is_some_and(|said| said.contains(reference.as_str())))
        .max_by_key(|(reference, _)| reference.len());
    // Nobody is blamed where nobody is named.
    let any = || {
        all.iter()
            .map(|(_, what)| what.as_str())
            .collect::<Vec<_>>()
            .join(" or ")
    };
    named.map_or_else(any, |(_, what)| what.clone())
}

fn reason(container: &ContainerStatus) -> Option<(&'static str, &'static str)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let said = waiting.reason.as_deref()?;
    let ended = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    let told = [
        waiting.message.as_deref(),
        ended.and_then(|ended| ended.message.as_deref()),
    ];
    let starved = told
        .into_iter()
        .flatten()
        .any(|told| told.contains(STARVED));
    if starved || said == CRASHING && ended.and_then(|ended| ended.reason.as_deref()) == Some(OOM) {
        return Some((
            "OutOfMemory",
            "takes more memory than its limit and is ended for it; raise `spec.pod.resources.limits.memory`",
        ));
    }
    if said == CRASHING && ended.map(|ended| ended.exit_code) == Some(NO_INPUT) {
        return Some((
            "ProgramMissing",
            "finds no program where it was built; the annotation `shardplane.dev/reconcile-requested-at` with any new value on its ModelBuild has it built again",
        ));
    }
    REASONS
        .iter()
        .find(|(theirs, _, _)| *theirs == said)
        .map(|(_, ours, what)| (*ours, *what))
}
