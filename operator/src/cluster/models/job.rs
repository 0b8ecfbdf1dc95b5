//! The Job that builds a program: the worker's own `build`, its model mounted to be read, the store to be written.
use crd::{
    id::Digest,
    kind::{ModelBuild, ModelBuildSpec},
};
use kube_client::ResourceExt;
use serde_json::{Value, json};

use super::{
    pod::{self, Access, Container, Volume},
    recipe::Recipe,
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
/// The worker's exit codes that no other try changes: a wrong command line, a wrong model, a file that is not there.
const FINAL: [i32; 3] = [64, 65, 66];

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
    let container = Container {
        name: "build",
        image: &recipe.image,
        arguments,
        volumes: vec![
            Volume {
                name: "model",
                path: MODEL,
                access: Access::Read,
                source,
            },
            Volume::programs(&recipe.claim, Access::Write),
        ],
        options: options.as_ref(),
        more: json!({ "terminationMessagePolicy": "FallbackToLogsOnError" }),
    };
    let labels = json!({ BUILD_LABEL: build.name_any() });
    let mut annotations = json!({ PROGRAM: recipe.key, STORE: recipe.claim });
    if let Some(uid) = &recipe.claim_uid {
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
                "podFailurePolicy": { "rules": failures() },
                "template": pod::template((BUILD_LABEL, &build.name_any()), recipe, &container, json!({ "restartPolicy": "Never" })),
            },
        }),
    }
}

/// A pod that was evicted is no failure, and one that says that its input is wrong is the last.
fn failures() -> Value {
    json!([
        {
            "action": "FailJob",
            "onExitCodes": { "containerName": "build", "operator": "In", "values": FINAL },
        },
        { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
    ])
}
