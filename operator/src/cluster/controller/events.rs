//! What is told as an event: how nodes of the rollout at hand came on, and that a policy pauses or goes on.
use crd::{
    id::NodeName,
    kind::{CardPolicy, CardPolicyStatus, Condition, NodeProgress},
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube_client::Resource;

use super::{
    progress::written,
    rollout::Course,
    survey::Survey,
    verdict::{PAUSED, on},
    writes::Write,
};

/// Something to be told as an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Of which object.
    pub about: ObjectReference,
    /// Digest of the rollout at hand; empty where none is.
    pub digest: String,
    /// On which node; empty where it is none in particular.
    pub node: String,
    /// Whether somebody should look.
    pub warning: bool,
    /// Stable reason.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
}

/// What changed since these statuses were written.
pub fn events(survey: &Survey, course: &Course, writes: &[Write]) -> Vec<Told> {
    let mut events = of_nodes(survey, course);
    events.extend(writes.iter().filter_map(|write| match write {
        Write::PolicyStatus { policy, status } => of_policy(course, policy, status),
        _ => None,
    }));
    events
}

/// Whether a policy began to hold a plan back, or lets it go on.
fn of_policy(course: &Course, policy: &CardPolicy, now: &CardPolicyStatus) -> Option<Told> {
    let pause = |conditions: &[Condition]| {
        let mut held = conditions
            .iter()
            .filter(|said| said.type_ == "PlanPending" && said.reason == PAUSED);
        held.next().map(|said| said.message.clone())
    };
    let before = policy.status.as_ref();
    let before = before.and_then(|status| pause(&status.conditions));
    let rollout = policy.spec.rollout.as_ref();
    let pauses = rollout.and_then(|rollout| rollout.paused) == Some(true);
    let (reason, note) = match (before, pause(&now.conditions)) {
        (None, Some(paused)) => (PAUSED, paused),
        (Some(_), None) if !pauses => ("Resumed", "its rollout goes on".to_owned()),
        _ => return None,
    };
    let current = course.current.as_ref();
    Some(Told {
        about: policy.object_ref(&()),
        digest: current.map_or_else(String::new, |current| current.spec.digest.0.clone()),
        node: String::new(),
        warning: false,
        reason,
        note,
    })
}

/// How nodes came on.
fn of_nodes(survey: &Survey, course: &Course) -> Vec<Told> {
    let Some(current) = &course.current else {
        return Vec::new();
    };
    let before = written(current);
    let told = |node: &NodeName, warning, reason, note| Told {
        about: current.object_ref(&()),
        digest: current.spec.digest.0.clone(),
        node: node.to_string(),
        warning,
        reason,
        note,
    };
    course
        .outcomes
        .iter()
        .filter(|outcome| {
            let known = before.get(&outcome.node);
            known.map(|known| known.outcome) != Some(outcome.outcome)
        })
        .map(|outcome| {
            let node = &outcome.node;
            let why = outcome.why.as_deref().unwrap_or("no reason was given");
            let steps = survey.sheets.get(node).map_or(0, |sheet| sheet.steps);
            match outcome.outcome {
                NodeProgress::Applying => told(
                    node,
                    false,
                    "Granted",
                    format!("{node} carries out {steps} steps"),
                ),
                NodeProgress::Converged => told(
                    node,
                    false,
                    "Converged",
                    format!("every step was verified on {node}"),
                ),
                NodeProgress::Halted => told(node, true, "Halted", on(node, why)),
                NodeProgress::RolledBack => told(node, true, "RolledBack", on(node, why)),
                NodeProgress::Stale => told(node, true, "Stale", on(node, why)),
            }
        })
        .collect()
}
