//! One node as decisions need it: what its plan comes to, and not the plan, of which a thousand would not fit in memory.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declaration,
    id::{BootId, NodeName, ObjectRef},
    kind::{ApprovalMode, DeletionRule},
    plan::{Governance, NodeDigest, NodePlan, Plan, ReportKind, ReportLine, ReportReason, Summary},
    snapshot::{GroupRecord, Holder, Ledger},
    step::DisruptionClass,
};
use reconcile::{Inputs, NodeInput, Scope};

use crate::cluster::packed::{self, PLAN_LIMIT};

/// What a node's plan comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The node's running boot.
    pub boot_id: Option<BootId>,
    /// Digest of its steps.
    pub digest: NodeDigest,
    /// What governs it.
    pub governance: Governance,
    /// The approval that its ledger is to take up, where that is another than its policies ask for.
    pub approval: Option<ApprovalMode>,
    /// The worst that its steps disturb.
    pub disruption: DisruptionClass,
    /// Whether one of them is disruptive.
    pub disruptive: bool,
    /// How many there are.
    pub steps: usize,
    /// How many of each sort.
    pub counts: Summary,
    /// Its plan as a grant carries it; absent without steps, and where it has no room.
    pub packed: Option<String>,
    /// Objects that steps are for.
    pub objects: BTreeSet<ObjectRef>,
    /// Who holds SoCs there.
    pub holders: Vec<Holder>,
    /// Sets of groups that its ledger knows, and whether each is verified in the state that its agent shows.
    pub sets: Vec<(String, bool)>,
    /// What its ledger is to put back on deletion.
    pub reverts: Reverts,
    /// Lines of the report about it that somebody is told.
    pub report: Vec<ReportLine>,
    /// Lines about no node, as if this one were alone.
    pub alone: Vec<ReportLine>,
    /// The safety rule that its plan breaks, where it does.
    pub broken: Option<String>,
}

/// What a ledger is to put back on deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reverts {
    /// Entries of that kind.
    count: usize,
    /// Objects that own one.
    owners: BTreeSet<ObjectRef>,
}

impl Reverts {
    /// Of a ledger.
    pub fn of(ledger: &Ledger) -> Self {
        let entries = || {
            let entries = ledger.entries.iter();
            entries.filter(|entry| entry.deletion == DeletionRule::Revert)
        };
        Self {
            count: entries().count(),
            owners: entries()
                .flat_map(|entry| entry.owners.iter().cloned())
                .collect(),
        }
    }

    /// Whether one of them is owned by an object.
    pub fn have(&self, object: &ObjectRef) -> bool {
        self.owners.contains(object)
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.count == 0
    }
}

impl Sheet {
    /// Plans one node among those that it has to wait for.
    pub fn of(declaration: &Declaration, node: NodeInput, others: &[NodeInput]) -> Option<Self> {
        let mut nodes = vec![node];
        nodes.extend(others.iter().cloned());
        let NodeInput::Read(snapshot) = &nodes[0] else {
            return None;
        };
        let plan = planned(declaration, &nodes);
        let broken = reconcile::check(&plan, declaration, &nodes);
        let name = &snapshot.metadata.name;
        let groups = snapshot.ledger.groups.iter();
        // A proof is good for the state that it saw: under `Observe` nobody takes it out of the ledger.
        let proven = |set: &GroupRecord| reconcile::judge::is_verified(&set.group, snapshot);
        let sets = groups.map(|set| (set.group.name.clone(), proven(set)));
        let (sets, holders) = (sets.collect(), snapshot.holders.clone());
        let reverts = Reverts::of(&snapshot.ledger);
        let own = |line: &&ReportLine| line.node.as_ref() == Some(name);
        let report = told(plan.report.iter().filter(own));
        let alone = plan.report.iter().filter(|line| line.node.is_none());
        let alone = alone.map(lightened).collect();
        let objects = plan.objects.iter();
        let planned = plan.nodes.iter().find(|planned| planned.node == *name)?;
        let objects = objects
            .filter(|object| {
                let mut steps = planned.steps.iter();
                steps.any(|step| object.step_ids.contains(&step.id))
            })
            .map(|object| object.object.clone())
            .collect();
        let packed = (!planned.steps.is_empty())
            .then(|| packed::pack(planned, PLAN_LIMIT).ok())
            .flatten();
        let NodePlan {
            node: _,
            boot_id,
            digest,
            governance,
            steps,
            work: _,
            disruption,
            disruptive,
        } = planned;
        Some(Self {
            boot_id: boot_id.clone(),
            digest: digest.clone(),
            approval: reconcile::ledger::outdated(&snapshot.ledger, governance),
            governance: governance.clone(),
            disruption: *disruption,
            disruptive: *disruptive,
            steps: steps.len(),
            counts: reconcile::counts(steps),
            packed,
            objects,
            holders,
            sets,
            reverts,
            report,
            alone,
            broken: broken.first().map(|violation| {
                format!(
                    "the plan breaks safety rule {}: {}",
                    violation.rule, violation.message
                )
            }),
        })
    }

    /// Whether something stands against the node's goals.
    pub fn is_blocked(&self) -> bool {
        self.report.iter().any(is_in_the_way)
    }
}

/// The plan for some nodes. Builds and workers are pods, which are not planned here.
pub fn planned(declaration: &Declaration, nodes: &[NodeInput]) -> Plan {
    reconcile::plan(&Inputs {
        declaration,
        nodes,
        models: &BTreeMap::new(),
        scope: Scope::Cards,
        unbuilt: &BTreeMap::new(),
        sources: reconcile::Sources::Any,
        failed: &BTreeMap::new(),
    })
}

/// Whether a line says that something stands against goals.
pub fn is_in_the_way(line: &ReportLine) -> bool {
    matches!(line.kind, ReportKind::Blocked | ReportKind::Error)
}

/// Of lines about nodes, those that somebody is told. What `Enforce` would do comes to one line for each object of a node:
/// the first step, and how many more.
pub fn told<'a>(lines: impl Iterator<Item = &'a ReportLine>) -> Vec<ReportLine> {
    let mut told: Vec<ReportLine> = Vec::new();
    let mut observed: BTreeMap<(Option<NodeName>, Option<ObjectRef>), (ReportLine, usize)> =
        BTreeMap::new();
    for line in lines {
        if line.kind == ReportKind::Observed {
            let of = (line.node.clone(), line.object.clone());
            let first = || (lightened(line), 0);
            observed.entry(of).or_insert_with(first).1 += 1;
        } else if is_told(line) {
            told.push(lightened(line));
        }
    }
    told.extend(observed.into_values().map(|(mut line, count)| {
        let more = match count - 1 {
            0 => return line,
            1 => " and one step more".to_owned(),
            more => format!(" and {more} steps more"),
        };
        line.message.push_str(&more);
        line
    }));
    told
}

fn is_told(line: &ReportLine) -> bool {
    is_in_the_way(line)
        || line.kind == ReportKind::Drift
        || line.reason == ReportReason::HeldByForeign
}

/// A line without the functions that it is about: its sentence names what counts.
pub fn lightened(line: &ReportLine) -> ReportLine {
    ReportLine {
        functions: Vec::new(),
        ..line.clone()
    }
}
