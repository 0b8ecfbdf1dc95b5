//! Builds: each has one Job for the program that is declared now, and those whose programs are still served.
use std::{collections::BTreeSet, sync::Arc};

use crd::kind::{ModelBuild, ModelBuildStatus};
use k8s_openapi::api::batch::v1::Job;
use kube_client::ResourceExt;

use super::{
    Verdict,
    artifact::{self, Told},
    claims, job, lost, obstacle, placeless, podless,
    recipe::{Recipe, Store, recipe},
    stalled,
    wanted::{Held, Owner, applied, is_of},
    words, working,
    world::{Place, World},
    writes::Write,
};
use crate::cluster::{
    condition::{self, Standing},
    controller::stays,
    names::{APPLIED, PROGRAM, REQUESTED_AT, STORE, STORE_UID},
};

/// What a turn comes to for one build.
#[derive(Debug)]
pub struct Course {
    /// How it stands.
    pub verdict: Verdict,
    /// Its program, where it is built.
    pub built: Option<Recipe>,
    /// Where a program lies in a registry, the one that is built or one before it.
    pub artifact: Option<String>,
    /// What is to be written beside its status.
    pub writes: Vec<Write>,
}

impl Course {
    /// Nothing is built and nothing written.
    fn without(verdict: Verdict) -> Self {
        Self {
            verdict,
            built: None,
            artifact: None,
            writes: Vec::new(),
        }
    }
}

/// Decides for one build; `served` are the keys of the programs that some model serves.
pub fn course(world: &World, build: &Arc<ModelBuild>, served: &BTreeSet<String>) -> Course {
    match recipe(build, world) {
        Err(verdict) => Course {
            artifact: kept(build),
            ..Course::without(verdict)
        },
        Ok(recipe) => {
            let mut course = current(world, build, recipe);
            course.writes.extend(past(world, build, &course, served));
            course
        }
    }
}

/// The status, where it differs from what stands there.
pub fn status(world: &World, build: &Arc<ModelBuild>, course: &Course) -> Option<Write> {
    let before = build.status.clone().unwrap_or_default();
    let Verdict {
        standing,
        reason,
        message,
    } = &course.verdict;
    let (model, program) = match &course.built {
        Some(recipe) => (Some(recipe.model.clone()), Some(recipe.key.clone())),
        // What was built before is there still.
        None => (before.model.clone(), before.program.clone()),
    };
    let status = ModelBuildStatus {
        observed_generation: build.metadata.generation,
        model,
        program,
        artifact: course.artifact.clone(),
        conditions: condition::conditions(
            &before.conditions,
            condition::standing(*standing, reason, message),
            build.metadata.generation,
            world.now,
        ),
    };
    (status != before).then(|| Write::BuildStatus {
        build: build.clone(),
        status,
    })
}

