//! Where a rollout stands, and what it does next: a function of the plan for now, the `ChangePlan` at hand and the nodes.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crd::{
    declaration::Declaration,
    id::{Digest, NodeName},
    kind::{ChangePlan, ChangePlanSpec, NodeOutcome, NodeProgress},
    plan::{NodePlan, Plan, ReportKind},
};
use reconcile::{
    ApprovalDecision, approval,
    rollout::{self, Next, Progress},
    window,
};

use super::{declared, opening::opened, progress::outcomes, world::World};

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nothing is left to do.
    Converged,
    /// Its steps are being carried out.
    Working,
    /// Its steps may begin now.
    Begins,
    /// Its turn comes.
    Queued,
    /// Somebody has to approve its steps.
    Approval(String),
    /// Its steps are disruptive, and no window is open.
    Window,
    /// Kubernetes says that its Node is not there to work on.
    Away(String),
    /// A step failed; nothing more is tried.
    Failed(String),
    /// The rollout goes no further.
    Stopped(String),
}

/// What becomes of rollouts now.
#[derive(Debug, Default)]
pub struct Course {
    /// The rollout at hand.
    pub current: Option<Arc<ChangePlan>>,
    /// How its nodes stand, as its status is to say.
    pub outcomes: Vec<NodeOutcome>,
    /// A rollout to be opened.
    pub open: Option<ChangePlanSpec>,
    /// Where each node of the plan stands.
    pub stands: BTreeMap<NodeName, Stand>,
}

/// Decides.
pub fn course(world: &World, plan: &Plan, declaration: &Declaration) -> Course {
    let current = world.plans.last().cloned();
    let declared = declared::digest(declaration);
    let outcomes = current
        .as_ref()
        .map(|current| outcomes(world, plan, current))
        .unwrap_or_default();
    let outcome = |name: &NodeName| outcomes.iter().find(|outcome| outcome.node == *name);
    let working = |name: &NodeName| {
        outcome(name).is_some_and(|outcome| outcome.outcome == NodeProgress::Applying)
    };
    let mut stands = BTreeMap::new();
    let mut left: Vec<&NodePlan> = Vec::new();
    for node in &plan.nodes {
        let stand = if working(&node.node) {
            Stand::Working
        } else if node.steps.is_empty() {
            Stand::Converged
        } else if let Some(why) = failed(
            world,
            (&outcomes, current.as_deref()),
            declared.as_ref(),
            &node.node,
        ) {
            Stand::Failed(why)
        } else {
            left.push(node);
            Stand::Queued
        };
        stands.insert(node.node.clone(), stand);
    }
    let covered = current
        .as_ref()
        .is_some_and(|current| left.iter().all(|node| covers(current, &outcomes, node)));
    let mut open = None;
    if covered {
        let current = current.as_deref();
        let failed: Vec<&NodeName> = plan
            .nodes
            .iter()
            .map(|node| &node.node)
            .filter(|name| matches!(stands.get(*name), Some(Stand::Failed(_))))
            .collect();
        let known = (outcomes.as_slice(), failed.as_slice());
        for (node, stand) in next(world, plan, declaration, current, known, &left) {
            stands.insert(node, stand);
        }
    } else if !left.is_empty()
        && !stands.values().any(|stand| *stand == Stand::Working)
        && !left.iter().any(|node| world.has_grant(&node.node))
    {
        // Where nodes are at work for a rollout that no longer fits, they end first; and what was granted is taken back
        // first, or a rollout of the same steps would take how that ended for its own.
        open = Some(opened(plan, &left, declared));
    }
    Course {
        current,
        outcomes,
        open,
        stands,
    }
}

/// Whether a node's steps are those that the rollout planned for it, and it has not begun.
fn covers(current: &ChangePlan, outcomes: &[NodeOutcome], node: &NodePlan) -> bool {
    let planned = current
        .spec
        .nodes
        .iter()
        .any(|planned| planned.node == node.node && planned.digest == node.digest);
    planned && !outcomes.iter().any(|outcome| outcome.node == node.node)
}

/// Why a node's steps are not tried again: some failed, whatever is left of them, and nothing else was declared since.
/// The newest rollout that began on the node says it.
fn failed(
    world: &World,
    course: (&[NodeOutcome], Option<&ChangePlan>),
    declared: Option<&Digest>,
    node: &NodeName,
) -> Option<String> {
    let (outcomes, current) = course;
    let (plan, outcome) = world.plans.iter().rev().find_map(|plan| {
        let is_current = current.is_some_and(|current| current.metadata.uid == plan.metadata.uid);
        let known = plan.status.as_ref().map(|status| status.nodes.as_slice());
        let known = if is_current {
            outcomes
        } else {
            known.unwrap_or_default()
        };
        let outcome = known.iter().find(|outcome| outcome.node == *node)?;
        Some((plan, outcome))
    })?;
    let ended_badly = matches!(
        outcome.outcome,
        NodeProgress::Halted | NodeProgress::RolledBack
    );
    (ended_badly && plan.spec.declared.as_ref() == declared).then(|| {
        let name = plan.metadata.name.as_deref().unwrap_or_default();
        format!(
            "{}; look at the card, then `kubectl delete changeplan {name}` tries again",
            outcome.why.as_deref().unwrap_or("a step failed")
        )
    })
}

