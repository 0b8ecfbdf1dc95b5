//! Why a worker ended: in its own words, or in ours where they say more.
use crd::{id::WorkerId, step::WorkerRequest};

use super::Supervisor;
use crate::exit::Exit;

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

    /// Why a worker died last, with the outcome that its own exit code means.
    pub fn last_words(&self, id: &WorkerId) -> Option<(Exit, String)> {
        let worker = self.workers.get(id)?;
        let code = worker.last_code.and_then(|code| u8::try_from(code).ok());
        let row = crate::exit::TABLE
            .iter()
            .find(|row| Some(row.code) == code && row.code >= 64);
        Some((
            row.map_or(Exit::Unavailable, |row| row.exit),
            worker.why.clone(),
        ))
    }
}
