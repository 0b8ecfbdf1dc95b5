//! What governs a node: the strictest of its policies, or the ledger alone.
use crd::{
    kind::{ApprovalMode, Enforcement, FailurePolicy, ResetScope, Rollout},
    plan::Governance,
};

use crate::view::View;

/// Seconds that a worker has to finish where no policy says.
const DRAIN_SECONDS: u32 = 300;

/// The strictest answers of the policies that select the node.
///
/// Without one, the ledger governs: what is left of us is put back or forgotten as it says, under the approval that the
/// policies asked for while there were any. Where it kept none, putting back goes ahead unless it stops a worker or
/// resets a SoC.
pub(super) fn of(view: &View<'_>) -> Governance {
    let policies = &view.selection.policies;
    let mut approved: Vec<_> = policies
        .iter()
        .flat_map(|policy| policy.spec.approval.digests.iter().cloned())
        .collect();
    approved.sort();
    approved.dedup();
    let observes = policies
        .iter()
        .any(|policy| policy.spec.enforcement == Enforcement::Observe);
    let compensates = policies
        .iter()
        .all(|policy| policy.spec.on_failure == Some(FailurePolicy::Compensate));
    Governance {
        policies: policies.iter().map(|p| p.object.name.clone()).collect(),
        enforcement: if observes {
            Enforcement::Observe
        } else {
            Enforcement::Enforce
        },
        approval: policies
            .iter()
            .map(|policy| policy.spec.approval.mode)
            .max()
            .or(view.snapshot.ledger.approval)
            .unwrap_or(ApprovalMode::AutomaticIfNotDisruptive),
        approved,
        on_failure: if compensates && !policies.is_empty() {
            FailurePolicy::Compensate
        } else {
            FailurePolicy::Halt
        },
        max_unavailable_socs: budget(view),
        canary: policies.iter().any(|policy| {
            let rollout = policy.spec.rollout.as_ref();
            let canary = rollout.and_then(|rollout| rollout.canary.as_ref());
            canary.is_some_and(|canary| canary.matches(&view.snapshot.metadata.labels))
        }),
        failure_threshold: strictest(view, |rollout| rollout.failure_threshold),
        max_unavailable_nodes: strictest(view, |rollout| rollout.max_unavailable_nodes),
        batches: policies
            .iter()
            .filter_map(|policy| Some((&policy.object.name, policy.spec.rollout.as_ref()?)))
            .filter(|(_, rollout)| !rollout.batches.is_empty())
            .map(|(name, rollout)| (name.clone(), rollout.batches.clone()))
            .collect(),
    }
}

/// The smallest count that a policy allows; one that states none allows 1, and so does no policy.
fn strictest(view: &View<'_>, stated: impl Fn(&Rollout) -> Option<u32>) -> u32 {
    let policies = view.selection.policies.iter();
    let counts = policies.map(|policy| policy.spec.rollout.as_ref().and_then(&stated).unwrap_or(1));
    counts.min().unwrap_or(1)
}

/// SoCs that may be drained at once, where a policy says.
pub(super) fn budget(view: &View<'_>) -> Option<u32> {
    let policies = view.selection.policies.iter();
    policies
        .filter_map(|policy| policy.spec.rollout.as_ref()?.max_unavailable_socs)
        .min()
}

/// Seconds that a drain waits: the longest that a policy gives.
pub(super) fn drain_seconds(view: &View<'_>) -> u32 {
    let policies = view.selection.policies.iter();
    policies
        .filter_map(|policy| policy.spec.drain.as_ref())
        .map(|drain| drain.timeout_seconds)
        .max()
        .unwrap_or(DRAIN_SECONDS)
}

/// How far a reset reaches: the whole machine where a policy does not trust one SoC's. Without a policy, as far as the last one
/// did, whose work is taken back.
pub(super) fn reset_scope(view: &View<'_>) -> ResetScope {
    let policies = &view.selection.policies;
    let kept = view.snapshot.ledger.reset_scope;
    let kept = kept.filter(|_| policies.is_empty());
    let stated = policies.iter().filter_map(|policy| policy.spec.reset_scope);
    let mut scopes = stated.chain(kept);
    if scopes.any(|scope| scope == ResetScope::Host) {
        ResetScope::Host
    } else {
        ResetScope::SoC
    }
}

/// Whether anything that only the ledger asks for is carried out here.
pub(super) fn enforces_removal(view: &View<'_>) -> bool {
    view.selection
        .policies
        .iter()
        .all(|policy| policy.spec.enforcement == Enforcement::Enforce)
}
