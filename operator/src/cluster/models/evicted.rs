//! Pods that their nodes ended: evicted for what they took, or not let in. Each is followed by another, so that nothing is started
//! again and a model may serve between two ends: it is told by the pods that are left.
use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{
    since::Since,
    world::{Place, World},
};
use crate::cluster::controller::stays;

/// How long an end is of now.
const RECENT: Duration = Duration::from_mins(15);
/// Ends within that which may come once and be over, for each pod that is wanted: a node that is short of something frees it by
/// them, and pods go elsewhere.
const MAY_BE: usize = 2;
/// What a Deployment's pods have in common that are of one revision.
const REVISION: &str = "pod-template-hash";

/// Since when pods have been ended, by place and uid.
#[derive(Debug, Default)]
pub struct Evicted(Since<(Place, String)>);

impl Evicted {
    /// Looks at all pods; for how long those that their nodes ended have been so. One that ended before this controller led has
    /// its node's word for when that was.
    pub fn look(&mut self, world: &World) -> BTreeMap<Place, Duration> {
        let ended =
            (world.pods.iter()).filter(|(_, pod)| stays(pod.as_ref()) && why(pod).is_some());
        let ended = ended.map(|(place, pod)| (place.clone(), pod.uid().unwrap_or_default()));
        let seen = self.0.look(world.now, ended);
        seen.map(|((place, _), seen)| {
            let status = world.pods.get(place).and_then(|pod| pod.status.as_ref());
            let at = status.and_then(at).map_or(world.now, |at| at);
            (place.clone(), seen.max(at.until(world.now)))
        })
        .collect()
    }
}

/// Why a node ended a pod, in its words. Containers that end by themselves leave no reason on their pod.
fn why(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let reason = status.reason.as_deref()?;
    (status.phase.as_deref() == Some("Failed")).then(|| match status.message.as_deref() {
        Some(message) => format!("{reason}: {}", message.trim().trim_end_matches('.')),
        None => reason.to_owned(),
    })
}

/// When a pod ended: nothing changed in its conditions after that.
fn at(status: &PodStatus) -> Option<Timestamp> {
    let conditions = status.conditions.iter().flatten();
    let changed = conditions.filter_map(|told| told.last_transition_time.as_ref());
    let last = changed.max().or(status.start_time.as_ref())?;
    u64::try_from(last.0.as_millisecond()).ok().map(Timestamp)
}

/// How pods were ended lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Whether each that is wanted was ended more often than may come once and be over.
    pub again: bool,
    /// Why the last was, in its node's words.
    pub why: String,
}

/// How these pods were ended lately, of which so many are wanted; those of an older revision than the newest pod are of the past.
pub fn lately<'a>(world: &World, pods: impl Iterator<Item = &'a Pod>, wanted: u32) -> Option<Ends> {
    let pods: Vec<&Pod> = pods.collect();
    let revision = |pod: &Pod| pod.labels().get(REVISION).cloned();
    let newest = (pods.iter()).max_by_key(|pod| pod.metadata.creation_timestamp.as_ref())?;
    let newest = revision(newest);
    let mut ended: Vec<(Duration, &Pod)> = pods
        .iter()
        .filter(|pod| revision(pod) == newest)
        .filter_map(|pod| Some((*world.evicted.get(&Place::of(*pod))?, *pod)))
        .filter(|(since, _)| *since < RECENT)
        .collect();
    ended.sort_by_key(|(since, _)| *since);
    let (_, last) = ended.first()?;
    let wanted = usize::try_from(wanted.max(1)).unwrap_or(usize::MAX);
    Some(Ends {
        again: ended.len() > wanted.saturating_mul(MAY_BE),
        why: why(last)?,
    })
}
