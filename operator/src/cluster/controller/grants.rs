//! Grants and drains: what each `CardNode` and Node is to say for the course that was decided on.
use std::{collections::BTreeMap, sync::Arc};

use crd::{
    id::NodeName,
    kind::{CardNode, CardNodeSpec, ChangePlan, Grant, NodeProgress},
};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{
    drains::{Awaited, Drain},
    in_hand::{self, Recorded, recorded},
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
        let stands = CardNodeWrite::of(card_node);
        if goal.spec != stands.spec || goal.in_hand_until != stands.in_hand_until {
            writes.push(Write::CardNode(CardNodeWrite {
                spec: goal.spec,
                in_hand_until: goal.in_hand_until,
                ..stands
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
    /// Until when a step of a grant that is taken back is waited for.
    in_hand_until: Option<String>,
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
        let nothing = || Goal {
            spec: CardNodeSpec {
                approval: survey.sheets.get(name).and_then(|sheet| sheet.approval),
                ..CardNodeSpec::default()
            },
            in_hand_until: None,
            taint: Placement::Open,
        };
        let in_hand = in_hand::until(world, name);
        if let Some(grant) = &card_node.spec.grant {
            if !is_over(course, name, grant) {
                return self.at_work(card_node, node, grant);
            }
            return in_hand.map_or_else(nothing, |until| ending(node, until));
        }
        if let Some(until) = in_hand {
            return ending(node, until);
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
                in_hand_until: None,
                taint: Placement::Open,
            },
            None => nothing(),
        }
    }

    /// A node that carries out its grant: drained as far as it asks, where it asks.
    fn at_work(&self, card_node: &CardNode, node: Option<&Arc<Node>>, grant: &Grant) -> Goal {
        let as_it_is = |taint| Goal {
            spec: card_node.spec.clone(),
            in_hand_until: None,
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
                in_hand_until: None,
                taint: Placement::Kept,
            },
        }
    }
}

/// What a node is to have whose agent ends a step of a grant that is taken back: nothing more to do, and what was kept off
/// it stays off until the step has ended. Which approval its ledger keeps, nobody knows before.
fn ending(node: Option<&Arc<Node>>, until: Timestamp) -> Goal {
    Goal {
        spec: CardNodeSpec::default(),
        in_hand_until: Some(until.to_string()),
        taint: if node.is_some_and(|node| is_tainted(node)) {
            Placement::Kept
        } else {
            Placement::Open
        },
    }
}

/// Whether a grant may go: how it ended is in its rollout's status, or its rollout is no more.
fn is_over(course: &Course, name: &NodeName, grant: &Grant) -> bool {
    match recorded(course.current.as_deref(), name, grant) {
        Recorded::NoMore => true,
        Recorded::As(outcome) => outcome.is_some_and(|of| of != NodeProgress::Applying),
    }
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
