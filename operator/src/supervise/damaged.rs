//! Programs that a worker found damaged as it loaded them: each is set aside once, and built again by the next pass.
use crd::id::WorkerId;

use super::Supervisor;
use crate::{exit::Exit, failure::Failure, state::programs::ProgramStore};

impl Supervisor {
    /// Sets aside the program of a worker that ended because of what it was given. Whether it did: a second time, with
    /// none ready in between, building again does not mend it.
    pub fn sets_program_aside(&mut self, id: &WorkerId) -> Result<bool, Failure> {
        let Some(worker) = self.workers.get(id) else {
            return Ok(false);
        };
        let Some(key) = worker.request.program.key.clone() else {
            return Ok(false);
        };
        let input = worker.last_code == Some(i32::from(Exit::Input.code()));
        if !input || !self.set_aside.insert(key.clone()) {
            return Ok(false);
        }
        ProgramStore::new(self.state.programs()).set_aside(&key)?;
        Ok(true)
    }
}