fn current(world: &World, build: &Arc<ModelBuild>, mut recipe: Recipe) -> Course {
    let owner = Owner::new("ModelBuild", build.as_ref());
    let requested = build.annotations().get(REQUESTED_AT).map(String::as_str);
    let wanted = job::job(build, &recipe, requested);
    let name = &wanted.object.place.name;
    let live = world.jobs.get(&wanted.object.place);
    if let Store::Registry { declared, artifact } = &mut recipe.store
        && let Some(kept) = artifact::kept(build, &recipe.key, &declared.repository)
    {
        let made_for = |job: &Arc<Job>| job.annotations().get(REQUESTED_AT).cloned();
        let again =
            live.is_some_and(|job| ended(job).is_some() && made_for(job).as_deref() != requested);
        // What is not kept any more is not taken for built once the job is gone, whatever comes between.
        if again {
            let message = format!("{kept} is built again, as somebody asked for");
            return Course::without(working("Building", message));
        }
        // What lies in a registry outlives the job that put it there.
        *artifact = Some(kept.clone());
        return Course {
            verdict: built(format!("the program is {kept}")),
            built: Some(recipe),
            artifact: Some(kept),
            writes: Vec::new(),
        };
    }
    let before = kept(build);
    if let Some(verdict) = unusable(world, build, &recipe, live) {
        return Course {
            artifact: before,
            ..Course::without(verdict)
        };
    }
    let refused = wanted.refusal(world, &owner);
    let (verdict, is_built, write) = match (wanted.held(world, &owner, live.map(Arc::as_ref)), live)
    {
        (Held::Taken, _) => (
            stalled(
                "NameTaken",
                format!(
                    "Job {name} is there and is not this build's: delete it, or give the build another name"
                ),
            ),
            false,
            None,
        ),
        (Held::Leaves, _) => (
            working("Building", format!("Job {name} goes away first")),
            false,
            None,
        ),
        (held, None) => {
            let write = match held {
                Held::Write { body, version } => Some(Write::Apply {
                    object: wanted.object.clone(),
                    body,
                    version,
                }),
                Held::Fits | Held::Taken | Held::Leaves | Held::Refused => None,
            };
            let verdict = match refused {
                Some(refusal) => super::refused(&wanted.object, refusal),
                None => working("Building", format!("Job {name} is being made")),
            };
            (verdict, false, write)
        }
        // A job does not change: what it ran is what it has, whatever else is there now.
        (Held::Fits | Held::Write { .. } | Held::Refused, Some(job)) => {
            let made_for = |key: &str| job.annotations().get(key).map(String::as_str);
            // Another claim of the same name has not got what this job built.
            let now = match &recipe.store {
                Store::Claim { uid, .. } => uid.as_deref(),
                Store::Registry { .. } => None,
            };
            let there = made_for(STORE_UID);
            let same_claim = there.is_none() || now.is_none() || there == now;
            let same_program = is_for(job, &recipe) && same_claim;
            // Whoever asks for another try means one that has ended, well or not: a build at work goes on.
            let body = job::job(build, &recipe, made_for(REQUESTED_AT)).body(&owner);
            let same = made_for(APPLIED) == applied(&body);
            let asked = requested != made_for(REQUESTED_AT);
            match ended(job) {
                Some(Ended::Complete) if same_program && !asked => {
                    let (verdict, write) = done(world, &mut recipe, job);
                    let is_built = verdict.standing == Standing::Ready;
                    (verdict, is_built, write)
                }
                Some(Ended::Failed(_)) | None
                    if same && !asked && job::lost_its_model(build, job) =>
                {
                    (words::dropped(build), false, None)
                }
                Some(Ended::Failed(why)) if same && !asked => (
                    stalled("BuildFailed", words::failed(build, &recipe, job, &why)),
                    false,
                    None,
                ),
                None if same => {
                    let lost = lost::of(world, build, &recipe, job);
                    let (verdict, next) = lost
                        .unwrap_or_else(|| (at_work(world, build, &recipe, job), lost::Next::Wait));
                    let again = next == lost::Next::Again;
                    (verdict, false, again.then(|| Write::DeleteJob(job.clone())))
                }
                Some(Ended::Complete | Ended::Failed(_)) | None => (
                    working(
                        "Building",
                        format!("Job {name} is made again, as it is declared now"),
                    ),
                    false,
                    Some(Write::DeleteJob(job.clone())),
                ),
            }
        }
    };
    let artifact = match &recipe.store {
        Store::Registry { artifact, .. } if is_built => artifact.clone(),
        Store::Claim { .. } if is_built => None,
        Store::Claim { .. } | Store::Registry { .. } => before,
    };
    Course {
        verdict,
        built: is_built.then_some(recipe),
        artifact,
        writes: write.into_iter().collect(),
    }
}

/// How a job stands that has not ended: what keeps its pods, where something does.
fn at_work(world: &World, build: &ModelBuild, recipe: &Recipe, job: &Job) -> Verdict {
    let place = Place::of(job);
    obstacle::of(world, &place, job::LABEL)
        .or_else(|| words::evicted(world, job))
        .or_else(|| claims::unbound(world, build))
        .or_else(|| podless::of(world, build, job))
        .or_else(|| placeless::of(world, &place, job::LABEL))
        .unwrap_or_else(|| working("Building", words::goes_on(world, recipe, job)))
}

/// What was built before is there still.
fn kept(build: &ModelBuild) -> Option<String> {
    build.status.as_ref()?.artifact.clone()
}

