//! Evictions: the pods of nodes that are drained, asked for anew at every turn, and what the Eviction API answers.
use std::{collections::BTreeMap, time::Duration};

use crd::id::NodeName;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube_client::{
    Api, Client, Error, ResourceExt,
    api::{DeleteParams, EvictParams, ListParams, Preconditions},
};
use machine::Timestamp;

use super::{
    Controller, LIMIT, WRITES,
    drains::{self, Victim},
    now,
    stores::Stores,
    world::{World, stays},
};
use crate::cluster::{condition::shortened, connection, telemetry::log::Level};

/// The first wait after a refusal.
const FIRST: Duration = Duration::from_secs(1);
/// The longest: a budget that was raised is noticed within this.
const LONGEST: Duration = Duration::from_secs(30);
/// How often a drain that is not done is looked at.
pub const AGAIN: Duration = Duration::from_secs(2);
/// Characters of a refusal that are kept.
const WORDS: usize = 160;

/// An eviction that was refused. Kept by the pod's uid, in memory alone: whoever leads next asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When it is tried again.
    pub until: Timestamp,
    /// How long the last wait was.
    pub waited: Duration,
    /// The API server's words.
    pub why: String,
}

impl Refusal {
    /// The refusal that follows on another: waits double.
    pub fn after(before: Option<&Self>, why: String, now: Timestamp) -> Self {
        let waited = before.map_or(FIRST, |before| (before.waited * 2).min(LONGEST));
        Self {
            until: now.plus(waited),
            waited,
            why,
        }
    }
}

impl Controller<'_> {
    /// The cluster as it is known now, with the pods of nodes that are drained.
    pub(super) async fn world(&mut self, epoch: i64, stores: &Stores) -> World {
        let mut world = stores.world(epoch, now());
        let waiting = drains::waiting(&world, &mut self.notes);
        world.pods = pods(&self.client, waiting.keys()).await;
        world.maintenance = self.maintenance(&world).await;
        let there = |uid: &String| {
            let mut pods = world.pods.values().flatten();
            pods.any(|pod| pod.metadata.uid.as_ref() == Some(uid))
        };
        self.refusals.retain(|uid, _| there(uid));
        world.refusals.clone_from(&self.refusals);
        let policies = world.policies.iter();
        let going = policies.filter_map(|policy| Some((policy.uid()?, !stays(policy.as_ref()))));
        world.departures = self.departures.look(going, world.now);
        world.absences = self.absences.look(world.presence(), world.now);
        let nodes = world.card_nodes.keys();
        let nodes = nodes.map(|name| (name.clone(), waiting.contains_key(name)));
        world.drains = self.drains.look(nodes, world.now);
        world
    }

    /// Asks that pods be evicted, one after the other: a disruption budget counts them so.
    pub(super) async fn evict(&mut self, epoch: i64, victims: &[Victim]) {
        for victim in victims {
            if !self.term.leads(epoch) {
                return;
            }
            let Victim { pod, uid } = victim;
            match evict(&self.client, victim).await {
                Answer::Goes => {
                    self.refusals.remove(uid);
                    let said = format!("pod {pod} is evicted, it holds a SoC");
                    self.log.say(Level::Info, &said, &[]);
                }
                Answer::Refused(why) => {
                    let before = self.refusals.get(uid);
                    if before.is_none_or(|before| before.why != why) {
                        let said = format!("pod {pod} is not evicted: {why}");
                        self.log.say(Level::Warning, &said, &[]);
                    }
                    let refusal = Refusal::after(before, why, now());
                    self.refusals.insert(uid.clone(), refusal);
                }
            }
        }
    }
}

/// The pods of nodes. A node whose pods cannot be listed is left out: nothing is decided about its drain.
async fn pods(
    client: &Client,
    nodes: impl Iterator<Item = &NodeName>,
) -> BTreeMap<NodeName, Vec<Pod>> {
    let listed = futures::stream::iter(nodes)
        .map(|node| async move {
            let of = ListParams::default().fields(&format!("spec.nodeName={node}"));
            let api = Api::<Pod>::all(client.clone());
            let pods = tokio::time::timeout(LIMIT, api.list(&of))
                .await
                .ok()?
                .ok()?;
            Some((node.clone(), pods.items))
        })
        .buffer_unordered(WRITES);
    listed
        .filter_map(|found| async move { found })
        .collect()
        .await
}

/// What came of asking for an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// The pod goes, or is gone.
    Goes,
    /// It is refused, for this reason.
    Refused(String),
}

/// Asks that a pod be evicted.
async fn evict(client: &Client, victim: &Victim) -> Answer {
    let parameters = EvictParams {
        delete_options: Some(DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(victim.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        }),
        ..EvictParams::default()
    };
    let api = Api::<Pod>::namespaced(client.clone(), &victim.pod.namespace);
    let asking = api.evict(&victim.pod.name, &parameters);
    match tokio::time::timeout(LIMIT, asking).await {
        Err(_) => Answer::Refused("the API server does not answer".to_owned()),
        Ok(Ok(_)) => Answer::Goes,
        Ok(Err(error)) => answer(&error),
    }
}

fn answer(error: &Error) -> Answer {
    let Error::Api(status) = error else {
        return Answer::Refused(shortened(&connection::why(error), WORDS));
    };
    // Gone, or another pod has its name by now.
    if matches!(status.code, 404 | 409) {
        return Answer::Goes;
    }
    let cause = status.details.as_ref().and_then(|details| {
        details
            .causes
            .iter()
            .find(|cause| !cause.message.is_empty())
    });
    let why = cause.map_or(status.message.as_str(), |cause| cause.message.as_str());
    Answer::Refused(shortened(why, WORDS))
}
