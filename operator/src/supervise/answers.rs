//! Answers of the control socket that are being written, so that a process does not end in the middle of one.
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// An answer takes no longer, once whoever answers is done with it: each write has a limit of its own below that.
const LIMIT: Duration = Duration::from_secs(10);

/// How many are open.
#[derive(Debug, Default)]
pub(super) struct Answers {
    open: Mutex<usize>,
    ended: Condvar,
}

/// One that is open until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Answers>);

impl Answers {
    /// One more.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        // A number stays right whatever became of who counted.
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Open(Arc::clone(self))
    }

    /// Waits until none is.
    pub(super) fn wait(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads so slowly goes without.
        let _ = (self.ended).wait_timeout_while(open, LIMIT, |open| *open > 0);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *self.0.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_all();
    }
}
