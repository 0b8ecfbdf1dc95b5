//! Plans all nodes at once: what is declared against what is there, and the smallest safe set of steps between.
//!
//! Read in this order: [`node`] (goals of one node), [`groups`] and [`socs`] (what stands in the way), [`ports`] (those that cannot be written), [`settings`], [`kept`],
//! [`removal`] (what the ledger knows and nothing declares), [`mod@unit`] (what is drained together), [`sequence`] and
//! [`effects`] (steps in order), [`work`] (builds and workers), [`report`] (lines and objects). Beside it: [`boot`], the same relaxation by the kernel's command line.
pub mod boot;
mod draft;
mod effects;
mod fate;
mod governance;
mod groups;
mod kept;
mod loose;
mod node;
mod ports;
mod removal;
mod report;
mod sequence;
mod serving;
mod settings;
mod socs;
mod tally;
mod unit;
mod units;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declared,
    id::{NodeName, PciAddress},
    kind::{Enforcement, ModelBuildSpec, P2PGroupSpec},
    plan::{NodePlan, PLAN_FORMAT, Plan, ReportKind, ReportReason},
    snapshot::HardwareSnapshot,
    step::{Action, DisruptionClass, Step},
};

use crate::{
    Inputs, NodeInput,
    digest::{node_digest, rollout_digest},
    drift,
    placement::{House, Placed, Seat, place_models},
    rollout,
    view::{View, in_order},
};
use node::Needs;
use report::Report;

/// Plans all nodes. Never fails: what cannot be used becomes a line of the report. The same inputs give the same
/// bytes, in whatever order nodes and lists come.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let mut report = Report::new(inputs.declaration);
    let snapshots = readable(inputs.nodes, &mut report);
    let sites: Vec<Site<'_>> = snapshots
        .values()
        .map(|snapshot| Site::of(inputs, snapshot))
        .collect();
    let houses: Vec<House<'_>> = sites.iter().map(Site::house).collect();
    let (placed, unplaced) = place_models(inputs.declaration, &houses);
    for obstacle in unplaced {
        report.blocked(None, obstacle);
    }
    let builds = loose::builds(inputs, &placed, &houses, &sites, &mut report);
    let mut nodes = Vec::new();
    for site in sites {
        nodes.push(site.finish(inputs, &placed, &builds, &mut report));
    }
    report.groups_without_sets(&nodes);
    let objects = report.objects(&nodes, snapshots.values());
    let summary = report.summary(&nodes);
    Plan {
        format_version: PLAN_FORMAT.into(),
        kind: "Plan".into(),
        digest: rollout_digest(&nodes),
        applyable: nodes.iter().any(rollout::has_work),
        complete: summary.blocked == 0 && !report.has(ReportKind::Error),
        errored: report.has(ReportKind::Error),
        summary,
        objects,
        order: rollout::order(&nodes),
        nodes,
        report: report.lines(),
    }
}

/// The snapshots by node, in order; nodes that could not be read, or were read twice, are reported.
fn readable(nodes: &[NodeInput], report: &mut Report<'_>) -> BTreeMap<NodeName, HardwareSnapshot> {
    let mut snapshots = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for node in nodes {
        match node {
            NodeInput::Read(snapshot) => {
                let name = snapshot.metadata.name.clone();
                if snapshots.insert(name.clone(), in_order(snapshot)).is_some() {
                    twice.insert(name);
                }
            }
            NodeInput::Unreadable { node, why } => report.unreadable(node, why.clone()),
        }
    }
    for name in twice {
        snapshots.remove(&name);
        report.unreadable(&name, "two snapshots bear its name".into());
    }
    snapshots
}

/// One node while it is planned.
struct Site<'a> {
    view: View<'a>,
    needs: Needs<'a>,
    /// What disagrees with the ledger; not empty seals the node.
    moved: Vec<drift::Drift>,
}

impl<'a> Site<'a> {
    fn of(inputs: &Inputs<'a>, snapshot: &'a HardwareSnapshot) -> Self {
        let view = View::of(snapshot, inputs.declaration);
        let moved = drift::renumbered(snapshot);
        let mut declared: Vec<&Declared<P2PGroupSpec>> = inputs.declaration.groups.iter().collect();
        declared.sort_by(|a, b| a.object.cmp(&b.object));
        let needs = if moved.is_empty() {
            node::needs(&view, &declared)
        } else {
            Needs::default()
        };
        Self { view, needs, moved }
    }

    fn house(&self) -> House<'_> {
        let seat = |group: &groups::Assessed<'_>| Seat {
            group: group.placed.id.clone(),
            members: group.placed.members.clone(),
            // Where a policy only observes, builds and workers are only reported too.
            fits: group.fits(),
            whole: !group
                .obstacles
                .iter()
                .any(|obstacle| obstacle.reason == ReportReason::MemberMissing),
        };
        House {
            node: self.view.node(),
            governed: !self.view.selection.policies.is_empty(),
            sealed: !self.moved.is_empty(),
            has_worker: self.view.snapshot.tools.worker.get().is_some(),
            socs: self.view.snapshot.socs.len(),
            seats: self.needs.groups.iter().map(seat).collect(),
            workers: &self.view.snapshot.workers,
        }
    }

    fn finish(
        self,
        inputs: &Inputs<'_>,
        placed: &[Placed<'_>],
        builds: &BTreeMap<NodeName, Vec<&Declared<ModelBuildSpec>>>,
        report: &mut Report<'_>,
    ) -> NodePlan {
        let Self { view, needs, moved } = self;
        let name = view.node().clone();
        let governance = governance::of(&view);
        let sealed = !moved.is_empty();
        report.node(&view, &needs, &moved);
        let Needs {
            groups: _,
            enforced,
            observed,
            obstacles,
            advice,
        } = needs;
        let steps = sequence::sequence(&view, enforced);
        let seen = sequence::sequence(&view, observed);
        report.observed(&name, &seen);
        for obstacle in obstacles {
            report.blocked(Some(&name), obstacle);
        }
        for obstacle in advice {
            report.advice(Some(&name), obstacle);
        }
        let mut work = Vec::new();
        if !sealed {
            let here: Vec<&Placed<'_>> = placed.iter().filter(|p| p.node == name).collect();
            let builds = builds.get(&name).map(Vec::as_slice).unwrap_or_default();
            let done = work::plan(inputs, &view, &here, builds, &drained(&steps));
            for obstacle in done.obstacles {
                report.blocked(Some(&name), obstacle);
            }
            for obstacle in done.advice {
                report.advice(Some(&name), obstacle);
            }
            match governance.enforcement {
                Enforcement::Enforce => work = done.steps,
                Enforcement::Observe => report.observed(&name, &done.steps),
            }
        }
        report.reset_of_all(&name, &steps);
        let worst = steps.iter().map(|step| step.disruption.class).max();
        NodePlan {
            node: name,
            boot_id: view.snapshot.boot_id.get().cloned(),
            digest: node_digest(&steps),
            governance,
            disruption: worst.unwrap_or(DisruptionClass::None),
            disruptive: steps.iter().any(|step| step.disruption.disruptive),
            steps,
            work,
        }
    }
}

/// The SoCs that a node's steps free.
fn drained(steps: &[Step]) -> BTreeSet<PciAddress> {
    steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Drain { socs, .. } => Some(socs),
            _ => None,
        })
        .flatten()
        .copied()
        .collect()
}
