//! What the tests declare.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use machine::Timestamp;
use serde_json::{Value, json};

use super::{
    super::world::{Artifacts, Place, World},
    hand::at,
};

/// A world with an image and the tiny model's claims, and nothing else.
pub fn nothing() -> World {
    World {
        models: BTreeMap::new(),
        builds: BTreeMap::new(),
        groups: Vec::new(),
        unread: Vec::new(),
        jobs: BTreeMap::new(),
        deployments: BTreeMap::new(),
        services: BTreeMap::new(),
        budgets: BTreeMap::new(),
        pods: BTreeMap::new(),
        claims: claims(),
        nodes: BTreeMap::new(),
        unusable: BTreeMap::new(),
        podless: BTreeSet::new(),
        placeless: BTreeSet::new(),
        lost: BTreeSet::new(),
        evicted: BTreeMap::new(),
        image: Some("worker@sha256:aa".to_owned()),
        artifacts: Artifacts::Mounted,
        refused: BTreeMap::new(),
        now: Timestamp(0),
    }
}

/// The model that the tests serve.
pub fn tiny() -> Value {
    json!({
        "model": { "pvc": { "claim": "models", "path": "tiny" }, "digest": format!("b3:{}", "0".repeat(64)) },
        "target": "CPU",
        "precision": "Bf16",
        "shards": 2,
        "connectivity": "ThroughHost",
        "replicas": 2,
        "serving": { "contextLength": 256, "slots": 4 },
        "store": { "pvc": { "claim": "programs" } },
    })
}

/// What the tiny model's own build says.
pub fn tiny_build() -> Value {
    let model = tiny();
    json!({
        "source": model["model"],
        "target": "CPU",
        "precision": "Bf16",
        "shapes": { "contextLength": 256, "batch": 4 },
        "topology": { "shards": 2, "connectivity": "ThroughHost" },
        "store": model["store"],
    })
}

/// The tiny model with something changed.
pub fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut model = tiny();
    change(&mut model);
    model
}

/// The tiny model, served from a build of this name.
pub fn named(build: &str) -> Value {
    with(|model| {
        model["buildRef"] = json!(build);
        let fields = model.as_object_mut().unwrap();
        for said in ["model", "target", "precision", "store"] {
            fields.remove(said);
        }
    })
}

/// The claims that the tiny model names.
pub fn claims() -> BTreeMap<Place, Arc<PersistentVolumeClaim>> {
    let all = ["models", "programs"].into_iter();
    all.map(|name| claim(name, &["ReadWriteMany"])).collect()
}

/// A claim that is bound, with these access modes.
pub fn claim(name: &str, modes: &[&str]) -> (Place, Arc<PersistentVolumeClaim>) {
    let claim = json!({
        "metadata": { "name": name, "namespace": "team", "uid": format!("of {name}") },
        "spec": { "accessModes": modes },
        "status": { "phase": "Bound" },
    });
    (at(name), Arc::new(serde_json::from_value(claim).unwrap()))
}