/// Whether something stands against a node's goals.
pub fn is_blocked(plan: &Plan, node: &NodeName) -> bool {
    plan.report.iter().any(|line| {
        matches!(line.kind, ReportKind::Blocked | ReportKind::Error)
            && line.node.as_ref() == Some(node)
    })
}

/// Which of the nodes that are left begin, and what the others wait for.
fn next(
    world: &World,
    plan: &Plan,
    declaration: &Declaration,
    current: Option<&ChangePlan>,
    (outcomes, failed): (&[NodeOutcome], &[&NodeName]),
    left: &[&NodePlan],
) -> Vec<(NodeName, Stand)> {
    let Some(current) = current else {
        return Vec::new();
    };
    // A failure that stands holds the others, whichever rollout it was in: none of them goes on where one canary failed.
    let failed = failed
        .iter()
        .map(|name| ((*name).clone(), Progress::Failed));
    let begun: BTreeMap<NodeName, Progress> = outcomes
        .iter()
        .map(|outcome| {
            let progress = match outcome.outcome {
                NodeProgress::Applying => Progress::Working,
                // What no longer fits is planned anew: it is not this rollout's any more.
                NodeProgress::Converged | NodeProgress::Stale => Progress::Converged,
                NodeProgress::Halted | NodeProgress::RolledBack => Progress::Failed,
            };
            (outcome.node.clone(), progress)
        })
        .chain(failed)
        .collect();
    let mut stands: Vec<(NodeName, Stand)> = left
        .iter()
        .map(|node| {
            let stand = match leave(world, current, node) {
                Some(why) => Stand::Approval(why),
                None if node.disruptive && !window::open(declaration, node, world.now.0) => {
                    Stand::Window
                }
                None => world.away(&node.node).map_or(Stand::Queued, Stand::Away),
            };
            (node.node.clone(), stand)
        })
        .collect();
    let may: BTreeSet<&NodeName> = stands
        .iter()
        .filter(|(_, stand)| *stand == Stand::Queued)
        .map(|(name, _)| name)
        .collect();
    let canary = |name: &NodeName| {
        let node = left.iter().find(|node| node.node == *name);
        node.is_some_and(|node| node.governance.canary)
    };
    // Nobody goes before a canary, whatever that one waits for.
    let held = stands
        .iter()
        .any(|(name, stand)| *stand != Stand::Queued && canary(name));
    let order = current
        .spec
        .order
        .iter()
        .filter(|name| begun.contains_key(*name) || may.contains(name))
        .filter(|name| begun.contains_key(*name) || !held || canary(name))
        .cloned()
        .collect();
    let view = Plan {
        order,
        ..plan.clone()
    };
    match rollout::next(&view, &begun) {
        Next::Begin(names) => {
            for (name, stand) in &mut stands {
                if *stand == Stand::Queued && names.contains(name) {
                    *stand = Stand::Begins;
                }
            }
        }
        Next::Stop { why } => {
            for (_, stand) in &mut stands {
                *stand = Stand::Stopped(why.clone());
            }
        }
        Next::Done => {}
    }
    stands
}

/// What is missing before a node's steps may go ahead; `None` where nothing is.
fn leave(world: &World, current: &ChangePlan, node: &NodePlan) -> Option<String> {
    let mut offered: Vec<Digest> = given(current).cloned().into_iter().collect();
    if world.plans.iter().any(|plan| still_holds(plan, node)) {
        offered.push(Digest(node.digest.0.clone()));
    }
    match approval::decide(node, &current.spec.digest, &offered) {
        ApprovalDecision::Automatic | ApprovalDecision::Approved { .. } => None,
        ApprovalDecision::Wanted { why, .. } => Some(why),
    }
}

fn given(plan: &ChangePlan) -> Option<&Digest> {
    let status = plan.status.as_ref()?;
    status.approval.as_ref().map(|given| &given.digest)
}

/// Whether leave that an earlier rollout got is still good for these very steps: they were approved there, and came to
/// nothing. Steps that were carried out once are asked for again.
fn still_holds(plan: &ChangePlan, node: &NodePlan) -> bool {
    let planned = plan
        .spec
        .nodes
        .iter()
        .any(|planned| planned.node == node.node && planned.digest == node.digest);
    let approved =
        given(plan).is_some_and(|given| given.0 == plan.spec.digest.0 || given.0 == node.digest.0);
    let came_to_nothing = plan.status.as_ref().is_some_and(|status| {
        status
            .nodes
            .iter()
            .any(|outcome| outcome.node == node.node && outcome.outcome == NodeProgress::Stale)
    });
    planned && approved && came_to_nothing
}
