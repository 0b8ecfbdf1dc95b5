//! How a served model stands, by what its build and its deployment say, and its status.
use std::sync::Arc;

use crd::kind::{ShardedModel, ShardedModelStatus};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kube_client::ResourceExt;

use super::{
    Verdict,
    evicted::{self, Ends},
    obstacle, placeless,
    serving::{Course, own},
    stalled, workers, working,
    world::{Place, World},
    writes::Write,
};
use crate::cluster::{
    condition::{self, Standing},
    names::{MODEL_LABEL, PROGRAM},
};

/// The status, where it differs from what stands there.
pub fn status(world: &World, model: &Arc<ShardedModel>, course: &Course) -> Option<Write> {
    let before = model.status.clone().unwrap_or_default();
    let Verdict {
        standing,
        reason,
        message,
    } = &course.verdict;
    let deployment = own(world, model);
    let counts = deployment.and_then(|deployment| deployment.status.as_ref());
    let program = deployment
        .filter(|deployment| has_rolled(deployment))
        .and_then(|deployment| deployment.annotations().get(PROGRAM))
        .map(|program| program.as_str().into())
        .or_else(|| before.program.clone());
    let status = ShardedModelStatus {
        observed_generation: model.metadata.generation,
        replicas: Some(count(counts.and_then(|counts| counts.replicas))),
        ready_replicas: Some(count(counts.and_then(|counts| counts.ready_replicas))),
        updated_replicas: Some(count(counts.and_then(|counts| counts.updated_replicas))),
        selector: Some(workers::selector(model)),
        program,
        conditions: condition::conditions(
            &before.conditions,
            condition::standing(*standing, reason, message),
            model.metadata.generation,
            world.now,
        ),
    };
    (status != before).then(|| Write::ModelStatus {
        model: model.clone(),
        status,
    })
}

/// Whether every replica is of the newest revision.
pub fn has_rolled(deployment: &Deployment) -> bool {
    observed(deployment).is_some_and(|status| {
        count(status.updated_replicas) == count(status.replicas)
            && count(status.available_replicas) == count(status.replicas)
    })
}

/// What goes on while nothing new is served.
pub fn meanwhile(there: &Deployment) -> String {
    let status = there.status.as_ref();
    let serving = count(status.and_then(|status| status.ready_replicas));
    format!("; meanwhile {serving} replicas serve the program before")
}

/// How it stands while it has no program of its newest declaration.
pub fn waits(build: &str, verdict: &Verdict, there: Option<&Deployment>) -> Verdict {
    let meanwhile = there.map_or_else(String::new, meanwhile);
    let message = format!("ModelBuild {build}: {}{meanwhile}", verdict.message);
    match verdict.standing {
        Standing::Stalled => stalled(&verdict.reason, message),
        Standing::Ready | Standing::Working => working("Building", message),
    }
}

/// How it stands with a program to serve, and a deployment that stands there as it is to be, once it does.
pub fn serves(world: &World, model: &ShardedModel, there: Option<&Deployment>) -> Verdict {
    let Some(status) = there.and_then(observed) else {
        let name = model.name_any();
        return working("Starting", format!("Deployment {name} is being written"));
    };
    let wanted = i32::try_from(model.spec.replicas).unwrap_or(i32::MAX);
    let updated = count(status.updated_replicas);
    let available = count(status.available_replicas);
    let serving = format!("{available} of {wanted} replicas serve");
    let place = Place::of(model);
    let pods = world.pods_of(&place, MODEL_LABEL).map(AsRef::as_ref);
    let ends = evicted::lately(world, pods, model.spec.replicas);
    if let Some(Ends { again: true, why }) = &ends {
        let help = "`spec.pod.resources`, a LimitRange of the namespace, or the node";
        let message =
            format!("{serving}, and nodes end its pods again and again ({why}): see to {help}");
        return stalled("Evicted", message);
    }
    if [updated, available, count(status.replicas)] == [wanted; 3] {
        return Verdict {
            standing: Standing::Ready,
            reason: "AsDeclared".to_owned(),
            message: serving,
        };
    }
    let look = format!(
        "`kubectl describe pods -n {} -l {}` says more",
        model.namespace().unwrap_or_default(),
        workers::selector(model)
    );
    if let Some(why) = says(status, "ReplicaFailure", "True") {
        let why = format!("{serving}, and no pod can be made: {why}");
        return stalled("PodsRefused", why);
    }
    if let Some(mut verdict) = obstacle::of(world, &place, MODEL_LABEL) {
        verdict.message = format!("{serving}: {}", verdict.message);
        return verdict;
    }
    if let Some(pod) = placeless::pod(world, &place, MODEL_LABEL) {
        let why = placeless::no_node_takes(pod);
        let is_surplus = count(status.replicas) > wanted;
        if is_surplus && workers::wants_room(&model.spec) {
            let help = "make room for it, or write `rollout.allowDowntime: true` for a replica to end before its successor serves";
            let message = format!("{serving} and none may be missing, while {why}: {help}");
            return stalled("DrainBlocked", message);
        }
        return stalled("Unschedulable", format!("{serving}: {why}"));
    }
    if let Some(why) = says(status, "Progressing", "False") {
        return stalled("NotStarting", format!("{serving}: {why}; {look}"));
    }
    let ended = ends.map_or_else(String::new, |ends| {
        format!("; a node ended a pod ({})", ends.why)
    });
    working(
        "Starting",
        format!("{serving}, {updated} are of the newest revision{ended}; {look}"),
    )
}

/// What is said of a deployment as it is declared now.
fn observed(deployment: &Deployment) -> Option<&DeploymentStatus> {
    let status = deployment.status.as_ref()?;
    (status.observed_generation == deployment.metadata.generation).then_some(status)
}

/// The words of a condition that has this status.
fn says<'a>(status: &'a DeploymentStatus, type_: &str, holds: &str) -> Option<&'a str> {
    let mut conditions = status.conditions.iter().flatten();
    let told = conditions.find(|told| {
        told.type_.as_deref() == Some(type_) && told.status.as_deref() == Some(holds)
    })?;
    Some(told.message.as_deref().unwrap_or("no reason was given"))
}

fn count(of: Option<i32>) -> i32 {
    of.unwrap_or_default()
}
