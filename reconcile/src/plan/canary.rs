//! Canaries that have not converged, and the nodes that wait for them.
//!
//! A rollout runs over several passes, and the next one remembers nothing: what a canary came to shows only in what still
//! stands against it. So a node waits for as long as a canary of one of its policies has a goal that is blocked. What was
//! there before and only came back (a port after a boot, say) is put right all the same: that rolls nothing out. So it is
//! while as many nodes failed as end a rollout, for as long as what failed there is left alone.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declared,
    id::{NodeName, ObjectRef, PciAddress},
    kind::{CardPolicySpec, Enforcement},
    plan::ReportReason,
    snapshot::{Ledger, LedgerTarget},
    step::{Action, MdpSetting},
};

use super::{Site, governance, node::Needs, sequence};
use crate::{Inputs, NodeInput, placement::Obstacle, view::View};

/// Why nodes wait, by node.
pub(super) type Waiting = BTreeMap<NodeName, Stuck>;

/// What a node waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// A canary that has not converged.
    Canary {
        /// The policy that calls it one.
        policy: ObjectRef,
        /// What became of it, as a sentence with the node in front.
        why: String,
    },
    /// As many nodes failed as the rollout takes.
    Failures {
        /// Which, and why the rollout stops.
        why: String,
    },
}

/// The nodes that wait, and for what: the first policy's first canary that has not converged, or nodes on which steps
/// failed.
pub(super) fn waiting(inputs: &Inputs<'_>, sites: &[Site<'_>]) -> Waiting {
    let mut policies: Vec<&Declared<CardPolicySpec>> = inputs.declaration.policies.iter().collect();
    policies.sort_by(|a, b| a.object.cmp(&b.object));
    let mut waiting = Waiting::new();
    for policy in policies {
        let Some(why) = stuck(policy, inputs, sites) else {
            continue;
        };
        let stuck = Stuck::Canary {
            policy: policy.object.clone(),
            why,
        };
        for site in sites.iter().filter(|site| selects(policy, site)) {
            if !governance::of(&site.view).canary {
                let name = site.view.node().clone();
                waiting.entry(name).or_insert_with(|| stuck.clone());
            }
        }
    }
    if let Some(stuck) = failures(inputs, sites) {
        let failed = |site: &&Site<'_>| inputs.failed.contains_key(site.view.node());
        for site in sites.iter().filter(|site| !failed(site)) {
            let name = site.view.node().clone();
            waiting.entry(name).or_insert_with(|| stuck.clone());
        }
    }
    waiting
}

/// Nodes on which steps failed and were not tried again, where there are as many as end a rollout.
fn failures(inputs: &Inputs<'_>, sites: &[Site<'_>]) -> Option<Stuck> {
    let failed = || {
        let there = sites.iter();
        there.filter(|site| inputs.failed.contains_key(site.view.node()))
    };
    let thresholds = failed().map(|site| governance::of(&site.view).failure_threshold);
    let reached = failed().count() >= thresholds.min()? as usize;
    let names: Vec<&str> = failed().map(|site| site.view.node().0.as_str()).collect();
    reached.then(|| Stuck::Failures {
        why: format!(
            "the rollout stops while steps of {} wait to be tried again",
            names.join(", ")
        ),
    })
}

fn selects(policy: &Declared<CardPolicySpec>, site: &Site<'_>) -> bool {
    let mut policies = site.view.selection.policies.iter();
    policies.any(|other| other.object == policy.object)
}

