//! How policies, groups and rollouts stand, in conditions that a person and kstatus can read: `standing` judges, `rollout`
//! says it of rollouts, `leaving` of policies that are being deleted, `draining` who stands in their way, `observed` what
//! is only observed, `unread` which
//! objects are not understood.
mod applying;
mod draining;
mod isolation;
mod leaving;
mod observed;
mod rollout;
mod selected;
mod standing;
mod unread;

use std::{collections::BTreeMap, sync::Arc};

use crd::{
    id::{Digest, NodeName, ObjectRef},
    kind::{CardPolicy, CardPolicyStatus, P2PGroup, P2PGroupStatus},
    plan::{ReportKind, ReportLine},
};
use kube_client::ResourceExt;

pub(super) use standing::listed;
pub use standing::on;

use super::{
    declared::{group_ref, policy_ref},
    drains::Drain,
    leaving::is_kept,
    rollout::{Course, Stand},
    sheet::is_in_the_way,
    survey::Survey,
    world::{World, stays},
    writes::Write,
};
use crate::cluster::condition::{self, About, Said, Standing};
pub use standing::PAUSED;

/// How an object stands, with a reason and a sentence.
type Verdict = (Standing, String, String);

/// Everything that statuses are made of.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The cluster.
    pub world: &'a World,
    /// What is known of every node.
    pub survey: &'a Survey,
    /// What becomes of rollouts.
    pub course: &'a Course,
    /// Drains that agents wait for.
    pub drains: &'a BTreeMap<NodeName, Drain>,
    /// The safety rule that the plan breaks, where it does.
    pub unsafe_plan: Option<&'a str>,
}

/// The statuses that differ from what stands there.
pub fn verdicts(seen: &Seen<'_>) -> Vec<Write> {
    let policies = seen
        .world
        .policies
        .iter()
        .filter(|policy| stays(policy.as_ref()) || is_kept(policy));
    let groups = seen
        .world
        .groups
        .iter()
        .filter(|group| stays(group.as_ref()));
    policies
        .filter_map(|policy| seen.policy(policy))
        .chain(groups.filter_map(|group| seen.group(group)))
        .chain(
            seen.world
                .plans
                .iter()
                .filter_map(|plan| seen.rollout(plan)),
        )
        .chain(seen.unread())
        .collect()
}

impl Seen<'_> {
    fn policy(&self, policy: &Arc<CardPolicy>) -> Option<Write> {
        let before = policy.status.clone().unwrap_or_default();
        let nodes = self.world.selected(policy);
        let object = policy_ref(policy);
        let (standing, reason, message) = if stays(policy.as_ref()) {
            self.stands(&object, &nodes)
        } else {
            self.leaves(policy)
        };
        let converged = self.converged(&object, &nodes);
        let mut words = condition::standing(standing, &reason, message);
        words.push(self.pending(&nodes));
        words.push(self.drain_blocked(&nodes));
        words.push(self.degraded(&object, &nodes));
        words.push(self.told(
            About::Drifted,
            &nodes,
            |line| line.kind == ReportKind::Drift,
            ("AsLeft", "every register and setting is as it was left"),
        ));
        words.push(self.isolation(&nodes));
        let status = CardPolicyStatus {
            observed_generation: policy.metadata.generation,
            nodes: Some(count(nodes.len())),
            converged_nodes: Some(count(converged)),
            pending: self
                .open_rollout(&nodes)
                .map(|digest| Digest(digest.to_owned())),
            conditions: condition::conditions(
                &before.conditions,
                words,
                policy.metadata.generation,
                self.world.now,
            ),
        };
        (status != before).then(|| Write::PolicyStatus {
            policy: policy.clone(),
            status,
        })
    }

    fn group(&self, group: &Arc<P2PGroup>) -> Option<Write> {
        let before = group.status.clone().unwrap_or_default();
        let object = group_ref(group);
        let records: Vec<(&NodeName, bool)> = self
            .survey
            .sheets
            .iter()
            .flat_map(|(name, sheet)| {
                let sets = sheet.sets.iter().filter(|(of, _)| *of == object.name);
                sets.map(move |(_, verified)| (name, *verified))
            })
            .collect();
        // Sets of a node at work come and are verified one by one, of a thousand nodes in every turn: they count when it
        // has ended, as its convergence does.
        let rests = |name: &NodeName| self.course.stands.get(name) != Some(&Stand::Working);
        let counted = || records.iter().filter(|(name, _)| rests(name));
        let mut nodes: Vec<&NodeName> = records
            .iter()
            .map(|(name, _)| *name)
            .chain(self.nodes_of(&object))
            .chain(self.observed(&object))
            .chain(self.silent_for(group))
            .collect();
        nodes.sort();
        nodes.dedup();
        let (standing, reason, message) = self.stands(&object, &nodes);
        let mut words = condition::standing(standing, &reason, message);
        words.push(self.pending(&nodes));
        words.push(self.drain_blocked(&nodes));
        let status = P2PGroupStatus {
            observed_generation: group.metadata.generation,
            sets: Some(count(counted().count())),
            verified_sets: Some(count(counted().filter(|(_, verified)| *verified).count())),
            conditions: condition::conditions(
                &before.conditions,
                words,
                group.metadata.generation,
                self.world.now,
            ),
        };
        (status != before).then(|| Write::GroupStatus {
            group: group.clone(),
            status,
        })
    }

    /// Nodes that the group selects and a policy governs, and that nothing is known of yet.
    fn silent_for(&self, group: &P2PGroup) -> Vec<&NodeName> {
        let selector = group.spec.node_selector.as_ref();
        let selects = |name: &NodeName| {
            let node = self.world.nodes.get(name);
            let labels = node.map(|node| node.labels());
            selector.is_none_or(|selector| labels.is_some_and(|labels| selector.matches(labels)))
        };
        self.world
            .policies
            .iter()
            .filter(|policy| stays(policy.as_ref()))
            .flat_map(|policy| self.world.selected(policy))
            .filter(|name| !self.course.stands.contains_key(*name) && selects(name))
            .collect()
    }

    /// Whether something that another object declares is blocked on a policy's nodes: its own goals may all be met.
    fn degraded(&self, object: &ObjectRef, nodes: &[&NodeName]) -> Said {
        let of_another = |line: &ReportLine| {
            let other = line.object.as_ref().filter(|other| *other != object);
            is_in_the_way(line) && other.is_some()
        };
        let nothing = ("NothingBlocked", "no other object's goal is blocked here");
        self.told(About::Degraded, nodes, of_another, nothing)
    }

    /// Nodes with steps for an object.
    fn nodes_of(&self, object: &ObjectRef) -> Vec<&NodeName> {
        self.survey
            .sheets
            .iter()
            .filter(|(_, sheet)| sheet.objects.contains(object))
            .map(|(name, _)| name)
            .collect()
    }
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
