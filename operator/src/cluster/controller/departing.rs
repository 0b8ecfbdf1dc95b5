//! The rules under which something is put back: those of the policies that it was done for, as long as they are there.
use std::borrow::Cow;

use crd::{
    declaration::Declaration,
    id::NodeName,
    kind::{CardPolicy, Rollout},
    plan::Governance,
};
use kube_client::ResourceExt;

use super::{
    declared::{self, policy_ref},
    sheet::Sheet,
    world::{World, stays},
};

/// What governs a node's turn: what is declared for it, and whoever leaves it.
pub struct Rules<'a> {
    /// The policies, with their windows and pauses.
    pub declaration: Cow<'a, Declaration>,
    /// The strictest of them.
    pub governance: Cow<'a, Governance>,
}

/// The rules for a node.
pub fn rules<'a>(
    world: &World,
    declaration: &'a Declaration,
    name: &NodeName,
    sheet: &'a Sheet,
) -> Rules<'a> {
    let leaving = departing(world, name, sheet);
    if leaving.is_empty() {
        return Rules {
            declaration: Cow::Borrowed(declaration),
            governance: Cow::Borrowed(&sheet.governance),
        };
    }
    let mut all = Declaration::default();
    let declared = declaration.policies.iter();
    let stay = declared.filter(|policy| sheet.governance.policies.contains(&policy.object.name));
    all.policies.extend(stay.cloned());
    all.policies
        .extend(leaving.iter().map(|policy| declared::of_policy(policy)));
    Rules {
        declaration: Cow::Owned(all),
        governance: Cow::Owned(governance(&sheet.governance, &leaving)),
    }
}

/// Policies that leave a node: being deleted, they select it; or they select it no more, and its ledger has what they had done.
pub fn departing<'a>(world: &'a World, name: &NodeName, sheet: &Sheet) -> Vec<&'a CardPolicy> {
    let Some(node) = world.nodes.get(name) else {
        return Vec::new();
    };
    let leaves = |policy: &&CardPolicy| {
        let selector = policy.spec.node_selector.as_ref();
        let selects = selector.is_none_or(|selector| selector.matches(node.labels()));
        let governs = sheet.governance.policies.contains(&policy.name_any());
        !governs && (selects && !stays(*policy) || sheet.reverts.have(&policy_ref(policy)))
    };
    let policies = world.policies.iter().map(AsRef::as_ref);
    policies.filter(leaves).collect()
}

/// Counts as the strictest says; where nobody else governs, those that leave alone do.
fn governance(stays: &Governance, leaving: &[&CardPolicy]) -> Governance {
    let strictest = |now: u32, stated: &dyn Fn(&Rollout) -> Option<u32>| {
        let counts = leaving.iter().map(|policy| {
            let rollout = policy.spec.rollout.as_ref();
            rollout.and_then(stated).unwrap_or(1)
        });
        let others = (!stays.policies.is_empty()).then_some(now);
        counts.chain(others).min().unwrap_or(now)
    };
    let mut all = stays.clone();
    all.max_unavailable_nodes = strictest(stays.max_unavailable_nodes, &|rollout| {
        rollout.max_unavailable_nodes
    });
    all.failure_threshold = strictest(stays.failure_threshold, &|rollout| {
        rollout.failure_threshold
    });
    all.policies
        .extend(leaving.iter().map(|policy| policy.name_any()));
    all.policies.sort();
    all
}