fn built(message: String) -> Verdict {
    Verdict {
        standing: Standing::Ready,
        reason: "Built".to_owned(),
        message,
    }
}

/// What a job that is done comes to: its program is on its claim, or where its pod said, which the recipe has then.
fn done(world: &World, recipe: &mut Recipe, job: &Arc<Job>) -> (Verdict, Option<Write>) {
    let (declared, known) = match &mut recipe.store {
        Store::Claim { name, .. } => {
            return (built(format!("the program lies on claim {name}")), None);
        }
        Store::Registry { declared, artifact } => (declared, artifact),
    };
    let (name, namespace) = (job.name_any(), job.namespace().unwrap_or_default());
    match artifact::told(world, job) {
        Told::Digest(digest) => {
            let artifact = format!("{}@{digest}", declared.repository);
            *known = Some(artifact.clone());
            (built(format!("the program is {artifact}")), None)
        }
        Told::NotYet => {
            let waits = format!("Job {name} is done, and its pod's last words are waited for");
            (working("Building", waits), None)
        }
        Told::Gone => {
            let why = "its pod went before it was read what it had pushed";
            let verdict = working("Building", format!("Job {name} is made again: {why}"));
            (verdict, Some(Write::DeleteJob(job.clone())))
        }
        Told::Nothing(pod) => (
            stalled(
                "ArtifactUnknown",
                format!(
                    "pod {pod} of Job {name} ended well and did not say by what digest the program lies in {}: `kubectl logs -n {namespace} {pod}` shows what it did; is the controller's --worker-image of another version? Annotate the build with {REQUESTED_AT} to have it built again",
                    declared.repository
                ),
            ),
            None,
        ),
    }
}

/// What stands against a build's claims. One that runs has them, and one that is done needs what it wrote alone.
fn unusable(
    world: &World,
    build: &ModelBuild,
    recipe: &Recipe,
    live: Option<&Arc<Job>>,
) -> Option<Verdict> {
    let job = live.map(Arc::as_ref);
    if job.is_some_and(|job| ended(job).is_none() && runs(job)) {
        return None;
    }
    let done = |job: &Job| matches!(ended(job), Some(Ended::Complete)) && is_for(job, recipe);
    if job.is_some_and(done) {
        return claims::store_is_gone(world, build);
    }
    claims::against(world, build)
}

fn is_for(job: &Job, recipe: &Recipe) -> bool {
    let made_for = |key: &str| job.annotations().get(key).map(String::as_str);
    made_for(PROGRAM) == Some(recipe.key.as_str()) && made_for(STORE) == Some(recipe.store.name())
}

/// Whether a pod of it runs.
pub fn runs(job: &Job) -> bool {
    let status = job.status.as_ref();
    status.and_then(|status| status.ready).unwrap_or_default() > 0
}

/// Jobs for programs that are declared no more and that no model serves.
fn past(
    world: &World,
    build: &Arc<ModelBuild>,
    course: &Course,
    served: &BTreeSet<String>,
) -> Vec<Write> {
    let owner = Owner::new("ModelBuild", build.as_ref());
    let Ok(recipe) = recipe(build, world) else {
        return Vec::new();
    };
    let now = Place::of(build.as_ref()).beside(&job::name(build, &recipe));
    let is_served = |job: &Job| {
        let program = job.annotations().get(PROGRAM);
        program.is_some_and(|program| served.contains(program))
    };
    // What runs for nothing goes at once; what is done is left until there is something in its place.
    let goes = |job: &Job| ended(job).is_none() || course.built.is_some();
    world
        .jobs
        .iter()
        .filter(|(place, job)| {
            **place != now
                && stays(job.as_ref())
                && is_of(job.as_ref(), &owner)
                && !is_served(job)
                && goes(job)
        })
        .map(|(_, job)| Write::DeleteJob(job.clone()))
        .collect()
}

/// How a job ended.
enum Ended {
    Complete,
    Failed(String),
}

fn ended(job: &Job) -> Option<Ended> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .filter(|condition| condition.status == "True")
        .find_map(|condition| match condition.type_.as_str() {
            "Complete" => Some(Ended::Complete),
            "Failed" => Some(Ended::Failed(condition.message.clone().unwrap_or_default())),
            _ => None,
        })
}
