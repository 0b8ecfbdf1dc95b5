//! Whether a node's steps may go ahead: who gave leave for them, in this rollout or an earlier one, and their window.
use crd::{
    id::{Digest, NodeName},
    kind::{ChangePlan, NodeProgress},
};
use reconcile::{
    ApprovalDecision,
    approval::{self, Asked},
    window,
};

use super::{departing::Rules, sheet::Sheet, world::World};

/// Whether a node's steps wait for a window.
pub fn is_shut(world: &World, rules: &Rules<'_>, sheet: &Sheet) -> bool {
    sheet.disruptive && !window::open(&rules.declaration, &rules.governance, world.now.0)
}

/// What is missing before a node's steps may go ahead; `None` where nothing is.
pub fn leave(
    world: &World,
    current: &ChangePlan,
    name: &NodeName,
    sheet: &Sheet,
) -> Option<String> {
    let mut offered: Vec<Digest> = given(current).cloned().into_iter().collect();
    let mut plans = world.plans.iter();
    if plans.any(|plan| still_holds(plan, name, sheet)) {
        offered.push(Digest(sheet.digest.0.clone()));
    }
    let asked = Asked {
        node: name,
        digest: &sheet.digest,
        governance: &sheet.governance,
        disruptive: sheet.disruptive,
    };
    match approval::decide_on(asked, &current.spec.digest, &offered) {
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
fn still_holds(plan: &ChangePlan, name: &NodeName, sheet: &Sheet) -> bool {
    // Most rollouts were never asked for; those that were have as many nodes as the cluster.
    let approved =
        given(plan).is_some_and(|given| given.0 == plan.spec.digest.0 || given.0 == sheet.digest.0);
    approved
        && plan
            .spec
            .nodes
            .iter()
            .any(|planned| planned.node == *name && planned.digest == sheet.digest)
        && plan.status.as_ref().is_some_and(|status| {
            status
                .nodes
                .iter()
                .any(|outcome| outcome.node == *name && outcome.outcome == NodeProgress::Stale)
        })
}
