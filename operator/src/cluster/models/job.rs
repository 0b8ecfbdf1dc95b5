//! The Job that builds a program: the worker's own `build`, its model mounted to be read, the store to be written. Where that
//! is a registry, it is built in the pod first and pushed then.
use crd::{
    id::Digest,
    kind::{ModelBuild, ModelBuildSpec, OciStore, PodOptions},
};
use k8s_openapi::api::batch::v1::Job;
use kube_client::ResourceExt;
use serde_json::{Value, json};

use super::{
    pod::{self, Access, Container, Volume},
    recipe::{Recipe, Store},
    wanted::Wanted,
    world::{Made, Object, Place},
};
use crate::cluster::names::{BUILD_LABEL, PROGRAM, REQUESTED_AT, STORE, STORE_UID};

/// On the pods of a job: its name, as Kubernetes writes it.
pub const LABEL: &str = "batch.kubernetes.io/job-name";
/// Letters of a key that a job's name has: with the longest name of a build they fit into a label.
const LETTERS: usize = 10;
/// A pod that ended by itself with something that may pass is tried again so often.
const TRIES: u32 = 3;
/// A build takes up to an hour for large models; a day is beyond doubt.
const LIMIT_SECONDS: u32 = 24 * 60 * 60;
/// Where the model is mounted.
const MODEL: &str = "/model";
/// The model's volume.
const VOLUME: &str = "model";
/// The container that builds.
const BUILD: &str = "build";
/// The container that pushes what was built.
pub const PUSH: &str = "push";
/// The worker's exit codes that no other try changes: a wrong command line, a wrong model, a file that is not there.
const FINAL: [i32; 3] = [64, 65, 66];
/// Those of whoever pushes: a wrong command line, a registry that does not take it, a file or a repository that is not there,
/// no right to push.
const FINAL_OF_PUSH: [i32; 4] = [64, 65, 66, 77];
/// Where a container leaves its last words, by default.
const LAST_WORDS: &str = "/dev/termination-log";

/// The job's name: the build's, and the first letters of the key.
pub fn name(build: &ModelBuild, recipe: &Recipe) -> String {
    let letters: String = recipe
        .key
        .as_str()
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .chars()
        .take(LETTERS)
        .collect();
    format!("{}-{letters}", build.name_any())
}

