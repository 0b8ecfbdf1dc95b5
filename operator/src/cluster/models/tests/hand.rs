//! A world of models that is moved by hand: what a turn writes is put into it, and jobs and pods end as a test has them.
use std::{collections::BTreeMap, sync::Arc};

use crd::kind::{Condition, ModelBuild, ShardedModel};
use k8s_openapi::api::{
    apps::v1::Deployment, batch::v1::Job, core::v1::Service, policy::v1::PodDisruptionBudget,
};
use kube_client::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::super::{
    decide::decide,
    wanted::applied,
    world::{Made, Object, Place, Refusal, World},
    writes::Write,
};
use super::declared::{nothing, tiny};
use crate::cluster::read::{Read, Unread};

/// The world.
pub struct Hand {
    pub world: World,
    version: u64,
}

pub fn at(name: &str) -> Place {
    Place {
        namespace: "team".to_owned(),
        name: name.to_owned(),
    }
}

/// An object with something changed, as the server would have it afterwards.
fn changed<K: Serialize + DeserializeOwned>(object: &K, change: &dyn Fn(&mut Value)) -> Arc<K> {
    let mut value = serde_json::to_value(object).unwrap();
    change(&mut value);
    Arc::new(serde_json::from_value(value).unwrap())
}

impl Hand {
    /// A world with an image and nothing else.
    pub fn new() -> Self {
        Self {
            world: nothing(),
            version: 0,
        }
    }

    /// A world with the tiny model, built and served.
    pub fn served() -> Self {
        let mut hand = Self::new();
        hand.model("tiny", &tiny());
        hand.turn();
        hand.turn();
        hand.job_ends("tiny", "Complete");
        hand.turn();
        hand.pods_are("tiny", 2, 2);
        hand.turn();
        assert_eq!(hand.turn(), [""; 0]);
        hand
    }

