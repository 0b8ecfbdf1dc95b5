//! Pods that no node takes: a scheduler found none with the room, or that they may be put on. It goes on when one is there.
use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube_client::ResourceExt;

use super::{
    Verdict,
    since::Since,
    stalled,
    world::{Place, World},
};
use crate::cluster::controller::stays;

/// Volumes are bound, pods leave and clusters grow meanwhile.
const SOON: Duration = Duration::from_secs(30);
const REASON: &str = "Unschedulable";

/// Since when pods have had no node, by place and uid.
#[derive(Debug, Default)]
pub struct Placeless(Since<(Place, String)>);

impl Placeless {
    /// Looks at all pods; those that no node has taken for longer than that takes.
    pub fn look(&mut self, world: &World) -> BTreeSet<Place> {
        let none = world.pods.iter().filter(|(_, pod)| has_none(pod));
        let none = none.map(|(place, pod)| (place.clone(), pod.uid().unwrap_or_default()));
        let waited = self.0.look(world.now, none);
        waited
            .filter(|(_, waited)| *waited >= SOON)
            .map(|((place, _), _)| place.clone())
            .collect()
    }
}

/// Whether a scheduler said that no node takes it (`PodScheduled`, `Unschedulable`).
fn has_none(pod: &Pod) -> bool {
    let status = pod.status.iter();
    let mut conditions = status.flat_map(|status| status.conditions.iter().flatten());
    stays(pod)
        && conditions.any(|told| {
            told.type_ == "PodScheduled"
                && told.status == "False"
                && told.reason.as_deref() == Some(REASON)
        })
}

/// The pod of the object with this name that no node takes, where there is one.
pub fn pod<'a>(world: &'a World, object: &Place, label: &str) -> Option<&'a Place> {
    let mut pods = world.pods.iter();
    pods.find_map(|(place, pod)| {
        let is_its =
            place.namespace == object.namespace && pod.labels().get(label) == Some(&object.name);
        (is_its && world.placeless.contains(place)).then_some(place)
    })
}

/// What an object comes to that waits for such a pod.
pub fn of(world: &World, object: &Place, label: &str) -> Option<Verdict> {
    pod(world, object, label).map(|pod| stalled(REASON, no_node_takes(pod)))
}

/// What a person reads of it.
pub fn no_node_takes(pod: &Place) -> String {
    let Place { namespace, name } = pod;
    format!(
        "no node takes pod {name}; `kubectl describe pod -n {namespace} {name}` says why (its resources, tolerations, volumes, or where its like are), and it goes on when one does"
    )
}
