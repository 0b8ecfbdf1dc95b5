//! Who of a model's replicas is to listen on the port that which sibling listens on until now: an edit of `serving.port` by
//! less than the number of replicas moves each to the place of another.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{NodeName, WorkerId},
    step::Action,
};

use super::{replicas::Replicas, work::NodeWork};

/// Who comes after whom.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// A replica, and the sibling that has its port on its node.
    behind: BTreeMap<WorkerId, WorkerId>,
    /// Those that cannot come at all: the sibling stays where it is, or waits itself for one that does.
    pub(super) stuck: BTreeSet<WorkerId>,
    /// How many of the others do not serve and cannot by themselves.
    pub(super) shut_out: usize,
}

impl Ports {
    /// Reads them from what runs and from worker steps.
    pub(super) fn of(replicas: &Replicas<'_>, works: &[NodeWork]) -> Self {
        let mut ports = Self::default();
        let mut listening = replicas.coming();
        listening.extend(replicas.serving());
        let mut absent = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for work in works.iter().filter(|work| work.enforced) {
            for step in &work.steps {
                if let Action::StopWorker { worker } = &step.action {
                    asked.insert(worker.clone());
                }
                let (Action::StartWorker { worker } | Action::ReplaceWorker { worker }) =
                    &step.action
                else {
                    continue;
                };
                if worker.model != replicas.model.object {
                    continue;
                }
                asked.insert(worker.id.clone());
                if !replicas.running.contains_key(&worker.id) {
                    absent.insert(worker.id.clone());
                }
                ports.add(replicas, &worker.id, (&work.node, worker.port), &listening);
            }
        }
        // One that was started too early, and ends again and again.
        for (id, running) in &replicas.running {
            if !asked.contains(id) && !listening.contains(id) {
                absent.insert(id.clone());
                ports.add(replicas, id, (&running.node, running.port), &listening);
            }
        }
        loop {
            let stands =
                |holder: &WorkerId| !asked.contains(holder) || ports.stuck.contains(holder);
            let stuck = ports.behind.iter().filter(|(_, holder)| stands(holder));
            let stuck: BTreeSet<WorkerId> = stuck.map(|(id, _)| id.clone()).collect();
            if stuck == ports.stuck {
                break;
            }
            ports.stuck = stuck;
        }
        let shut_out = ports.behind.keys().filter(|id| absent.contains(*id));
        ports.shut_out = shut_out.filter(|id| !ports.stuck.contains(*id)).count();
        ports
    }

    fn add(
        &mut self,
        replicas: &Replicas<'_>,
        id: &WorkerId,
        (node, port): (&NodeName, Option<u16>),
        listening: &BTreeSet<WorkerId>,
    ) {
        let Some(port) = port else { return };
        let mut running = replicas.running.iter();
        let holder = running.find(|(other, running)| {
            *other != id && running.node == *node && running.port == Some(port)
        });
        let Some((holder, _)) = holder.filter(|(holder, _)| listening.contains(*holder)) else {
            return;
        };
        self.behind.insert(id.clone(), holder.clone());
    }

    /// Whether a sibling has a replica's port.
    pub(super) fn is_behind(&self, id: &WorkerId) -> bool {
        self.behind.contains_key(id)
    }

    /// Whether a replica's port is one that none of these has.
    pub(super) fn is_free<'a>(
        &self,
        id: &WorkerId,
        mut others: impl Iterator<Item = &'a WorkerId>,
    ) -> bool {
        let holder = self.behind.get(id);
        holder.is_none_or(|holder| !others.any(|other| other == holder))
    }
}
