//! What the controller follows: every kind that a decision depends on, in memory, and whether it has seen its own writes.
use std::{collections::BTreeMap, sync::Arc};

use crd::{
    id::NodeName,
    kind::{CardNode, CardPolicy, ChangePlan, P2PGroup},
};
use k8s_openapi::api::core::v1::{Node, NodeStatus};
use kube_client::{Client, Resource, ResourceExt};
use kube_runtime::{
    reflector::{ObjectRef, Store},
    watcher,
};
use machine::Timestamp;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    maintenance::Maintenance,
    world::{READY, World, number},
    writes::Written,
};
use crate::cluster::{
    read::{Read, parted},
    watching::{Following, seen, store},
};

/// Objects that one answer to a list has: a CardNode of 32 SoCs is 20 KB of text, and all of it is in memory at once.
pub const PAGE: u32 = 50;

/// The objects, followed from the moment that this was made; following ends when it is dropped.
#[derive(Debug)]
pub struct Stores {
    policies: Store<Read<CardPolicy>>,
    groups: Store<Read<P2PGroup>>,
    nodes: Store<Node>,
    card_nodes: Store<CardNode>,
    plans: Store<ChangePlan>,
    // Aborts what it holds when it is dropped.
    _watches: JoinSet<()>,
}

impl Stores {
    /// Follows everything; `changed` hears of every change. The first list of each is as fresh as the server's store.
    pub fn follow(client: &Client, me: &str, changed: &Arc<Notify>) -> Self {
        let mut watches = JoinSet::new();
        let all = || watcher::Config::default().page_size(PAGE);
        let mut following = Following {
            client,
            me,
            changed,
            watches: &mut watches,
        };
        Self {
            policies: store(&mut following, all(), |_| {}),
            groups: store(&mut following, all(), |_| {}),
            nodes: store(&mut following, all(), lighten),
            card_nodes: store(&mut following, all(), without_details),
            plans: store(&mut following, all(), |_| {}),
            _watches: watches,
        }
    }

    /// Waits until each was listed once. `false` where following has ended.
    pub async fn ready(&self) -> bool {
        let (policies, groups, nodes, card_nodes, plans) = futures::join!(
            self.policies.wait_until_ready(),
            self.groups.wait_until_ready(),
            self.nodes.wait_until_ready(),
            self.card_nodes.wait_until_ready(),
            self.plans.wait_until_ready(),
        );
        [
            policies.is_ok(),
            groups.is_ok(),
            nodes.is_ok(),
            card_nodes.is_ok(),
            plans.is_ok(),
        ]
        .into_iter()
        .all(|ready| ready)
    }

    /// The cluster as it is known now.
    pub fn world(&self, epoch: i64, now: Timestamp) -> World {
        let mut plans = self.plans.state();
        plans.sort_by_cached_key(|plan| (number(&plan.name_any()), plan.name_any()));
        let (policies, mut unread) = parted(&by_name(&self.policies));
        let (groups, more) = parted(&by_name(&self.groups));
        unread.extend(more);
        World {
            policies,
            groups,
            unread,
            nodes: keyed(&self.nodes),
            card_nodes: keyed(&self.card_nodes),
            plans,
            pods: BTreeMap::new(),
            maintenance: Maintenance::default(),
            refusals: BTreeMap::new(),
            departures: BTreeMap::new(),
            absences: BTreeMap::new(),
            drains: BTreeMap::new(),
            epoch,
            now,
        }
    }

    /// Whether a write is seen here: the object at that version or a later one, or no more.
    pub fn have_seen(&self, written: &Written) -> bool {
        match written.kind {
            "CardNode" => shows(&self.card_nodes, written),
            "ChangePlan" => shows(&self.plans, written),
            "CardPolicy" => shows(&self.policies, written),
            "P2PGroup" => shows(&self.groups, written),
            // They are not followed: every turn lists them anew.
            "NodeMaintenance" => true,
            _ => shows(&self.nodes, written),
        }
    }
}

/// Of a Node, names, labels and taints count, and whether it is ready: its images and addresses are most of its size.
pub fn lighten(node: &mut Node) {
    let conditions = node.status.take().and_then(|status| status.conditions);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == READY);
    node.status = ready.map(|ready| NodeStatus {
        conditions: Some(vec![ready]),
        ..NodeStatus::default()
    });
}

/// Of a CardNode, what is there for people to read: decisions go by its snapshot.
fn without_details(card_node: &mut CardNode) {
    if let Some(status) = &mut card_node.status {
        status.deviations = Vec::new();
        status.last_steps = Vec::new();
        status.holders = Vec::new();
    }
}

fn by_name<K>(store: &Store<K>) -> Vec<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let mut all = store.state();
    all.sort_by_cached_key(|object| object.name_any());
    all
}

fn keyed<K>(store: &Store<K>) -> BTreeMap<NodeName, Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store
        .state()
        .into_iter()
        .map(|object| (NodeName(object.name_any()), object))
        .collect()
}

fn shows<K>(store: &Store<K>, written: &Written) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    seen(
        store,
        &ObjectRef::new(&written.name),
        written.version.as_ref(),
    )
}
