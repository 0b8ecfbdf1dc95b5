//! What pods of ours have in common: they pass Pod Security `restricted`, and hold nothing that they do not use.
use crd::{
    id::ProgramKey,
    kind::{Amounts, PodOptions},
};
use serde_json::{Map, Value, json};

use super::{
    claims::Nodes,
    recipe::{Recipe, Store},
    world::Artifacts,
};
use crate::cluster::names::{MADE_BY, MODELS, STORE_LABEL};

/// Whose rights a container has: nobody's in particular, and never root's. Volumes are made writable for its group.
const NOBODY: u32 = 65532;
/// Where the store of programs is mounted.
const PROGRAMS: &str = "/programs";
/// Where what lets somebody near a registry is mounted.
const CREDENTIALS: &str = "/credentials";
/// Letters that a label's value may have.
const LABEL: usize = 63;

/// A container and the volumes that it takes.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Which of the image's programs it runs.
    pub program: &'static str,
    /// Its arguments, behind the program's name.
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
    pub path: String,
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
    /// Where programs are built: a claim, or a place that ends with the pod, from where they are pushed.
    pub fn built(recipe: &Recipe, access: Access) -> Self {
        let source = match &recipe.store {
            Store::Claim { name, .. } => ("persistentVolumeClaim", json!({ "claimName": name })),
            Store::Registry { .. } => ("emptyDir", json!({})),
        };
        Self::programs(PROGRAMS.to_owned(), access, source)
    }

    /// Where a worker has its program from.
    pub fn served(recipe: &Recipe, artifacts: Artifacts) -> Self {
        match (&recipe.store, artifacts) {
            (Store::Registry { artifact, .. }, Artifacts::Mounted) => {
                let image = json!({ "reference": artifact, "pullPolicy": "IfNotPresent" });
                Self::programs(program_folder(&recipe.key), Access::Read, ("image", image))
            }
            (Store::Claim { .. }, _) | (Store::Registry { .. }, Artifacts::Copied) => {
                Self::built(recipe, Access::Read)
            }
        }
    }

    fn programs(path: String, access: Access, source: (&'static str, Value)) -> Self {
        Self {
            name: "programs",
            path,
            access,
            source,
        }
    }

    /// What lets a container near a registry, of secrets in this order: a numbered file of credentials each, and one of
    /// authorities where it has some. One that is not there lets nobody near, as a kubelet takes it.
    pub fn credentials<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let sources: Vec<Value> = secrets
            .into_iter()
            .enumerate()
            .map(|(number, name)| {
                json!({ "secret": {
                    "name": name,
                    "optional": true,
                    "items": [
                        { "key": ".dockerconfigjson", "path": format!("{number}.json") },
                        { "key": "ca.crt", "path": format!("{number}.crt") },
                    ],
                } })
            })
            .collect();
        let source = if sources.is_empty() {
            ("emptyDir", json!({}))
        } else {
            ("projected", json!({ "sources": sources }))
        };
        Self {
            name: "credentials",
            path: CREDENTIALS.to_owned(),
            access: Access::Read,
            source,
        }
    }
}

/// The arguments of `shardplane artifact`: what it does with what, and how it gets near the registry.
pub fn artifact(arguments: [&str; 3], plain_http: Option<bool>) -> Vec<String> {
    let mut all = vec!["artifact"];
    all.extend(arguments);
    all.extend(["--credentials", CREDENTIALS]);
    if plain_http == Some(true) {
        all.push("--plain-http");
    }
    all.into_iter().map(str::to_owned).collect()
}

/// Where a program lies in a container that has the store.
pub fn program_folder(key: &ProgramKey) -> String {
    format!("{PROGRAMS}/{}", key.as_str().replace(':', "-"))
}

/// A pod as a job or a deployment makes it, with this container and one that ends before it begins, where there is one: its
/// labels say of what it is, and that it is ours.
///
/// A volume that one node alone mounts has all of its pods on one node, builds' and models' alike: kube-scheduler does not see
/// to that, and what it puts elsewhere waits for ever for the volume.
pub fn template(
    (of, name): (&str, &str),
    recipe: &Recipe,
    (first, container): (Option<&Container<'_>>, &Container<'_>),
    more: Value,
) -> Value {
    let mut labels = json!({ of: name, MADE_BY: MODELS });
    let mut spec = spec(first, container, more);
    match &recipe.store {
        Store::Registry { .. }
        | Store::Claim {
            nodes: Nodes::Any, ..
        } => {}
        Store::Claim {
            name,
            nodes: Nodes::One,
            ..
        } => {
            let store = label(name);
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

fn contained(container: &Container<'_>) -> Value {
    let Container {
        name,
        image,
        program,
        arguments,
        volumes,
        options,
        more,
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
    mounts.push(json!({ "name": "tmp", "mountPath": "/tmp" }));
    let mut container = json!({
        "name": name,
        "image": image,
        "command": [program],
        "args": arguments,
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    // Containers that run one after another take of a node what the largest of them asks for.
    if let Some(resources) = options.and_then(|options| options.resources.as_ref()) {
        container["resources"] = json!({
            "requests": amounts(resources.requests.as_ref()),
            "limits": amounts(resources.limits.as_ref()),
        });
    }
    add(&mut container, more.clone());
    container
}

/// The volumes of these containers, each once.
fn volumes(containers: &[&Container<'_>]) -> Vec<Value> {
    let mut listed: Vec<Value> = Vec::new();
    for volume in containers.iter().flat_map(|container| &container.volumes) {
        let (kind, source) = &volume.source;
        let one = json!({ "name": volume.name, *kind: source });
        if !listed.contains(&one) {
            listed.push(one);
        }
    }
    listed.push(json!({ "name": "tmp", "emptyDir": {} }));
    listed
}

fn spec(first: Option<&Container<'_>>, container: &Container<'_>, more: Value) -> Value {
    let all: Vec<&Container<'_>> = first.into_iter().chain([container]).collect();
    let given = PodOptions::default();
    let PodOptions {
        resources: _,
        tolerations,
        image_pull_secrets,
        service_account_name,
    } = container.options.unwrap_or(&given);
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
        "containers": [contained(container)],
        "volumes": volumes(&all),
    });
    if let Some(first) = first {
        spec["initContainers"] = json!([contained(first)]);
    }
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
