//! Why a worker was to end before it served, in our words rather than its own.
use crd::{id::WorkerId, step::WorkerRequest};

use super::Supervisor;

impl Supervisor {
    /// What a worker of which this is the start was asked to be.
    pub fn request(&self, id: &WorkerId, generation: u64) -> Option<&WorkerRequest> {
        let worker = self.workers.get(id)?;
        let running = worker.running.as_ref()?;
        (running.generation == generation).then_some(&worker.request)
    }

    /// A worker is about to end, for this reason: it says more than the worker's own last words.
    pub fn ends_for(&mut self, id: &WorkerId, why: String) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.refused = Some(why);
        }
    }
}
