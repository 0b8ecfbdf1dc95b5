//! What decisions on models depend on, followed in memory; of the cluster's own kinds only what is ours.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crd::kind::{ModelBuild, P2PGroup, ShardedModel};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{
        Container, Node, PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, PodSpec, Service,
        VolumeMount,
    },
    policy::v1::PodDisruptionBudget,
};
use kube_client::{Client, Resource, ResourceExt};
use kube_runtime::{
    reflector::{ObjectRef, Store},
    watcher,
};
use machine::Timestamp;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    world::{Artifacts, Made, Place, World},
    writes::{Kind, Written},
};
use crate::cluster::{
    controller::lighten,
    names::{MADE_BY, MODELS},
    read::{Read, parted},
    watching::{Following, seen, store},
};

/// The objects, followed from the moment that this was made; following ends when it is dropped.
#[derive(Debug)]
pub struct Stores {
    models: Store<Read<ShardedModel>>,
    builds: Store<Read<ModelBuild>>,
    groups: Store<Read<P2PGroup>>,
    jobs: Store<Job>,
    deployments: Store<Deployment>,
    services: Store<Service>,
    budgets: Store<PodDisruptionBudget>,
    pods: Store<Pod>,
    claims: Store<PersistentVolumeClaim>,
    nodes: Store<Node>,
    // Aborts what it holds when it is dropped.
    _watches: JoinSet<()>,
}

impl Stores {
    /// Follows everything; `changed` hears of every change. The first list of each is as fresh as the server's store.
    pub fn follow(client: &Client, me: &str, changed: &Arc<Notify>) -> Self {
        let mut watches = JoinSet::new();
        let all = watcher::Config::default;
        let ours = || watcher::Config::default().labels(&format!("{MADE_BY}={MODELS}"));
        let mut following = Following {
            client,
            me,
            changed,
            watches: &mut watches,
        };
        Self {
            models: store(&mut following, all(), |_| {}),
            builds: store(&mut following, all(), |_| {}),
            groups: store(&mut following, all(), |_| {}),
            jobs: store(&mut following, ours(), |_| {}),
            deployments: store(&mut following, ours(), |_| {}),
            services: store(&mut following, ours(), |_| {}),
            budgets: store(&mut following, ours(), |_| {}),
            pods: store(&mut following, ours(), what_is_told_of),
            claims: store(&mut following, all(), how_it_is_mounted),
            nodes: store(&mut following, all(), whether_it_is_ready),
            _watches: watches,
        }
    }

    /// Waits until each was listed once. `false` where following has ended.
    pub async fn ready(&self) -> bool {
        let Self {
            models,
            builds,
            groups,
            jobs,
            deployments,
            services,
            budgets,
            pods,
            claims,
            nodes,
            _watches,
        } = self;
        futures::try_join!(
            models.wait_until_ready(),
            builds.wait_until_ready(),
            groups.wait_until_ready(),
            jobs.wait_until_ready(),
            deployments.wait_until_ready(),
            services.wait_until_ready(),
            budgets.wait_until_ready(),
            pods.wait_until_ready(),
            claims.wait_until_ready(),
            nodes.wait_until_ready(),
        )
        .is_ok()
    }

    /// The cluster as it is known now, but for what it refused.
    pub fn world(&self, image: Option<&str>, artifacts: Artifacts, now: Timestamp) -> World {
        let (models, mut unread) = parted(&self.models.state());
        let (builds, more) = parted(&self.builds.state());
        unread.extend(more);
        let (groups, more) = parted(&self.groups.state());
        unread.extend(more);
        // Stores have no order, and what is decided does not depend on theirs.
        unread.sort_by_cached_key(|object| (object.kind.clone(), Place::named(&object.metadata)));
        World {
            models: placed(models),
            builds: placed(builds),
            groups,
            unread,
            jobs: by_place(&self.jobs),
            deployments: by_place(&self.deployments),
            services: by_place(&self.services),
            budgets: by_place(&self.budgets),
            pods: by_place(&self.pods),
            claims: by_place(&self.claims),
            nodes: by_name(&self.nodes),
            unusable: BTreeMap::new(),
            podless: BTreeSet::new(),
            placeless: BTreeSet::new(),
            lost: BTreeSet::new(),
            evicted: BTreeMap::new(),
            image: image.map(str::to_owned),
            artifacts,
            refused: BTreeMap::new(),
            now,
        }
    }

    /// Whether a write is seen here.
    pub fn have_seen(&self, written: &Written) -> bool {
        match written.kind {
            Kind::Model => shows(&self.models, written),
            Kind::Made(Made::Build) => shows(&self.builds, written),
            Kind::Made(Made::Job) => shows(&self.jobs, written),
            Kind::Made(Made::Deployment) => shows(&self.deployments, written),
            Kind::Made(Made::Service) => shows(&self.services, written),
            Kind::Made(Made::Budget) => shows(&self.budgets, written),
        }
    }
}

/// Of what a pod declares, its node, its images, those of artifacts that it mounts, and its claims: they are told where one
/// cannot be had. The rest stands in jobs and deployments.
pub fn what_is_told_of(pod: &mut Pod) {
    let Some(spec) = &mut pod.spec else { return };
    let told = |container: Container| {
        let mounts = container.volume_mounts.into_iter().flatten();
        let mounts = mounts.map(|mount| VolumeMount {
            name: mount.name,
            ..VolumeMount::default()
        });
        Container {
            name: container.name,
            image: container.image,
            volume_mounts: Some(mounts.collect()),
            ..Container::default()
        }
    };
    let volumes = spec.volumes.take().into_iter().flatten();
    let volumes =
        volumes.filter(|volume| volume.image.is_some() || volume.persistent_volume_claim.is_some());
    let first = spec.init_containers.take().into_iter().flatten();
    *spec = PodSpec {
        node_name: spec.node_name.take(),
        init_containers: Some(first.map(told).collect()),
        containers: std::mem::take(&mut spec.containers)
            .into_iter()
            .map(told)
            .collect(),
        volumes: Some(volumes.collect()),
        ..PodSpec::default()
    };
}

/// Of a claim, whether it is bound, by what class, and who may mount it.
fn how_it_is_mounted(claim: &mut PersistentVolumeClaim) {
    claim.metadata.annotations = None;
    claim.metadata.labels = None;
    if let Some(spec) = &mut claim.spec {
        *spec = PersistentVolumeClaimSpec {
            access_modes: spec.access_modes.take(),
            storage_class_name: spec.storage_class_name.take(),
            ..PersistentVolumeClaimSpec::default()
        };
    }
}

/// Of a Node nothing else counts here.
fn whether_it_is_ready(node: &mut Node) {
    lighten(node);
    node.spec = None;
    node.metadata.annotations = None;
    node.metadata.labels = None;
}

fn by_name(nodes: &Store<Node>) -> BTreeMap<String, Arc<Node>> {
    let named = |node: Arc<Node>| (node.name_any(), node);
    nodes.state().into_iter().map(named).collect()
}

fn by_place<K>(store: &Store<K>) -> BTreeMap<Place, Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    placed(store.state())
}

fn placed<K: Resource<DynamicType = ()>>(objects: Vec<Arc<K>>) -> BTreeMap<Place, Arc<K>> {
    let placed = |object: Arc<K>| (Place::named(object.meta()), object);
    objects.into_iter().map(placed).collect()
}

fn shows<K>(store: &Store<K>, written: &Written) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let Place { namespace, name } = &written.place;
    let object = ObjectRef::new(name).within(namespace);
    seen(store, &object, written.version.as_ref())
}