    fn next(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn object(&mut self, kind: &str, name: &str, spec: &Value, before: Option<Value>) -> Value {
        let version = self.next();
        let mut object = before.unwrap_or_else(|| {
            json!({
                "apiVersion": "shardplane.dev/v1alpha1",
                "kind": kind,
                "metadata": { "name": name, "namespace": "team", "uid": format!("{kind}-{version}"), "generation": 0 },
            })
        });
        let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
        if object["spec"] != *spec {
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = json!(version);
        object["spec"] = spec.clone();
        object
    }

    /// Somebody declares a model.
    pub fn model(&mut self, name: &str, spec: &Value) {
        let before = self.world.models.get(&at(name));
        let before = before.map(|model| serde_json::to_value(model.as_ref()).unwrap());
        let object = self.object("ShardedModel", name, spec, before);
        let model: ShardedModel = serde_json::from_value(object).unwrap();
        self.world.models.insert(at(name), Arc::new(model));
    }

    /// Somebody declares a build.
    pub fn build(&mut self, name: &str, spec: &Value) {
        let before = self.world.builds.get(&at(name));
        let before = before.map(|build| serde_json::to_value(build.as_ref()).unwrap());
        let object = self.object("ModelBuild", name, spec, before);
        let build: ModelBuild = serde_json::from_value(object).unwrap();
        self.world.builds.insert(at(name), Arc::new(build));
    }

    /// Somebody declares a group of so many.
    pub fn group(&mut self, name: &str, size: u32) {
        let spec = json!({ "size": size, "automatic": { "per": "Card" } });
        let object = self.object("P2PGroup", name, &spec, None);
        let group = serde_json::from_value(object).unwrap();
        self.world.groups.push(Arc::new(group));
    }

    /// Somebody annotates a build.
    pub fn annotate(&mut self, build: &str, key: &str, value: &str) {
        let build = self.world.builds.get_mut(&at(build)).expect("it is there");
        *build = changed(build.as_ref(), &|build| {
            build["metadata"]["annotations"][key] = json!(value);
        });
    }

    /// The one job of a build.
    pub fn job(&self, build: &str) -> &Arc<Job> {
        let mut jobs = self.world.jobs.values();
        let of = |job: &&Arc<Job>| {
            let named = job.name_any();
            named
                .rsplit_once('-')
                .is_some_and(|(name, _)| name == build)
        };
        jobs.rfind(of).expect("the build has a job")
    }

    /// A job ends, or is at work where `condition` is empty.
    pub fn job_ends(&mut self, build: &str, condition: &str) {
        let status = match condition {
            "" => json!({ "active": 1, "ready": 1 }),
            _ => {
                json!({ "conditions": [{ "type": condition, "status": "True", "message": "as told" }] })
            }
        };
        self.job_says(build, &status);
    }

    /// The status of a build's job.
    pub fn job_says(&mut self, build: &str, status: &Value) {
        let said = changed(self.job(build).as_ref(), &|job| {
            job["status"] = status.clone();
        });
        self.world.jobs.insert(Place::of(said.as_ref()), said);
    }

    /// The deployment's pods: how many are of the newest revision, and how many of them are ready.
    pub fn pods_are(&mut self, model: &str, updated: i32, available: i32) {
        self.deployment_says(
            model,
            &json!({ "replicas": updated, "updatedReplicas": updated, "availableReplicas": available, "readyReplicas": available }),
        );
    }

    /// The deployment's status.
    pub fn deployment_says(&mut self, model: &str, status: &Value) {
        let deployments = &mut self.world.deployments;
        let deployment = deployments.get_mut(&at(model)).expect("it is there");
        *deployment = changed(deployment.as_ref(), &|deployment| {
            deployment["status"] = status.clone();
            deployment["status"]["observedGeneration"] =
                deployment["metadata"]["generation"].clone();
        });
    }

    /// The API server does not take what the next turn applies of this kind.
    pub fn refuse(&mut self, made: Made, name: &str) {
        let object = Object {
            made,
            place: at(name),
        };
        let writes = decide(&self.world);
        let body = writes.iter().find_map(|write| match write {
            Write::Apply {
                object: to, body, ..
            } if *to == object => Some(body),
            _ => None,
        });
        let applied = applied(body.expect("it is applied")).unwrap().to_owned();
        let refusal = Refusal {
            applied,
            why: "the quota is used up".to_owned(),
            again: false,
        };
        self.world.refused.insert(object, refusal);
    }

    /// Definitions are newer: a model's, a build's or a group's object has a field that is not known here.
    pub fn newer(&mut self, kind: &str, name: &str) {
        fn unread<K: Serialize + DeserializeOwned>(object: &Arc<K>) -> Arc<Unread> {
            let mut value = serde_json::to_value(object.as_ref()).unwrap();
            value["spec"]["future"] = json!("x");
            let read: Read<K> = serde_json::from_value(value).unwrap();
            read.object.err().expect("it is not understood")
        }
        let World {
            models,
            builds,
            groups,
            ..
        } = &mut self.world;
        let unread = match kind {
            "ShardedModel" => models.remove(&at(name)).as_ref().map(unread),
            "ModelBuild" => builds.remove(&at(name)).as_ref().map(unread),
            _ => {
                let place = groups.iter().position(|group| group.name_any() == name);
                place.map(|place| unread(&groups.remove(place)))
            }
        };
        self.world.unread.push(unread.expect("it is there"));
    }

    /// One turn: what it writes, in a word each, put into the world.
    pub fn turn(&mut self) -> Vec<String> {
        let writes = decide(&self.world);
        writes.into_iter().map(|write| self.put(write)).collect()
    }

    fn put(&mut self, write: Write) -> String {
        match write {
            Write::Apply {
                object,
                body,
                version,
            } => {
                let known = match object.made {
                    Made::Build => self.stored(&object.place, &body, version.as_ref(), |world| {
                        &mut world.builds
                    }),
                    Made::Job => self.stored(&object.place, &body, version.as_ref(), |world| {
                        &mut world.jobs
                    }),
                    Made::Deployment => {
                        self.stored(&object.place, &body, version.as_ref(), |world| {
                            &mut world.deployments
                        })
                    }
                    Made::Service => self.stored(&object.place, &body, version.as_ref(), |world| {
                        &mut world.services
                    }),
                    Made::Budget => self.stored(&object.place, &body, version.as_ref(), |world| {
                        &mut world.budgets
                    }),
                };
                let verb = if known { "change" } else { "make" };
                format!("{verb} {object}")
            }
            Write::Scale {
                deployment,
                replicas,
            } => {
                let scaled = changed(deployment.as_ref(), &|deployment| {
                    deployment["spec"]["replicas"] = json!(replicas);
                });
                let place = Place::of(deployment.as_ref());
                self.world.deployments.insert(place, scaled);
                format!("scale to {replicas}")
            }
            Write::DeleteJob(job) => {
                self.world.jobs.remove(&Place::of(job.as_ref()));
                format!("delete Job {}", job.name_any())
            }
            Write::DeleteBuild(build) => {
                self.world.builds.remove(&Place::of(build.as_ref()));
                format!("delete ModelBuild {}", build.name_any())
            }
            Write::BuildStatus { build, status } => {
                let said = format!("build {}", reason(&status.conditions));
                let mut told = (*build).clone();
                told.status = Some(status);
                let place = Place::of(&told);
                self.world.builds.insert(place, Arc::new(told));
                said
            }
            Write::Unread {
                object,
                kind,
                conditions,
            } => {
                let said = format!("{} {}", kind.name(), reason(&conditions));
                let mut told = (*object).clone();
                told.observed = told.metadata.generation;
                told.conditions = conditions;
                self.world.unread.retain(|other| *other != object);
                self.world.unread.push(Arc::new(told));
                said
            }
            Write::ModelStatus { model, status } => {
                let said = format!("model {}", reason(&status.conditions));
                let mut told = (*model).clone();
                told.status = Some(status);
                let place = Place::of(&told);
                self.world.models.insert(place, Arc::new(told));
                said
            }
        }
    }

    /// Puts an applied object where it belongs; whether one was there.
    fn stored<K>(
        &mut self,
        place: &Place,
        body: &Value,
        version: Option<&String>,
        of: fn(&mut World) -> &mut BTreeMap<Place, Arc<K>>,
    ) -> bool
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let next = self.next();
        let before = of(&mut self.world).get(place).cloned();
        let there = before.as_ref().and_then(|before| before.resource_version());
        assert_eq!(version, there.as_ref(), "it is decided on what is there");
        let mut object = body.clone();
        let (uid, generation, status) = match &before {
            None => (format!("made-{next}"), 1, None),
            Some(before) => {
                let value = serde_json::to_value(before.as_ref()).unwrap();
                let generation = before.meta().generation.unwrap_or_default() + 1;
                (
                    before.uid().unwrap_or_default(),
                    generation,
                    value.get("status").cloned(),
                )
            }
        };
        object["metadata"]["uid"] = json!(uid);
        object["metadata"]["generation"] = json!(generation);
        object["metadata"]["resourceVersion"] = json!(next);
        if let Some(status) = status {
            object["status"] = status;
        }
        let object: K = serde_json::from_value(object).unwrap();
        of(&mut self.world).insert(place.clone(), Arc::new(object));
        before.is_some()
    }

    /// What Ready says of a model.
    pub fn says(&self, model: &str) -> String {
        let status = self.world.models[&at(model)].status.as_ref();
        status.expect("it is said").conditions[0].message.clone()
    }

    pub fn says_of_build(&self, build: &str) -> String {
        let status = self.world.builds[&at(build)].status.as_ref();
        status.expect("it is said").conditions[0].message.clone()
    }

    pub fn deployment(&self, model: &str) -> &Deployment {
        &self.world.deployments[&at(model)]
    }

    pub fn front(&self, model: &str) -> &Service {
        &self.world.services[&at(model)]
    }

    pub fn budget(&self, model: &str) -> &PodDisruptionBudget {
        &self.world.budgets[&at(model)]
    }
}

/// The reason that Ready, Reconciling and Stalled share, of which one is True; marked where it takes a person.
fn reason(conditions: &[Condition]) -> String {
    let holding: Vec<&Condition> = conditions
        .iter()
        .filter(|told| told.status == "True")
        .collect();
    assert_eq!((conditions.len(), holding.len()), (3, 1), "{conditions:?}");
    match holding[0].type_.as_str() {
        "Stalled" => format!("stalled {}", holding[0].reason),
        "Ready" => format!("ready {}", holding[0].reason),
        _ => holding[0].reason.clone(),
    }
}
