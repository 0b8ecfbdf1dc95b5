//! Jobs without a pod: whoever admits pods refuses theirs, by a quota, a range of limits, Pod Security or an account that is not
//! there. Kubernetes says so in an event, and in nothing that a job shows: it is told by the time that passes.
use std::{collections::BTreeSet, time::Duration};

use crd::kind::ModelBuild;
use k8s_openapi::api::batch::v1::Job;
use kube_client::ResourceExt;

use super::{
    Verdict, job,
    since::Since,
    stalled,
    world::{Place, World},
};

/// A job's pod is made within moments, or not at all for now.
const SOON: Duration = Duration::from_secs(30);
/// What a build says of it.
const REASON: &str = "PodsRefused";

/// Since when jobs were seen without a pod, by place and uid.
#[derive(Debug, Default)]
pub struct Podless(Since<(Place, String)>);

impl Podless {
    /// Looks at all jobs; those that had no pod for longer than a pod takes.
    pub fn look(&mut self, world: &World) -> BTreeSet<Place> {
        let none = world.jobs.iter().filter(|(_, job)| has_none(world, job));
        let none = none.map(|(place, job)| (place.clone(), job.uid().unwrap_or_default()));
        let waited = self.0.look(world.now, none);
        waited
            .filter(|(_, waited)| *waited >= SOON)
            .map(|((place, _), _)| place.clone())
            .collect()
    }
}

/// Whether a job that somebody looks after has no pod, and never had one.
fn has_none(world: &World, job: &Job) -> bool {
    let Some(status) = &job.status else {
        return false;
    };
    let counts = [status.active, status.succeeded, status.failed];
    let has = (world.pods_of(&Place::of(job), job::LABEL))
        .next()
        .is_some();
    let counted = counts.into_iter().flatten().any(|count| count > 0);
    status.start_time.is_some() && !counted && !has
}

/// What a build comes to whose job gets no pod. What was said of it once stays, whoever leads now, until there is one.
pub fn of(world: &World, build: &ModelBuild, job: &Job) -> Option<Verdict> {
    let conditions = build.status.iter().flat_map(|status| &status.conditions);
    let said = conditions.into_iter().any(|told| told.reason == REASON);
    let waits = world.podless.contains(&Place::of(job)) || said && has_none(world, job);
    let (name, namespace) = (job.name_any(), job.namespace().unwrap_or_default());
    waits.then(|| {
        stalled(
            REASON,
            format!(
                "Job {name} gets no pod; `kubectl describe job -n {namespace} {name}` says why (a quota, limits, Pod Security, an account), and it is tried again"
            ),
        )
    })
}
