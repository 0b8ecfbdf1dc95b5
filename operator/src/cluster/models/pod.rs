//! What pods of ours have in common: they pass Pod Security `restricted`, and hold nothing that they do not use.
use crd::{
    id::ProgramKey,
    kind::{Amounts, PodOptions},
};
use serde_json::{Map, Value, json};

use super::{claims::Nodes, recipe::Recipe};
use crate::cluster::names::{MADE_BY, MODELS, STORE_LABEL};

/// Whose rights a container has: nobody's in particular, and never root's. Volumes are made writable for its group.
const NOBODY: u32 = 65532;
/// Where the store of programs is mounted.
const PROGRAMS: &str = "/programs";
/// Letters that a label's value may have.
const LABEL: usize = 63;

/// A container and the volumes that it takes.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Its arguments, behind the worker's name.
    pub arguments: Vec<String>,
    /// Volumes, as a pod lists them, each with where it is mounted.
    pub volumes: Vec<Volume>,
    /// What is asked for it.
    pub options: Option<&'a PodOptions>,
    /// More of the container: ports, probes.
    pub more: Value,
}

/// A volume and its mount.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its name in the pod.
    pub name: &'static str,
    /// Where it is mounted.
    pub path: &'static str,
    /// Whether the container writes there.
    pub access: Access,
    /// What it is: a key of a pod's volume with its value.
    pub source: (&'static str, Value),
}

/// What a container may do with a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    Write,
}

impl Volume {
    /// The store of programs, on a claim.
    pub fn programs(claim: &str, access: Access) -> Self {
        Self {
            name: "programs",
            path: PROGRAMS,
            access,
            source: ("persistentVolumeClaim", json!({ "claimName": claim })),
        }
    }
}

/// Where a program lies in a container that has the store.
pub fn program_folder(key: &ProgramKey) -> String {
    format!("{PROGRAMS}/{}", key.as_str().replace(':', "-"))
}

/// A pod as a job or a deployment makes it, with this one container: its labels say of what it is, and that it is ours.
///
/// A volume that one node alone mounts has all of its pods on one node, builds' and models' alike: kube-scheduler does not see
/// to that, and what it puts elsewhere waits for ever for the volume.
pub fn template(
    (of, name): (&str, &str),
    recipe: &Recipe,
    container: &Container<'_>,
    more: Value,
) -> Value {
    let mut labels = json!({ of: name, MADE_BY: MODELS });
    let mut spec = spec(container, more);
    match recipe.nodes {
        Nodes::Any => {}
        Nodes::One => {
            let store = label(&recipe.claim);
            labels[STORE_LABEL] = json!(store);
            spec["affinity"] = json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
                "labelSelector": { "matchLabels": { STORE_LABEL: store } },
                "topologyKey": "kubernetes.io/hostname",
            }] } });
        }
    }
    json!({ "metadata": { "labels": labels }, "spec": spec })
}

/// A claim's name as a label's value, which has fewer letters: a longer one is its digest.
fn label(claim: &str) -> String {
    if claim.len() <= LABEL {
        return claim.to_owned();
    }
    let digest = blake3::hash(claim.as_bytes()).to_hex();
    digest.chars().take(LABEL).collect()
}

fn spec(container: &Container<'_>, more: Value) -> Value {
    let Container {
        name,
        image,
        arguments,
        volumes,
        options,
        more: more_of_it,
    } = container;
    let mut mounts: Vec<Value> = volumes
        .iter()
        .map(|volume| match volume.access {
            Access::Read => {
                json!({ "name": volume.name, "mountPath": volume.path, "readOnly": true })
            }
            Access::Write => json!({ "name": volume.name, "mountPath": volume.path }),
        })
        .collect();
    let mut listed: Vec<Value> = volumes
        .iter()
        .map(|volume| {
            let (kind, source) = &volume.source;
            json!({ "name": volume.name, *kind: source })
        })
        .collect();
    mounts.push(json!({ "name": "tmp", "mountPath": "/tmp" }));
    listed.push(json!({ "name": "tmp", "emptyDir": {} }));
    let mut container = json!({
        "name": name,
        "image": image,
        "command": ["shardplane-worker"],
        "args": arguments,
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    let given = PodOptions::default();
    let PodOptions {
        resources,
        tolerations,
        image_pull_secrets,
        service_account_name,
    } = options.unwrap_or(&given);
    if let Some(resources) = resources {
        container["resources"] = json!({
            "requests": amounts(resources.requests.as_ref()),
            "limits": amounts(resources.limits.as_ref()),
        });
    }
    add(&mut container, more_of_it.clone());
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container],
        "volumes": listed,
    });
    // What is not asked for is not said: it stays whoever's who says it, an admission plugin's say.
    let asked = [
        (
            "tolerations",
            (!tolerations.is_empty()).then(|| json!(tolerations)),
        ),
        (
            "imagePullSecrets",
            (!image_pull_secrets.is_empty()).then(|| json!(image_pull_secrets)),
        ),
        (
            "serviceAccountName",
            service_account_name.as_ref().map(|name| json!(name)),
        ),
    ];
    let asked = asked
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    add(&mut spec, Value::Object(asked.collect()));
    add(&mut spec, more);
    spec
}

fn add(to: &mut Value, more: Value) {
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}

fn amounts(amounts: Option<&Amounts>) -> Map<String, Value> {
    let Some(Amounts { cpu, memory }) = amounts else {
        return Map::new();
    };
    [("cpu", cpu), ("memory", memory)]
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), json!(amount.as_ref()?))))
        .collect()
}
