//! The rule about replicas: at no point of a plan do fewer of a model serve than its rollout asks for. Read anew from the
//! snapshots, the declared numbers and the order of steps alone.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declared,
    id::{NodeName, PciAddress},
    kind::ShardedModelSpec,
    plan::{NodePlan, Plan},
    snapshot::{HardwareSnapshot, WorkerState},
    step::{Action, Step},
};

use super::Findings;

/// One model while the plan is read.
struct Read<'a> {
    model: &'a Declared<ShardedModelSpec>,
    /// Its declared replicas, and the surplus one last.
    names: Vec<String>,
    /// Who serves at this point of the plan.
    serving: BTreeSet<String>,
    /// How many of the declared ones have a place besides what the plan frees for them, or all where it frees none.
    housed: usize,
    /// Of these, how many run or are started by the plan: nobody can wait for the others.
    able: usize,
    /// How many that do not serve are to listen where a sibling does: they come after it.
    shut_out: usize,
}

pub(super) fn read(
    plan: &Plan,
    models: &[Declared<ShardedModelSpec>],
    snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>,
    found: &mut Findings,
) {
    for model in models {
        let stem = format!(
            "{}/{}",
            model.object.namespace.as_deref().unwrap_or("default"),
            model.object.name
        );
        let declared = declared(model, &stem, snapshots).into_iter();
        let names = declared.chain([format!("{stem}-surplus")]).collect();
        let mut read = Read {
            model,
            names,
            serving: BTreeSet::new(),
            housed: 0,
            able: 0,
            shut_out: 0,
        };
        read.serving = read.in_state(snapshots, WorkerState::Ready);
        (read.housed, read.able) = read.housed(plan, snapshots);
        read.shut_out = read.shut_out(plan, snapshots);
        read.cards(plan, snapshots, found);
        read.workers(plan, snapshots, found);
    }
}

/// The declared replicas' names: of those that run as many as are asked for, who is ready first, and else the first numbers. A
/// port of its own ties each to its number.
fn declared(
    model: &Declared<ShardedModelSpec>,
    stem: &str,
    snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>,
) -> Vec<String> {
    let first = (0..model.spec.replicas).map(|index| (index, format!("{stem}-{index}")));
    let running = snapshots.values().flat_map(|snapshot| &snapshot.workers);
    let state = |name: &str| {
        let mut workers = running.clone();
        workers
            .find(|worker| worker.id.0 == name)
            .map(|worker| worker.state)
    };
    let more = running.clone().filter_map(|worker| {
        let index = worker.id.0.strip_prefix(stem)?.strip_prefix('-')?;
        Some((index.parse().ok()?, worker.id.0.clone()))
    });
    let tied = model.spec.serving.port.is_some();
    let mut all: BTreeMap<u32, String> = first.collect();
    all.extend(more.filter(|_| !tied));
    let mut all: Vec<(u32, String)> = all.into_iter().collect();
    all.sort_by_key(|(index, name)| match state(name) {
        _ if tied => (0, *index),
        Some(WorkerState::Ready) => (0, *index),
        Some(_) => (1, *index),
        None => (2, *index),
    });
    all.truncate(model.spec.replicas as usize);
    all.sort();
    all.into_iter().map(|(_, name)| name).collect()
}

