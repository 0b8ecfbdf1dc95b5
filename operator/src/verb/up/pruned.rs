//! Programs that somebody wants gone: `up` removes them between two passes, when nothing is about to be served.
use std::{collections::BTreeSet, sync::mpsc::SyncSender};

use crd::id::ProgramKey;

use super::Up;
use crate::{failure::Failure, state::programs::ProgramStore, supervise::control::Reply};

impl Up<'_> {
    /// Removes those that no worker of ours serves, or waits to serve again.
    pub(super) fn prune(&self, programs: &[ProgramKey], reply: &SyncSender<Reply>) {
        let workers = self.supervisor.known().into_values().flatten();
        let served: BTreeSet<ProgramKey> =
            workers.filter_map(|known| known.worker.program).collect();
        let store = ProgramStore::new(self.setting.room.state.programs());
        let mut unserved = programs.iter().filter(|key| !served.contains(key));
        let removed = unserved.try_for_each(|key| store.remove(key));
        let (code, why, hint) = match removed.map_err(Failure::from) {
            Ok(()) => (0, String::new(), String::new()),
            Err(failure) => (failure.exit().code(), failure.chain(), failure.hint()),
        };
        // Whoever went away wants no answer.
        let _ = reply.try_send(Reply::Ended { code, why, hint });
    }
}