/// The job as it is to be, made when somebody had asked for it so.
pub fn job(build: &ModelBuild, recipe: &Recipe, requested: Option<&str>) -> Wanted {
    let ModelBuildSpec {
        source: declared,
        target: _,
        precision: _,
        shapes,
        topology,
        accelerator: _,
        store: _,
        pod: options,
    } = &build.spec;
    let model = match (&declared.pvc, &declared.oci) {
        (Some(pvc), _) => (
            // The volume whole: checkpoints as the hub's own cache lays them out are links to beside their folder.
            format!("{MODEL}/{}", pvc.path.trim_start_matches('/')),
            ("persistentVolumeClaim", json!({ "claimName": pvc.claim })),
        ),
        (None, oci) => (
            MODEL.to_owned(),
            (
                "image",
                json!({ "reference": oci.as_ref().map(|oci| &oci.reference), "pullPolicy": "IfNotPresent" }),
            ),
        ),
    };
    let (checkpoint, source) = model;
    let mut arguments = [
        "build",
        "--checkpoint",
        &checkpoint,
        "--out",
        &pod::program_folder(&recipe.key),
        "--shards",
        &topology.shards.to_string(),
        "--precision",
        recipe.precision,
        "--key",
        recipe.key.as_str(),
        "--slots",
        &shapes.batch.to_string(),
        "--context",
        &shapes.context_length.to_string(),
    ]
    .map(str::to_owned)
    .to_vec();
    // Whoever builds reads the model anyway. An artifact's own digest is verified by whoever pulls it.
    if let Some(Digest(declared)) = &declared.digest {
        arguments.extend(["--model-digest".to_owned(), declared.clone()]);
    }
    let build_of = Container {
        name: BUILD,
        image: &recipe.image,
        program: "shardplane-worker",
        arguments,
        volumes: vec![
            Volume {
                name: VOLUME,
                path: MODEL.to_owned(),
                access: Access::Read,
                source,
            },
            Volume::built(recipe, Access::Write),
        ],
        options: options.as_ref(),
        more: json!({ "terminationMessagePolicy": "FallbackToLogsOnError" }),
    };
    let push_of = match &recipe.store {
        Store::Claim { .. } => None,
        Store::Registry { declared, .. } => Some(push(recipe, declared, options.as_ref())),
    };
    let containers = match &push_of {
        None => (None, &build_of),
        Some(push) => (Some(&build_of), push),
    };
    let labels = json!({ BUILD_LABEL: build.name_any() });
    let mut annotations = json!({ PROGRAM: recipe.key, STORE: recipe.store.name() });
    if let Store::Claim { uid: Some(uid), .. } = &recipe.store {
        annotations[STORE_UID] = json!(uid);
    }
    if let Some(requested) = requested {
        annotations[REQUESTED_AT] = json!(requested);
    }
    Wanted {
        object: Object {
            made: Made::Job,
            place: Place::of(build).beside(&name(build, recipe)),
        },
        said: json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "labels": labels, "annotations": annotations },
            "spec": {
                "backoffLimit": TRIES,
                "activeDeadlineSeconds": LIMIT_SECONDS,
                "podFailurePolicy": { "rules": failures(&recipe.store) },
                "template": pod::template((BUILD_LABEL, &build.name_any()), recipe, containers, json!({ "restartPolicy": "Never" })),
            },
        }),
    }
}

/// Whether a job's model was to be mounted from a registry, and the server stored it without.
pub fn lost_its_model(build: &ModelBuild, job: &Job) -> bool {
    let spec = job.spec.as_ref();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let mut volumes = pod.into_iter().flat_map(|pod| pod.volumes.iter().flatten());
    let is_there = volumes.any(|volume| volume.name == VOLUME && volume.image.is_some());
    build.spec.source.oci.is_some() && !is_there
}

/// Pushes what was built, and leaves the digest as its last words: by these the build is known.
fn push<'a>(
    recipe: &'a Recipe,
    declared: &'a OciStore,
    options: Option<&'a PodOptions>,
) -> Container<'a> {
    let OciStore {
        repository,
        push_secret,
        plain_http,
    } = declared;
    let folder = pod::program_folder(&recipe.key);
    let tag = recipe.key.as_str().replace(':', "-");
    let what = [&*folder, &format!("{repository}:{tag}")];
    let mut arguments = pod::artifact(["push", what[0], what[1]], *plain_http);
    arguments.extend(["--digest-to".to_owned(), LAST_WORDS.to_owned()]);
    Container {
        name: PUSH,
        image: &recipe.image,
        program: "shardplane",
        arguments,
        volumes: vec![
            Volume::built(recipe, Access::Read),
            Volume::credentials(push_secret.as_deref()),
        ],
        options,
        more: json!({ "terminationMessagePolicy": "FallbackToLogsOnError" }),
    }
}

/// A pod that was evicted is no failure, and one that says that its input is wrong is the last. Each container has codes of
/// its own; one that runs first ends the pod as one that runs last does.
fn failures(store: &Store) -> Value {
    let is_final = |name: &str, codes: &[i32]| {
        json!({
            "action": "FailJob",
            "onExitCodes": { "containerName": name, "operator": "In", "values": codes },
        })
    };
    let mut rules = vec![is_final(BUILD, &FINAL)];
    match store {
        Store::Claim { .. } => {}
        Store::Registry { .. } => rules.push(is_final(PUSH, &FINAL_OF_PUSH)),
    }
    rules.push(json!({ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] }));
    json!(rules)
}
