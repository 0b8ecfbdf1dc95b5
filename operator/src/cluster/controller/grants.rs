//! Grants and drains: what each `CardNode` and Node is to say for the course that was decided on.
use std::{collections::BTreeMap, sync::Arc};

use crd::{
    id::NodeName,
    kind::{CardNode, CardNodeSpec, ChangePlan, Grant, NodeProgress},
};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube_client::ResourceExt;

use super::{
    drains::{Awaited, Drain},
    rollout::{Course, Stand},
    sheet::Sheet,
    survey::Survey,
    world::World,
    writes::{CardNodeWrite, Write},
};
use crate::cluster::names::{DRAIN_EFFECT, DRAIN_TAINT};

/// Grants that go out, come back, or have a drain to be done; and taints on Nodes.
pub fn grants(
    world: &World,
    survey: &Survey,
    course: &Course,
    waiting: &BTreeMap<NodeName, Awaited>,
    drains: &BTreeMap<NodeName, Drain>,
) -> Vec<Write> {
    let mut writes = Vec::new();
    for (name, card_node) in &world.card_nodes {
        let node = world.nodes.get(name);
        let known = Known {
            world,
            survey,
            course,
            awaits: waiting.contains_key(name),
            drain: drains.get(name),
        };
        let goal = known.goal(name, card_node, node);
        if goal.spec != card_node.spec {
            writes.push(Write::CardNode(CardNodeWrite {
                spec: goal.spec,
                ..CardNodeWrite::of(card_node)
            }));
        }
        if let Some(node) = node
            && let Some(taints) = tainted(node, goal.taint)
        {
            writes.push(Write::Taints {
                node: node.clone(),
                taints,
            });
        }
    }
    writes
}

/// What a node is to have.
struct Goal {
    spec: CardNodeSpec,
    taint: Placement,
}

/// Whether anything new may be placed on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    Open,
    /// Kept off by our taint.
    Kept,
}

/// What a node's goal depends on.
struct Known<'a> {
    world: &'a World,
    survey: &'a Survey,
    course: &'a Course,
    /// Whether its agent waits for a drain.
    awaits: bool,
    /// That drain, where the node's pods are known.
    drain: Option<&'a Drain>,
}

impl Known<'_> {
    fn goal(&self, name: &NodeName, card_node: &CardNode, node: Option<&Arc<Node>>) -> Goal {
        let Self {
            world,
            survey,
            course,
            awaits: _,
            drain: _,
        } = *self;
        let nothing = Goal {
            spec: CardNodeSpec {
                approval: survey.sheets.get(name).and_then(|sheet| sheet.approval),
                ..CardNodeSpec::default()
            },
            taint: Placement::Open,
        };
        if let Some(grant) = &card_node.spec.grant {
            if is_over(course, name, grant) {
                return nothing;
            }
            return self.at_work(card_node, node, grant);
        }
        let begins = course.stands.get(name) == Some(&Stand::Begins);
        let planned = survey.sheets.get(name);
        let granted = planned
            .filter(|_| begins)
            .zip(course.current.as_deref())
            .zip(node)
            .and_then(|((planned, current), node)| grant(world, planned, current, card_node, node));
        match granted {
            Some(grant) => Goal {
                spec: CardNodeSpec {
                    grant: Some(grant),
                    drained: Vec::new(),
                    drained_for: None,
                    approval: None,
                },
                taint: Placement::Open,
            },
            None => nothing,
        }
    }

    /// A node that carries out its grant: drained as far as it asks, where it asks.
    fn at_work(&self, card_node: &CardNode, node: Option<&Arc<Node>>, grant: &Grant) -> Goal {
        let as_it_is = |taint| Goal {
            spec: card_node.spec.clone(),
            taint,
        };
        if !self.awaits {
            let begun = !card_node.spec.drained.is_empty();
            return as_it_is(if begun {
                Placement::Kept
            } else {
                Placement::Open
            });
        }
        let kept_off = node.is_some_and(|node| is_tainted(node));
        // Only once the API server has the taint: whoever was placed before is seen as a holder by the next look.
        match self.drain.filter(|drain| drain.done && kept_off) {
            None => as_it_is(Placement::Kept),
            Some(drain) => Goal {
                spec: CardNodeSpec {
                    grant: Some(grant.clone()),
                    drained: drain.awaited.socs.clone(),
                    drained_for: Some(drain.awaited.step.clone()),
                    approval: None,
                },
                taint: Placement::Kept,
            },
        }
    }
}

/// Whether a grant may go: how it ended is in its rollout's status, or its rollout is no more.
fn is_over(course: &Course, name: &NodeName, grant: &Grant) -> bool {
    let Some(current) = course.current.as_deref() else {
        return true;
    };
    if current.spec.digest != grant.rollout {
        return true;
    }
    let recorded = current
        .status
        .as_ref()
        .and_then(|status| status.nodes.iter().find(|outcome| outcome.node == *name));
    recorded.is_some_and(|recorded| recorded.outcome != NodeProgress::Applying)
}

fn grant(
    world: &World,
    planned: &Sheet,
    current: &ChangePlan,
    card_node: &CardNode,
    node: &Node,
) -> Option<Grant> {
    Some(Grant {
        digest: planned.digest.clone(),
        rollout: current.spec.digest.clone(),
        // A plan of 32 SoCs takes 4 KB of the 256.
        plan: planned.packed.clone()?,
        boot_id: planned.boot_id.clone()?,
        node_uid: node.uid()?,
        decided_on: card_node.resource_version()?,
        lease_epoch: world.epoch,
    })
}

fn is_tainted(node: &Node) -> bool {
    taints(node).iter().any(is_ours)
}

fn is_ours(taint: &Taint) -> bool {
    taint.key == DRAIN_TAINT && taint.effect == DRAIN_EFFECT
}

fn taints(node: &Node) -> &[Taint] {
    node.spec
        .as_ref()
        .and_then(|spec| spec.taints.as_deref())
        .unwrap_or_default()
}

/// All taints that a Node is to have, where that differs.
fn tainted(node: &Node, placement: Placement) -> Option<Vec<Taint>> {
    let wanted = placement == Placement::Kept;
    if is_tainted(node) == wanted {
        return None;
    }
    let mut all: Vec<Taint> = taints(node)
        .iter()
        .filter(|taint| !is_ours(taint))
        .cloned()
        .collect();
    if wanted {
        all.push(Taint {
            key: DRAIN_TAINT.to_owned(),
            effect: DRAIN_EFFECT.to_owned(),
            ..Taint::default()
        });
    }
    Some(all)
}
