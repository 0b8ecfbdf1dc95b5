//! One model's replicas as they run now, and how many of them its rollout wants to go on serving.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::{Declaration, Declared},
    id::{NodeName, PciAddress, WorkerId},
    kind::ShardedModelSpec,
    snapshot::{HardwareSnapshot, PresentWorker, WorkerState},
};

use crate::placement::{numbers, surplus_id, worker_id};

/// How a running replica counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// It is ready, on SoCs that are there.
    Serving,
    /// It was started and may still be ready by itself.
    Coming,
    /// Nothing says that it will serve.
    Stuck,
}

/// One running replica.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) node: NodeName,
    pub(super) socs: Vec<PciAddress>,
    /// The port that it was told to listen on.
    pub(super) port: Option<u16>,
    counts: Counts,
}

/// A model's replicas, the surplus one among them.
#[derive(Clone, Debug)]
pub(super) struct Replicas<'a> {
    pub(super) model: &'a Declared<ShardedModelSpec>,
    pub(super) surplus: WorkerId,
    /// Declared replicas, by index.
    pub(super) declared: Vec<WorkerId>,
    /// Of these, those that neither run nor have a place before card work of this plan makes one: that work waits for none
    /// of them, or both would wait for ever. Not known in a first attempt.
    pub(super) unhoused: Option<BTreeSet<WorkerId>>,
    /// How many more have no place whatever this plan does: where downtime is chosen, nobody waits for them.
    pub(super) homeless: usize,
    /// How many can serve only once a sibling that serves has left the port that they are to listen on: nobody waits for
    /// them before that.
    pub(super) shut_out: usize,
    pub(super) running: BTreeMap<WorkerId, Running>,
}

/// Every declared model's replicas, ordered by model.
pub(super) fn replicas<'a, 's>(
    declaration: &'a Declaration,
    snapshots: &(impl Iterator<Item = &'s HardwareSnapshot> + Clone),
) -> Vec<Replicas<'a>> {
    let mut models: Vec<&Declared<ShardedModelSpec>> = declaration.models.iter().collect();
    models.sort_by(|a, b| a.object.cmp(&b.object));
    let of = |model: &'a Declared<ShardedModelSpec>| {
        let running = snapshots.clone().flat_map(|snapshot| &snapshot.workers);
        let declared = numbers(model, running).into_iter();
        let mut replicas = Replicas {
            model,
            surplus: surplus_id(&model.object),
            declared: declared
                .map(|replica| worker_id(&model.object, replica))
                .collect(),
            unhoused: None,
            homeless: 0,
            shut_out: 0,
            running: BTreeMap::new(),
        };
        for snapshot in snapshots.clone() {
            for worker in &snapshot.workers {
                replicas.add(snapshot, worker);
            }
        }
        replicas
    };
    models.into_iter().map(of).collect()
}

