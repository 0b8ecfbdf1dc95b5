//! The report: a line for every goal without steps, and what becomes of every object.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::{Declaration, Span},
    id::{NodeName, ObjectRef, PciAddress},
    kind::ResetScope,
    plan::{NodePlan, ReportKind, ReportLine, ReportReason},
    step::{Action, Step},
};

use super::{draft::verb, node::Needs};
use crate::{
    drift::{Drift, drifted},
    placement::Obstacle,
    view::View,
};

/// The report while it grows. Lines are a set: order and repetition of what is said do not matter.
#[derive(Clone)]
pub(super) struct Report<'a> {
    pub(super) declaration: &'a Declaration,
    pub(super) lines: BTreeSet<ReportLine>,
    /// Groups that have a set on some node.
    placed: BTreeSet<ObjectRef>,
    /// Policies that select a SoC of some node.
    selecting: BTreeSet<ObjectRef>,
    /// Those that select none of a node, with the SKUs that are there.
    passing: BTreeMap<ObjectRef, BTreeSet<String>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(declaration: &'a Declaration) -> Self {
        Self {
            declaration,
            lines: BTreeSet::new(),
            placed: BTreeSet::new(),
            selecting: BTreeSet::new(),
            passing: BTreeMap::new(),
        }
    }

    pub(super) fn lines(self) -> Vec<ReportLine> {
        self.lines.into_iter().collect()
    }

    pub(super) fn has(&self, kind: ReportKind) -> bool {
        self.lines.iter().any(|line| line.kind == kind)
    }

    pub(super) fn unreadable(&mut self, node: &NodeName, why: String) {
        self.lines.insert(ReportLine {
            kind: ReportKind::Error,
            reason: ReportReason::NodeUnreadable,
            node: Some(node.clone()),
            object: None,
            functions: Vec::new(),
            span: None,
            message: why,
            hint: "nothing is planned for it; look at `shardplane probe` there".into(),
        });
    }

    pub(super) fn blocked(&mut self, node: Option<&NodeName>, obstacle: Obstacle) {
        self.obstacle(ReportKind::Blocked, node, obstacle);
    }

    pub(super) fn advice(&mut self, node: Option<&NodeName>, obstacle: Obstacle) {
        self.obstacle(ReportKind::Advice, node, obstacle);
    }

    fn obstacle(&mut self, kind: ReportKind, node: Option<&NodeName>, obstacle: Obstacle) {
        let Obstacle {
            reason,
            object,
            pointer,
            functions,
            message,
            hint,
        } = obstacle;
        let line = ReportLine {
            kind,
            reason,
            node: node.cloned(),
            span: self.span(&object, &pointer),
            object: Some(object),
            functions,
            message,
            hint,
        };
        self.lines.insert(line);
    }

    pub(super) fn plain(
        &mut self,
        kind: ReportKind,
        reason: ReportReason,
        node: &NodeName,
        functions: Vec<PciAddress>,
        message: String,
        hint: &str,
    ) {
        self.lines.insert(ReportLine {
            kind,
            reason,
            node: Some(node.clone()),
            object: None,
            functions,
            span: None,
            message,
            hint: hint.into(),
        });
    }

    /// What is to be said about a node whatever is done on it.
    pub(super) fn node(&mut self, view: &View<'_>, needs: &Needs<'_>, moved: &[Drift]) {
        let name = view.node();
        self.placed.extend(
            needs
                .groups
                .iter()
                .map(|group| group.placed.declared.object.clone()),
        );
        self.selection(view);
        for drift in moved {
            let (functions, message) = (drift.functions.clone(), drift.message.clone());
            self.plain(
                ReportKind::Drift,
                drift.reason,
                name,
                functions,
                message,
                "",
            );
        }
        if let Some(first) = moved.first() {
            let functions: BTreeSet<PciAddress> = moved
                .iter()
                .flat_map(|drift| drift.functions.clone())
                .collect();
            self.plain(
                ReportKind::Blocked,
                first.reason,
                name,
                functions.into_iter().collect(),
                "ports or SoCs are not where the ledger knows them, or not told apart by their serials: a card was added, taken out or moved, or two have one serial, so nothing on the node is touched"
                    .into(),
                "put the cards back where they were; or put the node's folder in the state directory aside, which gives up what it would restore",
            );
        }
        if moved.is_empty() {
            for Drift {
                reason,
                functions,
                message,
            } in drifted(view.snapshot)
            {
                self.plain(ReportKind::Drift, reason, name, functions, message, "");
            }
        }
        if view.selection.policies.is_empty() && *self.declaration != Declaration::default() {
            self.plain(
                ReportKind::Advice,
                ReportReason::NotGoverned,
                name,
                Vec::new(),
                if view.snapshot.ledger.entries.is_empty() {
                    "no CardPolicy selects it, so it gets no steps".into()
                } else {
                    "no CardPolicy selects it: what we changed there is undone as the deletion rule says, and nothing else is done"
                        .into()
                },
                "declare a CardPolicy, or label the node",
            );
        }
        self.remarks(view, needs);
    }

    /// Which policies select a SoC here, of those that name devices.
    fn selection(&mut self, view: &View<'_>) {
        let socs = &view.snapshot.socs;
        for policy in &view.selection.policies {
            let object = policy.object.clone();
            if policy.spec.devices.is_none() || view.selects_some(policy) {
                self.selecting.insert(object);
            } else {
                let skus = socs.iter().filter_map(|soc| soc.sku.get());
                let there = self.passing.entry(object).or_default();
                there.extend(skus.map(|sku| sku.0.clone()));
            }
        }
    }

    /// Policies that name devices of which no node has one: nothing of theirs is done, and nothing else would say so.
    pub(super) fn policies_without_socs(&mut self) {
        let passing = std::mem::take(&mut self.passing);
        for (object, skus) in passing {
            if self.selecting.contains(&object) || skus.is_empty() {
                continue;
            }
            let there: Vec<String> = skus.into_iter().collect();
            let obstacle = Obstacle {
                reason: ReportReason::MemberMissing,
                object,
                pointer: "/spec/devices".into(),
                functions: Vec::new(),
                message: format!(
                    "it selects no SoC, so that nothing of it is done: there are SoCs of {}",
                    there.join(", ")
                ),
                hint: "compare `devices` with `shardplane probe`: a SKU is named in the words of the vendor's tool".into(),
            };
            self.advice(None, obstacle);
        }
    }

    /// What Enforce would do.
    pub(super) fn observed(&mut self, node: &NodeName, steps: &[Step]) {
        for step in steps {
            let object = step.causes.iter().find_map(|cause| cause.object.clone());
            let target = step.id.0.splitn(3, '/').nth(2).unwrap_or_default();
            self.lines.insert(ReportLine {
                kind: ReportKind::Observed,
                reason: ReportReason::ObserveOnly,
                node: Some(node.clone()),
                span: step.causes.iter().find_map(|cause| cause.span.clone()),
                object,
                functions: step.disruption.socs.clone(),
                message: format!("Enforce would do {} {target}", verb(&step.action)),
                hint: "declare `enforcement: Enforce` to have it done".into(),
            });
        }
    }

    /// That a reset reaches every SoC of a machine.
    pub(super) fn reset_of_all(&mut self, node: &NodeName, steps: &[Step]) {
        for step in steps {
            if let Action::Reset {
                scope: ResetScope::Host,
                socs,
            } = &step.action
            {
                let message = format!("a reset of all {} SoCs of {node} is planned", socs.len());
                let functions = socs.iter().map(|soc| soc.address).collect();
                self.plain(
                    ReportKind::Advice,
                    ReportReason::WholeHostReset,
                    node,
                    functions,
                    message,
                    "",
                );
            }
        }
    }

    /// Declared groups of which no node holds a set.
    pub(super) fn groups_without_sets(&mut self, nodes: &[NodePlan]) {
        let governed = nodes
            .iter()
            .any(|node| !node.governance.policies.is_empty());
        let sealed = |node: &NodePlan| {
            let renumbered = |line: &ReportLine| {
                line.reason == ReportReason::Renumbered && line.node.as_ref() == Some(&node.node)
            };
            self.lines.iter().any(renumbered)
        };
        if nodes.iter().any(sealed) {
            return;
        }
        let homeless: Vec<ObjectRef> = self
            .declaration
            .groups
            .iter()
            .map(|group| group.object.clone())
            .filter(|object| !self.placed.contains(object))
            .filter(|object| {
                !self
                    .lines
                    .iter()
                    .any(|line| line.object.as_ref() == Some(object))
            })
            .collect();
        for object in homeless {
            let (reason, message, hint) = if governed {
                (
                    ReportReason::MemberMissing,
                    "no node has any of its SoCs",
                    "check `members` and `nodeSelector` against `shardplane probe`",
                )
            } else {
                (
                    ReportReason::NotGoverned,
                    "no CardPolicy selects a readable node",
                    "declare a CardPolicy for the node: without one nothing is done on it",
                )
            };
            self.blocked(
                None,
                Obstacle {
                    reason,
                    object,
                    pointer: "/spec".into(),
                    functions: Vec::new(),
                    message: message.into(),
                    hint: hint.into(),
                },
            );
        }
    }

    fn span(&self, object: &ObjectRef, pointer: &str) -> Option<Span> {
        let Declaration {
            policies,
            groups,
            builds,
            models,
        } = self.declaration;
        let found = policies
            .iter()
            .find(|o| o.object == *object)
            .and_then(|o| o.span(pointer));
        let found = found.or_else(|| groups.iter().find(|o| o.object == *object)?.span(pointer));
        let found = found.or_else(|| builds.iter().find(|o| o.object == *object)?.span(pointer));
        let found = found.or_else(|| models.iter().find(|o| o.object == *object)?.span(pointer));
        found.cloned()
    }
}
