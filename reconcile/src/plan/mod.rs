//! Plans all nodes at once: what is declared against what is there, and the smallest safe set of steps between.
//!
//! Read in this order: [`node`] (goals of one node), [`groups`], [`socs`] and [`missing`] (what stands in the way), [`ports`] (those that cannot be written), [`settings`], [`kept`],
//! [`removal`] (what the ledger knows and nothing declares), [`waiting`] (requests that no reset took up), [`relying`] (whose work stops first), [`repairs`] (what only puts back what the ledger holds), [`mod@unit`] (what is drained together), [`sequence`] and
//! [`effects`] (steps in order), [`builds`] and [`work`] (programs and workers), [`mod@replicas`], [`keeping`], [`housing`], [`listening`], [`turns`] and [`roster`] (who of a
//! model's replicas may stop when, for card work and for worker steps), [`canary`] (who waits for whom), [`report`], [`remarks`] and [`tally`] (lines, objects and counts). Beside it: [`boot`],
//! the same relaxation by the kernel's command line.
pub mod boot;
mod builds;
mod canary;
mod draft;
mod effects;
mod fate;
mod governance;
mod groups;
mod housing;
mod keeping;
pub(crate) mod kept;
mod listening;
mod loose;
pub(crate) mod missing;
mod node;
mod ports;
mod relying;
mod remarks;
mod removal;
mod repairs;
mod replicas;
mod report;
mod roster;
mod sequence;
mod serving;
mod settings;
pub(crate) mod socs;
mod tally;
mod turns;
mod unit;
mod units;
mod waiting;
mod work;

pub use tally::{counts, misstated};

use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declared,
    id::{NodeName, ObjectRef, PciAddress, WorkerId},
    kind::{Enforcement, ModelBuildSpec, P2PGroupSpec},
    plan::{NodePlan, PLAN_FORMAT, Plan, ReportKind, ReportReason},
    snapshot::HardwareSnapshot,
    step::DisruptionClass,
};

use crate::{
    Inputs, NodeInput, Scope,
    digest::{node_digest, rollout_digest},
    drift,
    placement::{House, Placed, Seat, place_models, place_surplus},
    rollout,
    view::{self, Spared, View},
};
use keeping::{Keeping, keep};
use node::Needs;
use replicas::{Downtime, Replicas, replicas};
use report::Report;
use roster::{Role, roles};
use work::NodeWork;

/// Plans all nodes. Never fails: what cannot be used becomes a line of the report. The same inputs give the same
/// bytes, in whatever order nodes and lists come.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let mut report = Report::new(inputs.declaration);
    let snapshots = readable(inputs.nodes, &mut report);
    let mut replicas = replicas(inputs.declaration, &snapshots.values());
    let mut down = BTreeSet::new();
    loop {
        match attempt(inputs, &snapshots, &replicas, &down, report.clone()) {
            Ok(plan) => return *plan,
            // Each is added once, each number only grows, and each set is made once and then only shrinks, so this ends.
            Err(Again::Down(models)) => {
                for (model, homeless) in models {
                    let mut replicas = replicas.iter_mut();
                    if let Some(replicas) = replicas.find(|r| r.model.object == model) {
                        replicas.homeless = homeless;
                    }
                    down.insert(model);
                }
            }
            Err(Again::Unhoused(of)) => {
                for (model, unhoused) in of {
                    let mut replicas = replicas.iter_mut();
                    if let Some(replicas) = replicas.find(|r| r.model.object == model) {
                        replicas.unhoused = Some(unhoused);
                    }
                }
            }
        }
    }
}

/// What the next attempt knows beyond this one.
enum Again {
    /// Models that need downtime too, with how many of their replicas have no place.
    Down(BTreeMap<ObjectRef, usize>),
    /// Of these models, the replicas that only card work gives a place.
    Unhoused(BTreeMap<ObjectRef, BTreeSet<WorkerId>>),
}

