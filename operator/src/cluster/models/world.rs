//! Builds and models of a cluster, and what was made for them, as one turn sees them.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use crd::kind::{ModelBuild, P2PGroup, ShardedModel};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Node, PersistentVolumeClaim, Pod, Service},
    policy::v1::PodDisruptionBudget,
};
use kube_client::{ResourceExt, api::ObjectMeta};
use machine::Timestamp;

use crate::cluster::read::Unread;

/// Where an object in a namespace is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Place {
    /// Where this object is.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::named(object.meta())
    }

    /// Where the object that is called so is.
    pub fn named(metadata: &ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }

    /// A place beside it.
    pub fn beside(&self, name: &str) -> Self {
        Self {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }
}

/// The kinds of objects that are made for builds and models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Made {
    /// A `ModelBuild`, of a model that says itself what it is built from.
    Build,
    /// A Job that builds a program.
    Job,
    /// A Deployment of workers.
    Deployment,
    /// The Service before them.
    Service,
    /// Their `PodDisruptionBudget`.
    Budget,
}

impl Made {
    /// The kind as Kubernetes calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "ModelBuild",
            Self::Job => "Job",
            Self::Deployment => "Deployment",
            Self::Service => "Service",
            Self::Budget => "PodDisruptionBudget",
        }
    }
}

/// One such object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its kind.
    pub made: Made,
    /// Where it is.
    pub place: Place,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.made.name(), self.place.name)
    }
}

/// Why the API server did not take an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Digest of what it did not take.
    pub applied: String,
    /// In its words.
    pub why: String,
    /// Whether it is time to try again.
    pub again: bool,
}

/// How a pod gets what lies in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifacts {
    /// Its node pulls it and mounts it, as a volume that is an image.
    Mounted,
    /// A container that runs first pulls it into the pod.
    Copied,
}

/// Every object that a decision depends on, and the time.
#[derive(Clone, Debug)]
pub struct World {
    /// Models.
    pub models: BTreeMap<Place, Arc<ShardedModel>>,
    /// Builds.
    pub builds: BTreeMap<Place, Arc<ModelBuild>>,
    /// Groups.
    pub groups: Vec<Arc<P2PGroup>>,
    /// Models, builds and groups that this version does not understand.
    pub unread: Vec<Arc<Unread>>,
    /// Jobs that are ours.
    pub jobs: BTreeMap<Place, Arc<Job>>,
    /// Deployments that are ours.
    pub deployments: BTreeMap<Place, Arc<Deployment>>,
    /// Services that are ours.
    pub services: BTreeMap<Place, Arc<Service>>,
    /// Disruption budgets that are ours.
    pub budgets: BTreeMap<Place, Arc<PodDisruptionBudget>>,
    /// Pods that are ours, of their specs with nodes, images, artifacts and claims alone.
    pub pods: BTreeMap<Place, Arc<Pod>>,
    /// Every claim, of its spec with class and access modes alone.
    pub claims: BTreeMap<Place, Arc<PersistentVolumeClaim>>,
    /// Nodes by name, of each whether it is ready.
    pub nodes: BTreeMap<String, Arc<Node>>,
    /// Claims of builds that cannot be used, and for how long.
    pub unusable: BTreeMap<Place, Duration>,
    /// Jobs that have had no pod for longer than a pod takes.
    pub podless: BTreeSet<Place>,
    /// Pods that no node has taken for longer than that takes.
    pub placeless: BTreeSet<Place>,
    /// Pods of builds whose node has not been ready for longer than Kubernetes leaves them there.
    pub lost: BTreeSet<Place>,
    /// Pods that their nodes ended, and for how long they have been so.
    pub evicted: BTreeMap<Place, Duration>,
    /// The image that builds and serves for target `CPU`, where there is one.
    pub image: Option<String>,
    /// How a worker's pod gets a program that lies in a registry.
    pub artifacts: Artifacts,
    /// What the API server did not take.
    pub refused: BTreeMap<Object, Refusal>,
    /// The time.
    pub now: Timestamp,
}

impl World {
    /// Pods of the object with this name, which stands on them under a label.
    pub fn pods_of(&self, object: &Place, label: &str) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values().filter(move |pod| {
            pod.namespace().as_deref() == Some(&object.namespace)
                && pod.labels().get(label) == Some(&object.name)
        })
    }
}
