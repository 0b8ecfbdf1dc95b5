//! What serves a model: a Deployment of workers, the Service before them, and a budget for their disruption.
use crd::kind::{Connectivity, ModelRollout, Serving, ShardedModel, ShardedModelSpec};
use kube_client::ResourceExt;
use serde_json::{Value, json};

use super::{
    pod::{self, Access, Container, Volume},
    recipe::{Recipe, Store},
    wanted::Wanted,
    world::{Artifacts, Made, Object, Place},
};
use crate::cluster::names::{MODEL_LABEL, PROGRAM};

/// Where a worker listens in its pod.
const PORT: u16 = 8080;
/// The Service's port where the model declares none: what clients take when an address names none.
const FRONT_PORT: u16 = 80;
/// Requests that may wait for each slot where nothing is declared, as on one machine.
const QUEUE_PER_SLOT: u32 = 4;
/// How long a pod goes on listening after it was told to end: as long as it takes every node to hear of that.
const GOODBYE_SECONDS: u32 = 5;
/// How long clients that keep their connection are told to ask elsewhere after that: each is told with its next answer.
const FAREWELL_SECONDS: u32 = 5;
/// What a worker takes to end once nobody asks it any more.
const END_SECONDS: u32 = 10;
/// Looks while a worker loads, two seconds apart: ten minutes.
const STARTING_LOOKS: u32 = 300;

/// The selector of a model's pods, as autoscalers read it.
pub fn selector(model: &ShardedModel) -> String {
    format!("{MODEL_LABEL}={}", model.name_any())
}

/// The deployment as it is to be, with a program that is there.
///
/// `artifacts` says how its pods get one that lies in a registry, `room` whether there is any for a surplus pod.
pub fn deployment(
    model: &ShardedModel,
    recipe: &Recipe,
    artifacts: Artifacts,
    room: Room,
) -> Wanted {
    let spec = &model.spec;
    let Serving {
        context_length,
        slots,
        queue,
        request_seconds,
        port: _,
    } = &spec.serving;
    let connectivity = match spec.connectivity {
        Connectivity::P2P => "p2p",
        Connectivity::ThroughHost => "through-host",
    };
    let queue = queue.unwrap_or_else(|| slots.saturating_mul(QUEUE_PER_SLOT));
    let request = request_seconds.unwrap_or(Serving::REQUEST_SECONDS);
    let name = model.name_any();
    let arguments = [
        "serve",
        "--program",
        &pod::program_folder(&recipe.key),
        "--listen",
        &format!("0.0.0.0:{PORT}"),
        "--connectivity",
        connectivity,
        "--slots",
        &slots.to_string(),
        "--context",
        &context_length.to_string(),
        "--queue",
        &queue.to_string(),
        "--name",
        &name,
        "--farewell",
        &FAREWELL_SECONDS.to_string(),
        "--request-deadline",
        &request.to_string(),
        "--drain-deadline",
        &request.to_string(),
    ];
    let look = |path: &str| json!({ "path": path, "port": "http" });
    let container = Container {
        name: "worker",
        image: &recipe.image,
        program: "shardplane-worker",
        arguments: arguments.map(str::to_owned).into(),
        volumes: vec![Volume::served(recipe, artifacts)],
        options: spec.pod.as_ref(),
        more: json!({
            "ports": [{ "name": "http", "containerPort": PORT, "protocol": "TCP" }],
            // A worker answers nothing until it has loaded its program.
            "startupProbe": { "httpGet": look("/readyz"), "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": STARTING_LOOKS },
            "readinessProbe": { "httpGet": look("/readyz"), "periodSeconds": 2, "timeoutSeconds": 2 },
            "livenessProbe": { "httpGet": look("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5 },
            "lifecycle": { "preStop": { "sleep": { "seconds": GOODBYE_SECONDS } } },
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }),
    };
    let first = match (&recipe.store, artifacts) {
        (Store::Registry { declared, artifact }, Artifacts::Copied) => {
            let artifact = artifact.as_deref().unwrap_or_default();
            Some(pull(model, recipe, artifact, declared.plain_http))
        }
        (Store::Registry { .. }, Artifacts::Mounted) | (Store::Claim { .. }, _) => None,
    };
    // A worker ends as soon as it has answered: this is for the longest answer that there may be.
    let grace = GOODBYE_SECONDS + FAREWELL_SECONDS + request + END_SECONDS;
    let labels = json!({ MODEL_LABEL: name });
    wanted(
        model,
        Made::Deployment,
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "labels": labels, "annotations": { PROGRAM: recipe.key } },
            "spec": {
                "replicas": spec.replicas,
                "revisionHistoryLimit": 2,
                "selector": { "matchLabels": labels },
                "strategy": { "type": "RollingUpdate", "rollingUpdate": rolling(spec, room) },
                "template": pod::template((MODEL_LABEL, &name), recipe, (first.as_ref(), &container), json!({ "terminationGracePeriodSeconds": grace })),
            },
        }),
    )
}

