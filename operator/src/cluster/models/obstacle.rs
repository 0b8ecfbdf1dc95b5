//! What keeps a pod of ours from starting, as its kubelet says it: what no waiting mends takes a person.
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
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
const CRASHING: &str = "CrashLoopBackOff";
const IMAGE: &str = "ImageUnavailable";
const REFUSED: &str = "ContainerRefused";
/// The kernel's word for a process that it ended because there was no more memory for it, as kubelets pass it on.
const OOM: &str = "OOMKilled";
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
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|container| {
        let (reason, what) = reason(container)?;
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        // What a kubelet names may be no more than the digest of what it runs.
        let asked = pod.spec.as_ref().and_then(|spec| {
            let mut containers = spec.containers.iter();
            containers.find(|asked| asked.name == container.name)
        });
        let image = asked
            .and_then(|asked| asked.image.as_ref())
            .unwrap_or(&container.image);
        Some(stalled(
            reason,
            format!(
                "{image} {what}; `kubectl describe pod -n {namespace} {name}` says why, and it is tried again"
            ),
        ))
    })
}

fn reason(container: &ContainerStatus) -> Option<(&'static str, &'static str)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let said = waiting.reason.as_deref()?;
    let ended = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    if said == CRASHING && ended.and_then(|ended| ended.reason.as_deref()) == Some(OOM) {
        return Some((
            "OutOfMemory",
            "takes more memory than its limit and is ended for it; raise `spec.pod.resources.limits.memory`",
        ));
    }
    REASONS
        .iter()
        .find(|(theirs, _, _)| *theirs == said)
        .map(|(_, ours, what)| (*ours, *what))
}