/// Plans with downtime of these models; an error says what to plan with instead.
fn attempt(
    inputs: &Inputs<'_>,
    snapshots: &BTreeMap<NodeName, HardwareSnapshot>,
    replicas: &[Replicas<'_>],
    down: &BTreeSet<ObjectRef>,
    mut report: Report<'_>,
) -> Result<Box<Plan>, Again> {
    let downtime = |model: &ObjectRef| {
        if down.contains(model) {
            Downtime::Chosen
        } else {
            Downtime::Refused
        }
    };
    let Keeping { sites, waits } = keep(inputs, snapshots, replicas, downtime);
    let houses: Vec<House<'_>> = sites.iter().map(Site::house).collect();
    let (mut placed, unplaced) = match inputs.scope {
        Scope::Everything | Scope::Kept => place_models(inputs.declaration, &houses),
        Scope::Cards | Scope::Repairs => Default::default(),
    };
    // What has no place as things were left may have one as they are declared.
    let unplaced = unplaced.into_iter().filter(|_| inputs.scope != Scope::Kept);
    let unplaced: Vec<_> = unplaced.collect();
    let builds = match inputs.scope {
        Scope::Everything | Scope::Kept => {
            loose::builds(inputs, &placed, &houses, &sites, &mut report)
        }
        Scope::Cards | Scope::Repairs => BTreeMap::new(),
    };
    let work = |placed: &[Placed<'_>]| -> Vec<NodeWork> {
        let sites = sites.iter();
        sites
            .map(|site| site.work(inputs, replicas, placed, &builds))
            .collect()
    };
    let mut works = work(&placed);
    let mut roles = roles(replicas, &works, &waits, downtime);
    let mut more = Vec::new();
    let has_workers = matches!(inputs.scope, Scope::Everything | Scope::Kept);
    let may_give = |_: &&Role<'_>| has_workers;
    for role in roles
        .iter()
        .filter(may_give)
        .filter(|role| role.wants_surplus())
    {
        let known: Vec<Placed<'_>> = placed.iter().chain(&more).cloned().collect();
        more.extend(place_surplus(
            inputs.declaration,
            &houses,
            &known,
            role.replicas.model,
        ));
    }
    if !more.is_empty() {
        placed.extend(more);
        works = work(&placed);
        roles = roster::roles(replicas, &works, &waits, downtime);
    }
    let needy = |homeless: &dyn Fn(&Replicas<'_>) -> usize| -> BTreeMap<ObjectRef, usize> {
        let all = roles.iter().filter(may_give);
        all.map(|role| (role, homeless(role.replicas)))
            .filter(|(role, homeless)| role.wants_downtime(*homeless))
            .map(|(role, homeless)| (role.replicas.model.object.clone(), homeless))
            .collect()
    };
    let down = needy(&|_| 0);
    if !down.is_empty() {
        return Err(Again::Down(down));
    }
    // Only now: downtime may be what gives one a place.
    let unhoused = housing::unhoused(replicas, &placed, &works, &waits);
    if !unhoused.is_empty() {
        return Err(Again::Unhoused(unhoused));
    }
    // Last: what card work houses needs no downtime.
    let down = needy(&|replicas| housing::without_a_place(replicas, &placed));
    if !down.is_empty() {
        return Err(Again::Down(down));
    }
    for mut obstacle in unplaced {
        obstacle.message += &housing::left(&obstacle.object, &placed, &works);
        report.blocked(None, obstacle);
    }
    let said = roster::assign(&roles, &mut works);
    for obstacle in said.obstacles {
        report.blocked(None, obstacle);
    }
    for obstacle in said.advice {
        report.advice(None, obstacle);
    }
    let nodes: Vec<NodePlan> = sites
        .into_iter()
        .zip(works)
        .map(|(site, work)| site.finish(work, &mut report))
        .collect();
    report.groups_without_sets(&nodes);
    report.policies_without_socs();
    let objects = report.objects(&nodes, snapshots.values());
    let summary = report.summary(&nodes);
    Ok(Box::new(Plan {
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
        turns: said.turns,
        report: report.lines(),
    }))
}

/// The snapshots by node, in order; nodes that could not be read, or were read twice, are reported.
fn readable(nodes: &[NodeInput], report: &mut Report<'_>) -> BTreeMap<NodeName, HardwareSnapshot> {
    let mut snapshots = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for node in nodes {
        match node {
            NodeInput::Read(snapshot) => {
                let name = snapshot.metadata.name.clone();
                if snapshots
                    .insert(name.clone(), view::read(snapshot))
                    .is_some()
                {
                    twice.insert(name);
                }
            }
            NodeInput::Unreadable {
                node,
                labels: _,
                why,
            } => report.unreadable(node, why.clone()),
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
    /// Whether workers keep to sets that are as they were left.
    keeps: bool,
}

impl<'a> Site<'a> {
    fn of(
        inputs: &Inputs<'a>,
        snapshot: &'a HardwareSnapshot,
        spared: BTreeMap<PciAddress, Spared>,
        stuck: Option<&canary::Stuck>,
    ) -> Self {
        let mut view = View::of(snapshot, inputs.declaration);
        view.spared = spared;
        view.failed = (inputs.failed.get(view.node()).cloned()).unwrap_or_default();
        let moved = drift::renumbered(snapshot);
        let mut declared: Vec<&Declared<P2PGroupSpec>> = inputs.declaration.groups.iter().collect();
        declared.sort_by(|a, b| a.object.cmp(&b.object));
        let mut needs = if moved.is_empty() {
            node::needs(&view, &declared)
        } else {
            Needs::default()
        };
        if let Some(stuck) = stuck {
            canary::hold(&view, &mut needs, stuck);
        }
        if matches!(inputs.scope, Scope::Repairs | Scope::Kept) {
            needs.enforced = repairs::only(&view, needs.enforced);
        }
        Self {
            view,
            needs,
            moved,
            keeps: inputs.scope == Scope::Kept,
        }
    }

    fn house(&self) -> House<'_> {
        let usable =
            |group: &&groups::Assessed<'_>| !self.keeps || repairs::is_left(&self.view, group);
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
            socs: self.view.addresses().collect(),
            seats: self.needs.groups.iter().filter(usable).map(seat).collect(),
            workers: &self.view.snapshot.workers,
        }
    }

    /// What the node builds and runs once its cards are as declared.
    fn work(
        &self,
        inputs: &Inputs<'_>,
        replicas: &[Replicas<'_>],
        placed: &[Placed<'_>],
        builds: &BTreeMap<NodeName, Vec<&Declared<ModelBuildSpec>>>,
    ) -> NodeWork {
        let (view, name) = (&self.view, self.view.node());
        let drained = sequence::drained(&sequence::sequence(view, self.needs.enforced.clone()));
        let cards_alone = matches!(inputs.scope, Scope::Cards | Scope::Repairs);
        if !self.moved.is_empty() || cards_alone {
            return NodeWork::none(name, drained);
        }
        let here: Vec<&Placed<'_>> = placed.iter().filter(|p| p.node == *name).collect();
        let builds = builds.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut work = work::plan(inputs, view, replicas, &here, builds, &drained);
        if self.keeps {
            repairs::only_beside(replicas, view, &mut work);
        }
        work.enforced = governance::of(view).enforcement == Enforcement::Enforce;
        work
    }

    fn finish(self, work: NodeWork, report: &mut Report<'_>) -> NodePlan {
        let Self {
            view,
            needs,
            moved,
            keeps: _,
        } = self;
        let name = view.node().clone();
        let governance = governance::of(&view);
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
        for obstacle in obstacles.into_iter().chain(work.obstacles) {
            report.blocked(Some(&name), obstacle);
        }
        for obstacle in advice.into_iter().chain(work.advice) {
            report.advice(Some(&name), obstacle);
        }
        let mut carried = Vec::new();
        match governance.enforcement {
            Enforcement::Enforce => carried = work.steps,
            Enforcement::Observe => report.observed(&name, &work.steps),
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
            work: carried,
        }
    }
}
