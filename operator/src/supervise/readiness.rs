//! Who is not ready, in time or any more: what a rollout goes on or stops by.
use crd::{
    id::{ObjectRef, WorkerId},
    snapshot::WorkerState,
    step::WorkerRequest,
};

use super::{
    supervisor::Supervisor,
    worker::{Worker, has_ended},
};

impl Supervisor {
    /// Workers that were to be ready by now and have not died either, each told once: nothing counts on them any more until
    /// they are ready after all.
    pub fn overdue(&mut self) -> Vec<WorkerId> {
        let now = self.wall.now();
        let mut overdue = Vec::new();
        for (id, worker) in &mut self.workers {
            if worker.state == WorkerState::Starting && worker.ready_by <= now {
                worker.state = WorkerState::Failed;
                "it is not ready in time".clone_into(&mut worker.why);
                overdue.push(id.clone());
            }
        }
        overdue
    }

    /// Whether one that was ready has ended since, and nobody has read of it yet.
    pub fn has_lost_one(&self) -> bool {
        let mut workers = self.workers.values();
        workers.any(|worker| worker.state == WorkerState::Ready && has_ended(worker))
    }

    /// The worker that listens on a port, or is about to.
    pub fn listener(&self, port: u16) -> Option<&WorkerId> {
        let mut running = (self.workers.values()).filter(|worker| worker.running.is_some());
        let has = |worker: &&Worker| {
            let address = worker.address.as_deref();
            let told = address.and_then(|address| address.rsplit_once(':')?.1.parse().ok());
            told.or(worker.request.port) == Some(port)
        };
        running.find(has).map(|worker| &worker.request.id)
    }

    /// Whether a worker has SoCs or the port of one that is about to come, another than itself.
    pub fn is_in_the_way(&self, id: &WorkerId, coming: &[&WorkerRequest]) -> bool {
        let Some(worker) = self.workers.get(id) else {
            return false;
        };
        coming.iter().filter(|other| other.id != *id).any(|other| {
            let mut socs = other.socs.iter();
            let listens = other.port.and_then(|port| self.listener(port));
            socs.any(|soc| worker.request.socs.contains(soc)) || listens == Some(id)
        })
    }

    /// A worker's model, and why the worker is not ready as far as that is known.
    pub fn standing(&self, id: &WorkerId) -> Option<(&ObjectRef, &str)> {
        let worker = self.workers.get(id)?;
        Some((&worker.request.model, &worker.why))
    }
}