/// Copies a program into the pod before its worker begins, by the secrets that its images are pulled with.
fn pull<'a>(
    model: &'a ShardedModel,
    recipe: &'a Recipe,
    artifact: &str,
    plain_http: Option<bool>,
) -> Container<'a> {
    let options = model.spec.pod.as_ref();
    let secrets = options.into_iter().flat_map(|pod| &pod.image_pull_secrets);
    let folder = pod::program_folder(&recipe.key);
    Container {
        name: "pull",
        image: &recipe.image,
        program: "shardplane",
        arguments: pod::artifact(["pull", artifact, &folder], plain_http),
        volumes: vec![
            Volume::built(recipe, Access::Write),
            Volume::credentials(secrets.map(|secret| secret.name.as_str())),
        ],
        options,
        more: json!({ "terminationMessagePolicy": "FallbackToLogsOnError" }),
    }
}

/// Whether a surplus pod finds a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Nothing is known to the contrary.
    Maybe,
    /// No node takes one.
    None,
}

/// Replicas that may be missing while a revision replaces another. A single one is all that serve: it may not, unless that
/// is declared.
fn missing(spec: &ShardedModelSpec) -> u32 {
    let ModelRollout {
        max_unavailable,
        min_available,
        allow_downtime: _,
    } = spec.rollout.clone().unwrap_or_default();
    let may = spec
        .replicas
        .saturating_sub(min_available.unwrap_or_default());
    let declared = max_unavailable.unwrap_or_else(|| u32::from(spec.replicas > 1));
    may.min(declared)
}

/// Whether a revision waits for ever where no node takes a surplus pod: none may be missing, and fewer may not serve.
pub fn wants_room(spec: &ShardedModelSpec) -> bool {
    missing(spec) == 0 && !may_be_down(spec)
}

fn may_be_down(spec: &ShardedModelSpec) -> bool {
    let rollout = spec.rollout.as_ref();
    rollout.and_then(|rollout| rollout.allow_downtime) == Some(true)
}

/// How one revision replaces another; where none may be missing a surplus pod comes first, and only where no node takes one
/// and that is permitted a pod goes before its successor is there.
fn rolling(spec: &ShardedModelSpec, room: Room) -> Value {
    match missing(spec) {
        0 => {
            let down = room == Room::None && may_be_down(spec);
            json!({ "maxUnavailable": u32::from(down), "maxSurge": 1 })
        }
        missing => json!({ "maxUnavailable": missing, "maxSurge": 0 }),
    }
}

/// The Service before them.
pub fn front(model: &ShardedModel) -> Wanted {
    let port = model.spec.serving.port.unwrap_or(FRONT_PORT);
    wanted(
        model,
        Made::Service,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {},
            "spec": {
                "selector": { MODEL_LABEL: model.name_any() },
                "ports": [{ "name": "http", "port": port, "targetPort": "http", "protocol": "TCP" }],
            },
        }),
    )
}

/// One at a time may be evicted, and one that is not ready always: it serves nobody.
pub fn budget(model: &ShardedModel) -> Wanted {
    wanted(
        model,
        Made::Budget,
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {},
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": { "matchLabels": { MODEL_LABEL: model.name_any() } },
            },
        }),
    )
}

/// The build of a model that says itself what it is built from.
pub fn build(model: &ShardedModel, request: &crd::program::ProgramRequest) -> Wanted {
    let mut spec = json!({
        "source": request.source,
        "target": request.target,
        "precision": request.precision,
        "shapes": request.shapes,
        "topology": request.topology,
    });
    for (key, value) in [
        ("accelerator", json!(request.accelerator)),
        ("store", json!(model.spec.store)),
        ("pod", json!(model.spec.pod)),
    ] {
        if !value.is_null() {
            spec[key] = value;
        }
    }
    wanted(
        model,
        Made::Build,
        json!({
            "apiVersion": crd::kind::API_VERSION,
            "kind": "ModelBuild",
            "metadata": {},
            "spec": spec,
        }),
    )
}

fn wanted(model: &ShardedModel, made: Made, said: Value) -> Wanted {
    Wanted {
        object: Object {
            made,
            place: Place::of(model),
        },
        said,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::declared::tiny, *};

    #[test]
    fn a_rollout_is_what_a_deployment_can_say() {
        let rows = [
            // replicas, maxUnavailable, minAvailable, expected missing and surplus
            (1, None, None, (0, 1)),
            (1, Some(1), None, (1, 0)),
            (3, None, None, (1, 0)),
            (3, Some(2), None, (2, 0)),
            (3, Some(2), Some(2), (1, 0)),
            (3, None, Some(3), (0, 1)),
            (1, None, Some(1), (0, 1)),
            (2, None, Some(5), (0, 1)),
            (0, None, None, (0, 1)),
        ];
        for (replicas, max_unavailable, min_available, (missing, surplus)) in rows {
            for (allow_downtime, room) in [
                (None, Room::Maybe),
                (None, Room::None),
                (Some(true), Room::Maybe),
                (Some(true), Room::None),
            ] {
                let mut spec: ShardedModelSpec = serde_json::from_value(tiny()).unwrap();
                spec.replicas = replicas;
                spec.rollout = Some(ModelRollout {
                    max_unavailable,
                    min_available,
                    allow_downtime,
                });
                let makes_room = missing == 0 && allow_downtime == Some(true) && room == Room::None;
                let missing = missing + u32::from(makes_room);
                assert_eq!(
                    rolling(&spec, room),
                    json!({ "maxUnavailable": missing, "maxSurge": surplus }),
                    "{replicas} {:?} {room:?}",
                    spec.rollout
                );
                assert_eq!(
                    wants_room(&spec),
                    surplus == 1 && allow_downtime.is_none(),
                    "{replicas} {:?}",
                    spec.rollout
                );
            }
        }
    }
}
