//! One worker: what it was asked to be, its process, and what it holds.
use std::{
    process::{Child, ChildStdin},
    time::Duration,
};

use crd::{
    id::NodeName,
    snapshot::{PresentWorker, WorkerState},
    step::WorkerRequest,
};
use machine::{Claim, Timestamp};
use nix::sys::signal::Signal;

use super::{TERM_LIMIT, process};
use crate::{
    failure::Failure,
    room::Room,
    state::{StateDir, programs::ProgramStore, workers::ProcessIdentity},
};

/// A worker that is to run.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) request: WorkerRequest,
    pub(super) node: NodeName,
    pub(super) running: Option<Running>,
    pub(super) state: WorkerState,
    pub(super) address: Option<String>,
    pub(super) restarts: u32,
    pub(super) pause: Duration,
    pub(super) start_at: Option<Timestamp>,
    /// When a worker that starts for the first time is given up as one that will be ready.
    pub(super) ready_by: Timestamp,
    pub(super) ready_since: Option<Timestamp>,
    pub(super) why: String,
    /// Why we ended it before it served.
    pub(super) refused: Option<String>,
    pub(super) last_code: Option<i32>,
}

/// Its process.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    /// Dropping it tells the worker to drain.
    pub(super) stdin: Option<ChildStdin>,
    pub(super) process: ProcessIdentity,
    pub(super) pids: Vec<u32>,
    pub(super) generation: u64,
}

/// Whether its process has ended, as far as can be seen: the word of its end may still wait to be read.
pub(super) fn has_ended(worker: &Worker) -> bool {
    let running = worker.running.as_ref();
    running.is_some_and(|running| !process::is_alive(&running.process))
}

/// A worker as it enters the snapshot.
pub(super) fn present(worker: &Worker) -> PresentWorker {
    PresentWorker {
        id: worker.request.id.clone(),
        program: worker.request.program.key.clone(),
        group: worker.request.group.clone(),
        socs: worker.request.socs.clone(),
        port: worker.request.port,
        options: worker.request.options.clone(),
        state: if has_ended(worker) {
            WorkerState::Failed
        } else {
            worker.state
        },
    }
}

/// Waits for a worker that was told to drain, and ends it where it does not.
pub(super) fn end(running: &mut Running, drain: Duration) {
    let gone = |running: &mut Running, limit| {
        process::wait_for(limit, || !matches!(running.child.try_wait(), Ok(None)))
    };
    if gone(running, drain) {
        return;
    }
    process::signal(&running.process, Signal::SIGTERM);
    if !gone(running, TERM_LIMIT) {
        process::signal(&running.process, Signal::SIGKILL);
        let _ = running.child.wait();
    }
}

/// Remembers that its program is used now.
pub(super) fn uses(worker: &Worker, state: &StateDir, now: Timestamp) {
    if let Some(key) = &worker.request.program.key {
        ProgramStore::new(state.programs()).is_used(key, now);
    }
}

/// Holds the worker's SoCs in its name.
pub(super) fn claim(worker: &Worker, pid: u32, room: &Room) -> Result<(), Failure> {
    if let Some(node) = room.node(&worker.node) {
        for soc in &worker.request.socs {
            let claim = Claim {
                worker: worker.request.id.clone(),
                pid,
            };
            node.machine.claim(*soc, &claim)?;
        }
    }
    Ok(())
}

/// Gives back what it held.
pub(super) fn release(worker: &Worker, room: &Room) -> Result<(), Failure> {
    if let Some(node) = room.node(&worker.node) {
        node.machine.release_claims(&worker.request.id)?;
    }
    Ok(())
}