/// A canary of this policy that has not converged and cannot by itself.
fn stuck(
    policy: &Declared<CardPolicySpec>,
    inputs: &Inputs<'_>,
    sites: &[Site<'_>],
) -> Option<String> {
    let canary = policy.spec.rollout.as_ref()?.canary.as_ref()?;
    let blocked = sites.iter().find_map(|site| {
        let here = selects(policy, site) && canary.matches(&site.view.snapshot.metadata.labels);
        let enforced = governance::of(&site.view).enforcement == Enforcement::Enforce;
        let why = against(site).filter(|_| here && enforced)?;
        Some(format!("{} has not converged: {why}", site.view.node()))
    });
    blocked.or_else(|| {
        inputs.nodes.iter().find_map(|node| match node {
            NodeInput::Read(_) => None,
            NodeInput::Unreadable { node, labels, why } => {
                let selector = policy.spec.node_selector.as_ref();
                // Whoever's labels nobody knows may be one.
                let may_be = labels.as_ref().is_none_or(|labels| {
                    canary.matches(labels) && selector.is_none_or(|all| all.matches(labels))
                });
                may_be.then(|| format!("{node} could not be looked at: {why}"))
            }
        })
    })
}

/// The first thing that stands against a node's goals.
fn against(site: &Site<'_>) -> Option<String> {
    let conflict = site.view.selection.conflicts.keys().next();
    let moved = site.moved.first().map(|drift| drift.message.clone());
    let first = || site.needs.obstacles.iter().min();
    moved
        .or_else(|| conflict.map(|soc| format!("policies contradict each other about {soc}")))
        .or_else(|| first().map(|obstacle| obstacle.message.clone()))
}

/// Leaves out what a node is to wait with, and says so for every object that it is done for.
pub(super) fn hold(view: &View<'_>, needs: &mut Needs<'_>, stuck: &Stuck) {
    let steps = sequence::sequence(view, needs.enforced.clone());
    if steps
        .iter()
        .all(|step| is_repair(&step.action, &view.snapshot.ledger))
    {
        return;
    }
    let mut objects: BTreeMap<ObjectRef, BTreeSet<PciAddress>> = BTreeMap::new();
    for step in &steps {
        for object in step.causes.iter().filter_map(|cause| cause.object.clone()) {
            let functions = objects.entry(object).or_default();
            functions.extend(&step.disruption.socs);
        }
    }
    let obstacle = |object: &ObjectRef, functions: &BTreeSet<PciAddress>| {
        let (reason, pointer, message, hint) = stuck.said(object);
        Obstacle {
            reason,
            object: object.clone(),
            pointer: pointer.into(),
            functions: functions.iter().copied().collect(),
            message,
            hint: hint.into(),
        }
    };
    for group in needs.groups.iter_mut().filter(|group| group.enforced) {
        let object = &group.placed.declared.object;
        if objects.contains_key(object) && group.fits() {
            let members = group.placed.members.iter().copied().collect();
            group.obstacles.push(obstacle(object, &members));
        }
    }
    let said = objects
        .iter()
        .map(|(object, functions)| obstacle(object, functions));
    needs.obstacles.extend(said);
    needs.enforced.units.clear();
    needs.enforced.settings.clear();
    needs.enforced.bookkeeping.clear();
}

impl Stuck {
    /// What is said of an object that waits: reason, pointer, sentence, and what to do.
    fn said(&self, object: &ObjectRef) -> (ReportReason, &'static str, String, &'static str) {
        match self {
            Self::Canary { policy, why } => (
                ReportReason::CanaryFirst,
                if object == policy {
                    "/spec/rollout/canary"
                } else {
                    "/spec"
                },
                format!(
                    "it waits for a canary of CardPolicy {}, and {why}",
                    policy.name
                ),
                "mend the canary first, or name another one in `rollout.canary`",
            ),
            Self::Failures { why } => (
                ReportReason::StepFailed,
                "/spec",
                format!("it waits: {why}"),
                "mend what failed there, or raise `rollout.failureThreshold`",
            ),
        }
    }
}

/// Whether a step only puts back what was reached here before.
fn is_repair(action: &Action, ledger: &Ledger) -> bool {
    let wrote = |target: LedgerTarget, value: &str| {
        let mut entries = ledger.entries.iter();
        entries.any(|entry| entry.target == target && entry.written == value)
    };
    match action {
        Action::ClearAcs { port, .. } => ledger.entries.iter().any(|entry| {
            matches!(&entry.target, LedgerTarget::Acs { port: known, path } if *known == port.address && *path == port.path)
        }),
        Action::RequestMdp { soc, enable } => {
            let target = LedgerTarget::Mdp { soc: soc.address };
            wrote(target, &(*enable == MdpSetting::On).to_string())
        }
        Action::SetDriver { name, after, .. } => {
            wrote(LedgerTarget::Driver { name: name.clone() }, &after.to_string())
        }
        Action::SetSysctl { name, after, .. } => {
            wrote(LedgerTarget::Sysctl { name: name.clone() }, &after.to_string())
        }
        Action::WriteFile { file, after, .. } => {
            wrote(LedgerTarget::File { file: *file }, &after.to_string())
        }
        Action::VerifyP2P { group, members, .. } => {
            let mut records = ledger.groups.iter();
            records.any(|record| record.group == *group && record.members == *members)
        }
        // They come with what they serve.
        Action::Taint { .. }
        | Action::Drain { .. }
        | Action::StartQmonitor {}
        | Action::Reset { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. }
        | Action::Untaint { .. } => true,
        Action::RestoreAcs { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => false,
    }
}
