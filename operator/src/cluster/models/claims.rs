//! Claims that builds and workers mount: whether they are there and bound, and from where they may be mounted.
//!
//! A claim that is not there takes a person. So does one that no volume is bound to, where nobody makes one: it has no class.
//! Where it has one, a volume may be on its way, or waits for a pod to say where it is to be (`WaitForFirstConsumer`), so it is
//! given as long as a scheduler gives it, from when a pod waits for it. All of this is over by itself when the claim is there.
use std::{collections::BTreeMap, time::Duration};

use crd::kind::ModelBuild;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube_client::ResourceExt;

use super::{
    Verdict,
    since::Since,
    stalled, working,
    world::{Place, World},
};
use crate::cluster::{controller::stays, names::BUILD_LABEL};

/// Whoever declares a model together with its claims may have the claims come last, and a volume that is there be bound.
const SOON: Duration = Duration::from_secs(30);
/// How long a kube-scheduler waits for a volume to be bound (`bindTimeoutSeconds`), and a Deployment for progress.
const BOUND: Duration = Duration::from_mins(10);
const MISSING: &str = "ClaimMissing";
const UNBOUND: &str = "ClaimUnbound";

/// Where pods may be that mount a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// On any, as many as there are.
    Any,
    /// On one, all of them.
    One,
}

/// How a claim stands.
enum Stand<'a> {
    Missing,
    Leaves,
    /// No volume, and the class by which one is to be made.
    Unbound(Option<&'a str>),
    Bound,
}

/// Since when claims could not be used, by place and reason.
#[derive(Debug, Default)]
pub struct Unusable(Since<(Place, &'static str)>);

impl Unusable {
    /// Looks at the claims of all builds; for how long each that cannot be used has not been.
    pub fn look(&mut self, world: &World) -> BTreeMap<Place, Duration> {
        let builds = world.builds.values().filter(|build| stays(build.as_ref()));
        let mut now = Vec::new();
        for build in builds {
            for claim in [source(build), store(build)].into_iter().flatten() {
                let reason = match stand(world, &claim) {
                    Stand::Missing | Stand::Leaves => MISSING,
                    Stand::Unbound(_) if is_waited_for(world, build) => UNBOUND,
                    Stand::Unbound(_) | Stand::Bound => continue,
                };
                now.push((claim, reason));
            }
        }
        let waited = self.0.look(world.now, now.into_iter());
        waited
            .map(|((claim, _), waited)| (claim.clone(), waited))
            .collect()
    }
}

/// What keeps a build's job from being made, and its pods from running: a claim that is not there, or that nobody writes to.
pub fn against(world: &World, build: &ModelBuild) -> Option<Verdict> {
    let claims = [source(build), store(build)];
    let missing = claims
        .into_iter()
        .flatten()
        .find_map(|claim| missing(world, build, &claim));
    missing.or_else(|| {
        let claim = store(build)?;
        let modes = modes(world, &claim)?;
        let writes = modes.iter().any(|mode| mode.starts_with("ReadWrite"));
        (!writes).then(|| {
            stalled(
                "ClaimReadOnly",
                format!(
                    "nobody may write to {} (accessModes {}), and a program is written there: name one that is ReadWriteMany, or ReadWriteOnce for pods on one node",
                    told(&claim),
                    modes.join(", ")
                ),
            )
        })
    })
}

/// What a build comes to whose program was built, and whose claim is gone with it.
pub fn store_is_gone(world: &World, build: &ModelBuild) -> Option<Verdict> {
    let claim = store(build)?;
    let is_gone = matches!(stand(world, &claim), Stand::Missing);
    let verdict = missing(world, build, &claim).filter(|_| is_gone)?;
    (verdict.reason == MISSING).then_some(verdict)
}

/// What a build comes to whose pods wait for a volume that nobody makes.
pub fn unbound(world: &World, build: &ModelBuild) -> Option<Verdict> {
    if !is_waited_for(world, build) {
        return None;
    }
    let mut claims = [source(build), store(build)].into_iter().flatten();
    claims.find_map(|claim| {
        let Stand::Unbound(class) = stand(world, &claim) else {
            return None;
        };
        let (limit, why) = match class {
            None => (
                SOON,
                "has no StorageClass by which one would be made: make a PersistentVolume that fits, or the claim anew with a class".to_owned(),
            ),
            Some(class) => (
                BOUND,
                format!("its StorageClass {class} has made none while a pod waited for it"),
            ),
        };
        is_told(world, build, &claim, UNBOUND, limit).then(|| {
            let Place { namespace, name } = &claim;
            stalled(
                UNBOUND,
                format!(
                    "{} is bound to no volume, and {why}; `kubectl describe pvc -n {namespace} {name}` says more",
                    told(&claim)
                ),
            )
        })
    })
}

/// Why no model serves from a claim: the job that builds its next revision mounts it beside what serves.
pub fn is_for_one_pod(world: &World, claim: &Place) -> Option<Verdict> {
    let one = "ReadWriteOncePod";
    modes(world, claim)?.iter().any(|mode| mode == one).then(|| {
        stalled(
            "ClaimForOnePod",
            format!(
                "one pod alone may mount {} (accessModes {one}), and replicas and the job that builds the next revision mount it at once: name one that is ReadWriteMany, or ReadWriteOnce for pods on one node",
                told(claim)
            ),
        )
    })
}

/// The claim of a build's programs: its uid, and where pods that mount it may be.
pub fn holds(world: &World, claim: &Place) -> (Option<String>, Nodes) {
    let many = |modes: &[String]| modes.iter().any(|mode| mode == "ReadWriteMany");
    let nodes = match modes(world, claim) {
        Some(modes) if !many(modes) => Nodes::One,
        Some(_) | None => Nodes::Any,
    };
    let there = world.claims.get(claim);
    (there.and_then(|claim| claim.uid()), nodes)
}

fn missing(world: &World, build: &ModelBuild, claim: &Place) -> Option<Verdict> {
    let what = told(claim);
    let sentence = match stand(world, claim) {
        Stand::Missing => format!(
            "there is no {what}: make it, or name another (`kubectl get pvc -n {}` lists those that are there)",
            claim.namespace
        ),
        Stand::Leaves => {
            format!("{what} is being deleted: make it anew when it is gone, or name another")
        }
        Stand::Unbound(_) | Stand::Bound => return None,
    };
    Some(if is_told(world, build, claim, MISSING, SOON) {
        stalled(MISSING, sentence)
    } else {
        working("Building", sentence)
    })
}

/// Whether it is time to say it. What was said of it once stays, whoever leads now.
fn is_told(
    world: &World,
    build: &ModelBuild,
    claim: &Place,
    reason: &str,
    limit: Duration,
) -> bool {
    let waited = world.unusable.get(claim).copied().unwrap_or_default();
    let mut conditions = build.status.iter().flat_map(|status| &status.conditions);
    waited >= limit || conditions.any(|told| told.reason == reason)
}

fn stand<'a>(world: &'a World, claim: &Place) -> Stand<'a> {
    let Some(there) = world.claims.get(claim) else {
        return Stand::Missing;
    };
    if !stays(there.as_ref()) {
        return Stand::Leaves;
    }
    let phase = there
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    match phase {
        Some("Bound") => Stand::Bound,
        // Also one that lost its volume, and one that nobody has looked at yet.
        _ => Stand::Unbound(class(there)),
    }
}

