//! Builds whose pod is on a node that is not ready: nobody hears of it any more. Kubernetes takes such pods away after minutes,
//! but makes no other for a Job that says which failures count (`podFailurePolicy` takes no `podReplacementPolicy` but `Failed`)
//! before the pod has ended, and that only its node can say. Two builders that push what each has built in its own pod are in
//! nobody's way: there another Job is made. Of two that write to one claim a person has to say that one is off.
use std::{collections::BTreeSet, time::Duration};

use crd::kind::ModelBuild;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube_client::ResourceExt;

use super::{
    Verdict, artifact, job,
    recipe::{Recipe, Store},
    since::Since,
    stalled, working,
    world::{Place, World},
};
use crate::cluster::controller::{not_ready, stays};

/// Kubernetes leaves pods for five minutes on a node that is not ready (`tolerationSeconds` of `DefaultTolerationSeconds`), and
/// gives them half a minute to end then.
const GIVEN_UP: Duration = Duration::from_mins(6);
/// What a build says of it.
const REASON: &str = "NodeNotReady";

/// Since when pods of builds have been on a node that is not ready, by place and uid.
#[derive(Debug, Default)]
pub struct Lost(Since<(Place, String)>);

impl Lost {
    /// Looks at the pods of all builds; those whose node is given up.
    pub fn look(&mut self, world: &World) -> BTreeSet<Place> {
        let built = world.pods.iter();
        let built = built.filter(|(_, pod)| pod.labels().contains_key(job::LABEL));
        let on_lost = built.filter(|(_, pod)| node(world, pod).is_some());
        let on_lost = on_lost.map(|(place, pod)| (place.clone(), pod.uid().unwrap_or_default()));
        let waited = self.0.look(world.now, on_lost);
        waited
            .filter(|(_, waited)| *waited >= GIVEN_UP)
            .map(|((place, _), _)| place.clone())
            .collect()
    }
}

/// The node of a pod that has not ended, where that is not ready.
fn node<'a>(world: &'a World, pod: &'a Pod) -> Option<&'a str> {
    let phase = pod.status.as_ref()?.phase.as_deref();
    let name = pod.spec.as_ref()?.node_name.as_deref()?;
    let node = world.nodes.get(name)?;
    (!matches!(phase, Some("Succeeded" | "Failed")) && not_ready(node).is_some()).then_some(name)
}

/// What a build comes to whose pod is on such a node, and whether its Job is made again. What was said of it once stays, whoever
/// leads now, until its node is ready.
pub fn of(
    world: &World,
    build: &ModelBuild,
    recipe: &Recipe,
    job: &Job,
) -> Option<(Verdict, Next)> {
    let mut pods = artifact::pods(world, job);
    let (pod, node) = pods.find_map(|pod| Some((pod, node(world, pod)?)))?;
    let conditions = build.status.iter().flat_map(|status| &status.conditions);
    let mut conditions = conditions.filter(|told| told.type_ == "Stalled");
    let said = conditions.any(|told| told.reason == REASON && told.status == "True");
    let (name, namespace) = (job.name_any(), job.namespace().unwrap_or_default());
    let what = format!(
        "pod {} of Job {name} is on node {node}, which is not ready",
        pod.name_any()
    );
    let is_pushed = matches!(recipe.store, Store::Registry { .. });
    if !said && !world.lost.contains(&Place::of(pod)) {
        let otherwise = if is_pushed {
            "; where that takes minutes, the program is built on another"
        } else {
            ""
        };
        let message = format!("{what}: it goes on when the node is back{otherwise}");
        return Some((working(REASON, message), Next::Wait));
    }
    if is_pushed && !stays(pod) {
        let message = format!("{what}, and is given up: the Job is made again for another");
        return Some((working("Building", message), Next::Again));
    }
    let message = format!(
        "{what}, and has not been for minutes: bring the node back; or where it is off for certain, `kubectl delete job -n {namespace} {name}` has the program built on another"
    );
    Some((stalled(REASON, message), Next::Wait))
}

/// What becomes of a Job whose pod nobody hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is waited for.
    Wait,
    /// It goes, and another is made.
    Again,
}
