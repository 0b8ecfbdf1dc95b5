//! How a `ChangePlan` stands, the one at hand and those before it.
use std::sync::Arc;

use crd::{
    id::{NodeName, ObjectRef},
    kind::{ChangePlan, ChangePlanStatus, NodeOutcome, NodeProgress},
};
use kube_client::ResourceExt;

use super::{
    Seen, Verdict,
    standing::{listed, on},
};
use crate::cluster::{
    condition::{self, About, Standing, said},
    controller::{in_hand::is_ending, progress::NEEDLESS, rollout::Stand, writes::Write},
};

impl Seen<'_> {
    pub(super) fn rollout(&self, plan: &Arc<ChangePlan>) -> Option<Write> {
        let before = plan.status.clone().unwrap_or_default();
        let is_current = self
            .course
            .current
            .as_ref()
            .is_some_and(|current| current.uid() == plan.uid());
        let nodes = if is_current {
            self.course.outcomes.clone()
        } else {
            before.nodes.clone()
        };
        let (standing, reason, message) = self.rollout_stands(plan, &nodes, is_current);
        let mut words = condition::standing(standing, &reason, message);
        if is_current {
            let names: Vec<&NodeName> = plan.spec.nodes.iter().map(|node| &node.node).collect();
            words.push(self.pending(&names));
            words.push(self.drain_blocked(&names));
        } else {
            words.push(said(
                About::PlanPending,
                false,
                "NothingPending",
                "no plan waits for a person",
            ));
            words.push(self.drain_blocked(&[]));
        }
        let status = ChangePlanStatus {
            observed_generation: plan.metadata.generation,
            approval: before.approval.clone(),
            nodes,
            conditions: condition::conditions(
                &before.conditions,
                words,
                plan.metadata.generation,
                self.world.now,
            ),
        };
        (status != before).then(|| Write::PlanStatus {
            plan: plan.clone(),
            status,
        })
    }

    fn rollout_stands(
        &self,
        plan: &ChangePlan,
        nodes: &[NodeOutcome],
        is_current: bool,
    ) -> Verdict {
        let ended = |outcome: &NodeOutcome| outcome.outcome == NodeProgress::Converged;
        let failed = nodes.iter().find(|outcome| {
            matches!(
                outcome.outcome,
                NodeProgress::Halted | NodeProgress::RolledBack
            )
        });
        let mut planned: Vec<&NodeName> = plan.spec.nodes.iter().map(|node| &node.node).collect();
        if nodes.len() == planned.len() && nodes.iter().all(ended) {
            return (
                Standing::Ready,
                "Converged".to_owned(),
                format!("every step was verified on {}", listed(&planned)),
            );
        }
        if is_current {
            // What ends is of a rollout that is gone, and not of this one.
            planned.retain(|name| !is_ending(self.world, name));
            let moving = planned.iter().any(|name| {
                matches!(
                    self.course.stands.get(*name),
                    Some(Stand::Working | Stand::Begins)
                )
            });
            if failed.is_none() || moving {
                // Nothing is said of it but by its own name.
                let object = ObjectRef {
                    kind: "ChangePlan".to_owned(),
                    namespace: None,
                    name: plan.name_any(),
                };
                let (standing, reason, message) = self.stands(&object, &planned);
                if standing != Standing::Ready {
                    return (standing, reason, message);
                }
            }
        }
        match failed {
            Some(outcome) if !is_current && self.is_overtaken(plan, &outcome.node) => (
                Standing::Ready,
                "Superseded".to_owned(),
                format!(
                    "{}; it was tried again since, or nothing is left to do there",
                    on(
                        &outcome.node,
                        outcome.why.as_deref().unwrap_or("a step failed")
                    )
                ),
            ),
            Some(outcome) => (
                Standing::Stalled,
                "StepFailed".to_owned(),
                format!(
                    "{}; look at the card, then `kubectl delete changeplan {}` tries again",
                    on(
                        &outcome.node,
                        outcome.why.as_deref().unwrap_or("a step failed")
                    ),
                    plan.name_any()
                ),
            ),
            // Nothing moves here any more, and nobody has to do anything about that.
            None => (
                Standing::Ready,
                "Superseded".to_owned(),
                format!("nodes or declarations changed; {}", rest(nodes)),
            ),
        }
    }
}

impl Seen<'_> {
    /// Whether what a rollout came to on a node says nothing of it any more: a later one began there, or all of it is done.
    fn is_overtaken(&self, plan: &ChangePlan, node: &NodeName) -> bool {
        let later = self.world.plans.iter().rev();
        let mut later = later.take_while(|later| later.metadata.uid != plan.metadata.uid);
        let began = |later: &Arc<ChangePlan>| {
            let mut nodes = later.status.iter().flat_map(|status| &status.nodes);
            nodes.any(|outcome| outcome.node == *node)
        };
        later.any(began) || self.course.stands.get(node) == Some(&Stand::Converged)
    }
}

/// What became of what a rollout that ended did not do.
fn rest(nodes: &[NodeOutcome]) -> String {
    let needless = |outcome: &&NodeOutcome| outcome.why.as_deref() == Some(NEEDLESS);
    let over = |of: &NodeOutcome| of.outcome == NodeProgress::Converged || needless(&of);
    let all = nodes.iter().all(over);
    let needless: Vec<&NodeName> = nodes.iter().filter(needless).map(|of| &of.node).collect();
    if all && !needless.is_empty() {
        format!("on {} {NEEDLESS}", listed(&needless))
    } else {
        "another ChangePlan has what was left to do".to_owned()
    }
}
