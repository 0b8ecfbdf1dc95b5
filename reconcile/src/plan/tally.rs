//! What becomes of every object, and how many steps of each sort there are.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::{Declaration, Span},
    id::ObjectRef,
    plan::{NodePlan, ObjectPlan, ObjectStatus, Plan, ReportKind, Summary},
    snapshot::HardwareSnapshot,
    step::{Action, Step},
};

use super::report::Report;
use crate::{digest::rollout_digest, rollout};

/// The first thing that a plan says of itself and that its own steps and report do not give: its key, as printed.
pub fn misstated(plan: &Plan) -> Option<&'static str> {
    let steps = plan.nodes.iter();
    let mut summary = counts(steps.flat_map(|node| node.steps.iter().chain(&node.work)));
    let of = |kind| plan.report.iter().filter(move |line| line.kind == kind);
    summary.blocked = u32::try_from(of(ReportKind::Blocked).count()).unwrap_or(u32::MAX);
    let errored = of(ReportKind::Error).next().is_some();
    let said = [
        ("digest", plan.digest == rollout_digest(&plan.nodes)),
        ("order", plan.order == rollout::order(&plan.nodes)),
        (
            "applyable",
            plan.applyable == plan.nodes.iter().any(rollout::has_work),
        ),
        (
            "complete",
            plan.complete == (summary.blocked == 0 && !errored),
        ),
        ("errored", plan.errored == errored),
        ("summary", plan.summary == summary),
    ];
    said.into_iter()
        .find(|(_, holds)| !holds)
        .map(|(key, _)| key)
}

impl Report<'_> {
    /// Every declared object and every one that only a ledger knows.
    pub(super) fn objects<'s>(
        &self,
        nodes: &[NodePlan],
        snapshots: impl Iterator<Item = &'s HardwareSnapshot>,
    ) -> Vec<ObjectPlan> {
        let declared: BTreeMap<ObjectRef, Option<Span>> = self.declared().collect();
        let mut all: BTreeSet<ObjectRef> = declared.keys().cloned().collect();
        for snapshot in snapshots {
            let ledger = &snapshot.ledger;
            all.extend(
                ledger
                    .entries
                    .iter()
                    .flat_map(|entry| entry.owners.iter().cloned()),
            );
            all.extend(ledger.groups.iter().map(|record| ObjectRef {
                kind: "P2PGroup".into(),
                namespace: None,
                name: record.group.name.clone(),
            }));
        }
        let blocked = |object: &ObjectRef| {
            self.lines.iter().any(|line| {
                line.kind == ReportKind::Blocked && line.object.as_ref() == Some(object)
            })
        };
        all.into_iter()
            .map(|object| {
                let step_ids: Vec<_> = nodes
                    .iter()
                    .flat_map(|node| node.steps.iter().chain(&node.work))
                    .filter(|step| concerns(step, &object))
                    .map(|step| step.id.clone())
                    .collect();
                let status = match (declared.get(&object), step_ids.is_empty()) {
                    (None, _) => ObjectStatus::Deleted,
                    (Some(_), false) => ObjectStatus::Changed,
                    (Some(_), true) if blocked(&object) => ObjectStatus::Blocked,
                    (Some(_), true) => ObjectStatus::Unchanged,
                };
                ObjectPlan {
                    source: declared.get(&object).cloned().flatten(),
                    object,
                    status,
                    step_ids,
                }
            })
            .collect()
    }

    /// Counts over all nodes.
    pub(super) fn summary(&self, nodes: &[NodePlan]) -> Summary {
        let steps = nodes
            .iter()
            .flat_map(|node| node.steps.iter().chain(&node.work));
        let mut summary = counts(steps);
        let blocked = self
            .lines
            .iter()
            .filter(|line| line.kind == ReportKind::Blocked);
        summary.blocked = u32::try_from(blocked.count()).unwrap_or(u32::MAX);
        summary
    }

    fn declared(&self) -> impl Iterator<Item = (ObjectRef, Option<Span>)> + '_ {
        let Declaration {
            policies,
            groups,
            builds,
            models,
        } = self.declaration;
        let policies = policies
            .iter()
            .map(|o| (o.object.clone(), o.span("").cloned()));
        let groups = groups
            .iter()
            .map(|o| (o.object.clone(), o.span("").cloned()));
        let builds = builds
            .iter()
            .map(|o| (o.object.clone(), o.span("").cloned()));
        let models = models
            .iter()
            .map(|o| (o.object.clone(), o.span("").cloned()));
        policies.chain(groups).chain(builds).chain(models)
    }
}

/// How many steps there are of each sort; what is blocked is no step.
pub fn counts<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Summary {
    let mut summary = Summary::default();
    for step in steps {
        match &step.action {
            Action::ClearAcs { .. }
            | Action::RestoreAcs { .. }
            | Action::RequestMdp { .. }
            | Action::SetDriver { .. }
            | Action::SetSysctl { .. }
            | Action::WriteFile { .. } => summary.change += 1,
            Action::Taint { .. }
            | Action::Drain { .. }
            | Action::WaitReady { .. }
            | Action::VerifyMdp { .. }
            | Action::VerifyP2P { .. }
            | Action::Untaint { .. } => summary.gates += 1,
            Action::Reset { socs, .. } => {
                summary.resets += u32::try_from(socs.len()).unwrap_or(u32::MAX);
            }
            Action::Build { .. } => summary.builds += 1,
            Action::StartWorker { .. }
            | Action::StopWorker { .. }
            | Action::ReplaceWorker { .. } => summary.deferred += 1,
            Action::StartQmonitor {} | Action::AssignEntry { .. } | Action::AssignGroup { .. } => {}
        }
    }
    summary
}

/// Whether a step is there because of an object.
fn concerns(step: &Step, object: &ObjectRef) -> bool {
    let caused = step
        .causes
        .iter()
        .any(|cause| cause.object.as_ref() == Some(object));
    let owned = step
        .record
        .as_ref()
        .is_some_and(|record| record.owners.contains(object));
    caused || owned
}