impl Replicas<'_> {
    fn add(&mut self, snapshot: &HardwareSnapshot, worker: &PresentWorker) {
        if worker.id != self.surplus && !self.declared.contains(&worker.id) {
            return;
        }
        let there = |soc: &PciAddress| snapshot.socs.iter().any(|found| found.address == *soc);
        let counts = match worker.state {
            WorkerState::Ready if worker.socs.iter().all(there) => Counts::Serving,
            WorkerState::Starting => Counts::Coming,
            WorkerState::Ready | WorkerState::Draining | WorkerState::Failed => Counts::Stuck,
        };
        let running = Running {
            node: snapshot.metadata.name.clone(),
            socs: worker.socs.clone(),
            port: worker.port,
            counts,
        };
        let known = self.running.entry(worker.id.clone());
        let kept = known.or_insert_with(|| running.clone());
        if kept.counts != Counts::Serving && counts == Counts::Serving {
            *kept = running;
        }
    }

    fn that_are(&self, counts: Counts) -> BTreeSet<WorkerId> {
        let running = self.running.iter();
        running
            .filter(|(_, running)| running.counts == counts)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Those that serve now.
    pub(super) fn serving(&self) -> BTreeSet<WorkerId> {
        self.that_are(Counts::Serving)
    }

    /// Those that were started and are not ready yet.
    pub(super) fn coming(&self) -> BTreeSet<WorkerId> {
        self.that_are(Counts::Coming)
    }

    /// Those of a node that serve and hold one of these SoCs.
    pub(super) fn on(&self, node: &NodeName, socs: &BTreeSet<PciAddress>) -> Vec<WorkerId> {
        let running = self.running.iter();
        running
            .filter(|(_, running)| running.counts == Counts::Serving && running.node == *node)
            .filter(|(_, running)| running.socs.iter().any(|soc| socs.contains(soc)))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// How many can be asked to serve.
    fn counted(&self) -> usize {
        let unhoused = self.unhoused.as_ref().map_or(0, BTreeSet::len);
        (self.declared.len()).saturating_sub(unhoused + self.shut_out)
    }

    /// How many must serve at any time.
    pub(super) fn floor(&self) -> usize {
        let (least, missing) = self.numbers();
        least.max(self.counted().saturating_sub(missing))
    }

    /// `minAvailable` and `maxUnavailable`.
    fn numbers(&self) -> (usize, usize) {
        let rollout = self.model.spec.rollout.clone().unwrap_or_default();
        let least = rollout.min_available.unwrap_or(0);
        let missing = rollout.max_unavailable.unwrap_or(1);
        (least as usize, missing as usize)
    }

    pub(super) fn allows_downtime(&self) -> bool {
        let rollout = self.model.spec.rollout.as_ref();
        rollout.and_then(|rollout| rollout.allow_downtime) == Some(true)
    }

    /// How many can serve before somebody makes room for more.
    fn within_reach(&self) -> usize {
        self.counted().saturating_sub(self.homeless)
    }

    /// Whether the numbers forbid to stop so many together, even while every replica serves that has a place.
    pub(super) fn is_out_of_reach(&self, stops: usize) -> bool {
        stops + self.floor() > self.within_reach()
    }

    /// Whether one more that serves would make that possible.
    pub(super) fn surplus_helps(&self, stops: usize) -> bool {
        stops + self.floor() == self.counted() + 1
    }

    /// Whether so many of those that serve may stop together. Downtime is for what the numbers can never allow; what waits
    /// for a replica to be ready waits with downtime too.
    pub(super) fn may_stop(&self, serving: usize, stops: usize, downtime: Downtime) -> bool {
        let enough = stops + self.floor() <= serving;
        let chosen = downtime == Downtime::Chosen
            && self.is_out_of_reach(stops)
            && serving >= self.within_reach();
        stops == 0 || enough || chosen
    }

    /// `1 of 2 replicas serves and 1 must (rollout.maxUnavailable: 1)`.
    pub(super) fn says(&self, serving: usize) -> String {
        let (least, missing) = self.numbers();
        let rule = if self.floor() == least {
            format!("rollout.minAvailable: {least}")
        } else {
            format!("rollout.maxUnavailable: {missing}")
        };
        if serving > self.declared.len() {
            return format!(
                "{} and a surplus one serve, and {} must ({rule})",
                counted(self.declared.len()),
                self.floor()
            );
        }
        let verb = if serving == 1 { "serves" } else { "serve" };
        format!(
            "{serving} of {} {verb}, and {} must ({rule})",
            counted(self.declared.len()),
            self.floor()
        )
    }

    /// What to do where so many can never be stopped, or cannot now.
    pub(super) fn hint(&self, stops: usize) -> String {
        if self.is_out_of_reach(stops) {
            "declare room for a surplus replica (a free set of a P2PGroup), other numbers in `rollout`, or `allowDowntime: true`"
        } else {
            "it goes on when the other replicas are ready: `shardplane status` says what they wait for; where they have no place yet, lower numbers in `rollout` or `allowDowntime: true` let it go on"
        }
        .into()
    }
}

fn counted(replicas: usize) -> String {
    match replicas {
        1 => "1 replica".into(),
        all => format!("{all} replicas"),
    }
}

/// Whether fewer than the numbers say may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Downtime {
    /// The numbers hold.
    Refused,
    /// The model permits it, and nothing else is left.
    Chosen,
}