fn class(claim: &PersistentVolumeClaim) -> Option<&str> {
    let class = claim.spec.as_ref()?.storage_class_name.as_deref()?;
    // An empty one is none.
    (!class.is_empty()).then_some(class)
}

fn modes<'a>(world: &'a World, claim: &Place) -> Option<&'a [String]> {
    let there = world.claims.get(claim)?;
    there.spec.as_ref()?.access_modes.as_deref()
}

fn source(build: &ModelBuild) -> Option<Place> {
    let pvc = build.spec.source.pvc.as_ref()?;
    Some(Place::of(build).beside(&pvc.claim))
}

fn store(build: &ModelBuild) -> Option<Place> {
    let pvc = build.spec.store.as_ref()?.pvc.as_ref()?;
    Some(Place::of(build).beside(&pvc.claim))
}

/// Whether a pod of this build has no node yet.
fn is_waited_for(world: &World, build: &ModelBuild) -> bool {
    let waits = |pod: &Pod| {
        let status = pod.status.as_ref();
        let mut said = status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten();
        let pending = status.and_then(|status| status.phase.as_deref()) == Some("Pending");
        pending && !said.any(|told| told.type_ == "PodScheduled" && told.status == "True")
    };
    let place = Place::of(build);
    let mut pods = world.pods_of(&place, BUILD_LABEL);
    pods.any(|pod| stays(pod.as_ref()) && waits(pod))
}

fn told(claim: &Place) -> String {
    format!("claim {} in namespace {}", claim.name, claim.namespace)
}
