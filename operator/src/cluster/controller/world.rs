//! The cluster as one turn of the controller sees it.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crd::{
    id::NodeName,
    kind::{CardNode, CardPolicy, ChangePlan, P2PGroup},
};
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod};
use kube_client::{ResourceExt, api::ObjectMeta};
use machine::Timestamp;

use super::{evictions::Refusal, maintenance::Maintenance};
use crate::cluster::{condition::IDLE, names::CARDS_LABEL, read::Unread};

/// The condition by which Kubernetes says whether a Node is there to work on.
pub const READY: &str = "Ready";

/// Every object that a decision depends on, and the time.
#[derive(Clone, Debug)]
pub struct World {
    /// Policies.
    pub policies: Vec<Arc<CardPolicy>>,
    /// Groups.
    pub groups: Vec<Arc<P2PGroup>>,
    /// Policies and groups that this version does not understand.
    pub unread: Vec<Arc<Unread>>,
    /// Nodes by name.
    pub nodes: BTreeMap<NodeName, Arc<Node>>,
    /// Nodes with cards by name.
    pub card_nodes: BTreeMap<NodeName, Arc<CardNode>>,
    /// Rollouts, oldest first.
    pub plans: Vec<Arc<ChangePlan>>,
    /// Pods of the nodes whose agent waits for a drain.
    pub pods: BTreeMap<NodeName, Vec<Pod>>,
    /// Evictions that are handed off.
    pub maintenance: Maintenance,
    /// Evictions that were refused, by the pod's uid.
    pub refusals: BTreeMap<String, Refusal>,
    /// Since when policies are on their way out, by our own clock and their uid, where that was seen.
    pub departures: BTreeMap<String, Timestamp>,
    /// The same of Nodes that are not ready.
    pub absences: BTreeMap<NodeName, Timestamp>,
    /// The same of nodes whose agent waits for a drain.
    pub drains: BTreeMap<NodeName, Timestamp>,
    /// Epoch of the lease that the controller holds.
    pub epoch: i64,
    /// The time.
    pub now: Timestamp,
}

impl World {
    /// The nodes that a policy selects, of those that have cards or had some.
    pub fn selected(&self, policy: &CardPolicy) -> Vec<&NodeName> {
        let selector = policy.spec.node_selector.as_ref();
        self.nodes
            .iter()
            .filter(|(name, node)| has_cards(node) || self.card_nodes.contains_key(*name))
            .filter(|(_, node)| selector.is_none_or(|selector| selector.matches(node.labels())))
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether a node has a grant, of whatever rollout.
    pub fn has_grant(&self, name: &NodeName) -> bool {
        let card_node = self.card_nodes.get(name);
        card_node.is_some_and(|card_node| card_node.spec.grant.is_some())
    }

    /// Why a node cannot be worked on now, where Kubernetes says so: a Node that says nothing of itself is taken to be
    /// there.
    pub fn away(&self, name: &NodeName) -> Option<String> {
        self.not_ready(name)
            .map(why_away)
            .or_else(|| self.idle(name))
    }

    /// What a node's agent says of itself where it carries nothing out, for another process has the machine.
    fn idle(&self, name: &NodeName) -> Option<String> {
        let status = self.card_nodes.get(name)?.status.as_ref()?;
        let mut conditions = status.conditions.iter();
        let said = conditions.find(|condition| condition.reason == IDLE)?;
        Some(format!("its agent is idle ({})", said.message))
    }

    /// The same of a node that has been away for so long.
    pub fn away_for(&self, name: &NodeName, long: Duration) -> Option<String> {
        let ready = self.not_ready(name)?;
        let stamped = || {
            let since = ready.last_transition_time.as_ref()?.0.as_millisecond();
            Some(Timestamp(u64::try_from(since).ok()?))
        };
        let since = self.absences.get(name).copied().or_else(stamped)?;
        (since.until(self.now) >= long).then(|| why_away(ready))
    }

    /// Nodes, each with whether it is not ready.
    pub fn presence(&self) -> impl Iterator<Item = (NodeName, bool)> + '_ {
        let nodes = self.nodes.keys();
        nodes.map(|name| (name.clone(), self.not_ready(name).is_some()))
    }

    fn not_ready(&self, name: &NodeName) -> Option<&NodeCondition> {
        not_ready(self.nodes.get(name)?)
    }
}

/// What Kubernetes says of a Node that is not there to work on.
pub fn not_ready(node: &Node) -> Option<&NodeCondition> {
    let mut conditions = node.status.as_ref()?.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == READY)?;
    (ready.status != "True").then_some(ready)
}

fn why_away(ready: &NodeCondition) -> String {
    let why = ready.message.as_deref().or(ready.reason.as_deref());
    format!(
        "its Node is not ready ({})",
        why.unwrap_or("no reason is given")
    )
}

/// Whether a Node says that it has cards.
pub fn has_cards(node: &Node) -> bool {
    node.labels()
        .get(CARDS_LABEL)
        .is_some_and(|value| value != "false")
}

/// Whether an object is there to stay.
pub fn stays<K: ResourceExt>(object: &K) -> bool {
    stands_there(object.meta())
}

/// The same of an object of which only this is known.
pub fn stands_there(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_none()
}

/// A rollout's place among rollouts, from its name; 0 for a name that is not of ours. Times have whole seconds alone, and
/// versions move with every status.
pub fn number(name: &str) -> u64 {
    let mut parts = name.split('-');
    match (parts.next(), parts.next()) {
        (Some("rollout"), Some(number)) => number.parse().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollouts_are_numbered() {
        for (name, expected) in [
            ("rollout-12-0a1b2c3d4e", 12),
            ("rollout-0012-0a1b2c3d4e", 12),
            ("rollout-x-0a1b2c3d4e", 0),
            ("rollout", 0),
            ("other-12-0a", 0),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
    }
}