impl Read<'_> {
    /// Replicas in a state, on SoCs that are all there.
    fn in_state(
        &self,
        snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>,
        state: WorkerState,
    ) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for snapshot in snapshots.values() {
            let there: BTreeSet<PciAddress> = snapshot.socs.iter().map(|s| s.address).collect();
            for worker in &snapshot.workers {
                let whole = worker.socs.iter().all(|soc| there.contains(soc));
                let ours = self.names.contains(&worker.id.0);
                if ours && whole && worker.state == state {
                    names.insert(worker.id.0.clone());
                }
            }
        }
        names
    }

    /// Declared replicas that run, or that the plan starts on SoCs that it does not free first. Only where it frees some on
    /// which another than before is to run do the rest, which have no place yet, count for nothing. Then how many of them run
    /// or are started.
    fn housed(
        &self,
        plan: &Plan,
        snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>,
    ) -> (usize, usize) {
        let declared = &self.names[..self.names.len() - 1];
        let runs = |name: &String| {
            let mut workers = snapshots.values().flat_map(|snapshot| &snapshot.workers);
            workers.any(|worker| worker.id.0 == *name)
        };
        let mut helped = false;
        let mut besides = BTreeSet::new();
        let mut started = BTreeSet::new();
        for node in &plan.nodes {
            let freed: BTreeSet<&PciAddress> = (node.steps.iter())
                .filter_map(|step| match &step.action {
                    Action::Drain { socs, .. } => Some(socs),
                    _ => None,
                })
                .flatten()
                .collect();
            for step in &node.work {
                let (Action::StartWorker { worker } | Action::ReplaceWorker { worker }) =
                    &step.action
                else {
                    continue;
                };
                let name = &worker.id.0;
                if !declared.contains(name) {
                    continue;
                }
                started.insert(name);
                let stays = snapshots.get(&node.node).is_some_and(|snapshot| {
                    let mut workers = snapshot.workers.iter();
                    workers.any(|there| there.id == worker.id && there.socs == worker.socs)
                });
                if worker.socs.iter().any(|soc| freed.contains(soc)) {
                    helped |= !stays;
                } else if !runs(name) {
                    besides.insert(name);
                }
            }
        }
        if helped {
            let counts = |name: &&String| runs(name) || besides.contains(name);
            let housed = declared.iter().filter(counts).count();
            (housed, housed)
        } else {
            let able = |name: &&String| runs(name) || started.contains(name);
            (declared.len(), declared.iter().filter(able).count())
        }
    }

    fn shut_out(&self, plan: &Plan, snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>) -> usize {
        let declared = &self.names[..self.names.len() - 1];
        let runs = |name: &str| {
            let mut workers = snapshots.values().flat_map(|snapshot| &snapshot.workers);
            workers.any(|worker| worker.id.0 == name)
        };
        let mut shut_out = BTreeSet::new();
        for node in &plan.nodes {
            let Some(snapshot) = snapshots.get(&node.node) else {
                continue;
            };
            let is_taken = |name: &str, port: Option<u16>| {
                let mut siblings = snapshot.workers.iter();
                port.is_some()
                    && siblings.any(|other| {
                        let listens =
                            matches!(other.state, WorkerState::Ready | WorkerState::Starting);
                        let sibling = declared.contains(&other.id.0) && other.id.0 != name;
                        listens && sibling && other.port == port
                    })
            };
            for step in &node.work {
                if let Action::StartWorker { worker } = &step.action
                    && declared.contains(&worker.id.0)
                    && !runs(&worker.id.0)
                    && is_taken(&worker.id.0, worker.port)
                {
                    shut_out.insert(worker.id.0.clone());
                }
            }
            for worker in &snapshot.workers {
                let name = &worker.id.0;
                if declared.contains(name)
                    && !self.serving.contains(name)
                    && is_taken(name, worker.port)
                {
                    shut_out.insert(name.clone());
                }
            }
        }
        shut_out.len()
    }

    /// Drains, node by node: nobody who is stopped by one comes back before the last.
    fn cards(
        &mut self,
        plan: &Plan,
        snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>,
        found: &mut Findings,
    ) {
        let place = |node: &NodePlan| plan.order.iter().position(|name| *name == node.node);
        let mut nodes: Vec<&NodePlan> = plan.nodes.iter().collect();
        nodes.sort_by_key(|node| place(node));
        for node in nodes {
            let Some(snapshot) = snapshots.get(&node.node) else {
                continue;
            };
            for step in &node.steps {
                let Action::Drain { socs, .. } = &step.action else {
                    continue;
                };
                let workers = snapshot.workers.iter();
                let freed = workers.filter(|w| w.socs.iter().any(|soc| socs.contains(soc)));
                let freed: Vec<String> = freed.map(|worker| worker.id.0.clone()).collect();
                let before = self.serving.len();
                self.serving.retain(|name| !freed.contains(name));
                self.judge(step, before, found);
            }
        }
    }

    /// Worker steps, batch by batch: first all of a batch stop, then all of it serve.
    fn workers(
        &mut self,
        plan: &Plan,
        snapshots: &BTreeMap<&NodeName, &HardwareSnapshot>,
        found: &mut Findings,
    ) {
        let steps: Vec<&Step> = plan.nodes.iter().flat_map(|node| &node.work).collect();
        let mut touched = BTreeSet::new();
        let mut batches = BTreeSet::new();
        for step in &steps {
            if let Some((name, _)) = effect(step).filter(|(name, _)| self.names.contains(name)) {
                batches.insert(step.batch);
                // Whoever has a turn later may be ready until then.
                if step.batch == 0 {
                    touched.insert(name);
                }
            }
        }
        let mut coming = self.in_state(snapshots, WorkerState::Starting);
        coming.retain(|name| !touched.contains(name));
        for batch in batches {
            if batch > 0 {
                self.serving.append(&mut coming);
            }
            let now = || steps.iter().filter(|step| step.batch == batch);
            for step in now() {
                let Some((name, stops)) = effect(step) else {
                    continue;
                };
                let before = self.serving.len();
                if stops && self.serving.remove(&name) {
                    self.judge(step, before, found);
                }
            }
            for step in now() {
                match &step.action {
                    Action::StartWorker { worker } | Action::ReplaceWorker { worker }
                        if self.names.contains(&worker.id.0) =>
                    {
                        coming.insert(worker.id.0.clone());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether those that still serve are enough after a step; `before` served before it.
    fn judge(&self, step: &Step, before: usize, found: &mut Findings) {
        let after = self.serving.len();
        let stopped = before - after;
        let rollout = self.model.spec.rollout.as_ref();
        let least = rollout.and_then(|r| r.min_available).unwrap_or(0) as usize;
        let missing = rollout.and_then(|r| r.max_unavailable).unwrap_or(1) as usize;
        let replicas = self.names.len() - 1;
        let counted = self.housed.saturating_sub(self.shut_out);
        let must = least.max(counted.saturating_sub(missing));
        let permits = rollout.and_then(|r| r.allow_downtime).unwrap_or(false);
        // Where all serve that can and the numbers still forbid it, there is no better moment.
        let able = self.able.saturating_sub(self.shut_out);
        let no_better = able < must + stopped && before >= able;
        let holds = stopped == 0 || after >= must || permits && no_better;
        found.expect("SP-C26", step, holds, || {
            format!(
                "{after} of {replicas} replicas of {} would serve, and {must} must",
                self.model.object
            )
        });
    }
}

/// The replica that a step stops or starts, and whether it stops it.
fn effect(step: &Step) -> Option<(String, bool)> {
    match &step.action {
        Action::StartWorker { worker } => Some((worker.id.0.clone(), false)),
        Action::ReplaceWorker { worker } => Some((worker.id.0.clone(), true)),
        Action::StopWorker { worker } => Some((worker.0.clone(), true)),
        _ => None,
    }
}
