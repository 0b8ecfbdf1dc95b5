//! How models and builds stand, in numbers: what waits for what since when, and how many replicas serve.
use std::collections::BTreeMap;

use crd::kind::Condition;
use kube_client::api::ObjectMeta;

use super::world::{Place, World};
use crate::cluster::{
    controller::{Lasting, since},
    names::MODEL_LABEL,
};

/// Numbers of models and builds as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Those that are not Ready.
    pub waiting: Vec<Lasting>,
    /// Those of them that nothing moves without a person.
    pub stalled: Vec<Lasting>,
    /// Replicas of each model, by its namespace and name.
    pub replicas: BTreeMap<String, Replicas>,
}

/// Replicas of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Declared.
    pub wanted: i64,
    /// That answer.
    pub ready: i64,
    /// How often containers of its pods were started again.
    pub restarts: i64,
}

/// Measures.
pub fn measures(world: &World) -> Measures {
    let mut measures = Measures::default();
    for (place, model) in &world.models {
        let status = model.status.as_ref();
        if let Some(status) = status {
            measures.stands("ShardedModel", place, &status.conditions);
        }
        let ready = status.and_then(|status| status.ready_replicas);
        let replicas = Replicas {
            wanted: model.spec.replicas.into(),
            ready: ready.unwrap_or_default().into(),
            restarts: restarts(world, place),
        };
        measures.replicas.insert(named(place), replicas);
    }
    for (place, build) in &world.builds {
        if let Some(status) = &build.status {
            measures.stands("ModelBuild", place, &status.conditions);
        }
    }
    for object in &world.unread {
        let kind = match object.kind.as_str() {
            "ShardedModel" => "ShardedModel",
            "ModelBuild" => "ModelBuild",
            // Groups are the cards' part's.
            _ => continue,
        };
        let metadata: &ObjectMeta = &object.metadata;
        measures.stands(kind, &Place::named(metadata), &object.conditions);
    }
    measures
}

impl Measures {
    fn stands(&mut self, kind: &'static str, place: &Place, said: &[Condition]) {
        let lasting = |type_, status| since(kind, named(place), said, type_, status);
        self.waiting.extend(lasting("Ready", "False"));
        self.stalled.extend(lasting("Stalled", "True"));
    }
}

/// Of the pods that are there: it falls where one goes, as counters do that begin anew.
fn restarts(world: &World, model: &Place) -> i64 {
    let pods = world.pods_of(model, MODEL_LABEL);
    let statuses = pods
        .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref())
        .flatten();
    statuses.map(|status| i64::from(status.restart_count)).sum()
}

fn named(place: &Place) -> String {
    format!("{}/{}", place.namespace, place.name)
}
