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
    ("CrashLoopBackOff", "Crashing", "ends again and again"),
];
const IMAGE: &str = "ImageUnavailable";
const REFUSED: &str = "ContainerRefused";
const PULL: &str = "cannot be pulled";
const MADE: &str = "is not made a container of";

/// What keeps a pod of the object with this name from starting. Kubelets try all of it again: then it is said no more.
///
/// What they say of it changes from one try to the next; told in their words it would be written again and again.
pub fn of(world: &World, object: &Place, label: &str) -> Option<Verdict> {
    let mut pods = world.pods.values().filter(|pod| {
        stays(pod.as_ref())
            && pod.namespace().as_deref() == Some(&object.namespace)
            && pod.labels().get(label) == Some(&object.name)
    });
    pods.find_map(waits)
}

fn waits(pod: &Arc<Pod>) -> Option<Verdict> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|container| {
        let (reason, what) = reason(container)?;
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        let image = &container.image;
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
    REASONS
        .iter()
        .find(|(theirs, _, _)| *theirs == said)
        .map(|(_, ours, what)| (*ours, *what))
}
