//! Workers and whoever talks to their supervisor: processes, the control socket, one question over HTTP.
pub mod ask;
pub mod control;
pub mod process;
mod readiness;
mod report;
pub mod running;
mod speech;
mod supervisor;
mod talk;
mod worker;

use std::collections::BTreeMap;

use crd::id::{NodeName, WorkerId};
use machine::{KnownWorker, MachineEvent};

pub use report::{Trouble, WorkerReport};
pub use supervisor::{DRAIN_SECONDS, Supervisor, TERM_LIMIT};

use crate::{failure::Failure, room::Room};

/// Something that `up` reacts to.
#[derive(Debug)]
pub enum Event {
    /// A worker says that it listens.
    Listening {
        /// Which.
        id: WorkerId,
        /// Which of its starts.
        generation: u64,
        /// Its address.
        address: String,
        /// Its processes.
        pids: Vec<u32>,
    },
    /// A worker closed its standard output: it has ended, or will.
    Ended {
        /// Which.
        id: WorkerId,
        /// Which of its starts.
        generation: u64,
    },
    /// Somebody asks through the control socket.
    Control(control::Asked),
    /// A machine tells of something.
    Machine {
        /// Which node.
        node: NodeName,
        /// What happened.
        event: MachineEvent,
    },
    /// What is declared is to be read again.
    Reload,
    /// The answer to `--ask` has been printed, or there is none.
    Answered(Result<(), Failure>),
}

/// Who runs our workers while an engine works.
#[derive(Debug)]
pub enum Crew<'a> {
    /// Nobody: there are none, and none is started.
    Nobody,
    /// Another run, while this one only looks: these are recorded and alive.
    Elsewhere(BTreeMap<NodeName, Vec<KnownWorker>>),
    /// The supervisor.
    Supervised(&'a mut Supervisor),
}

impl Crew<'_> {
    /// The workers there are, by node.
    pub fn known(&self) -> BTreeMap<NodeName, Vec<KnownWorker>> {
        match self {
            Self::Nobody => BTreeMap::new(),
            Self::Elsewhere(recorded) => recorded.clone(),
            Self::Supervised(supervisor) => supervisor.known(),
        }
    }

    /// Drains and stops workers; afterwards they hold nothing.
    pub fn stop_workers(
        &mut self,
        workers: &[WorkerId],
        timeout_seconds: u32,
        room: &Room,
    ) -> Result<(), Failure> {
        match self {
            Self::Nobody | Self::Elsewhere(_) => Ok(()),
            Self::Supervised(supervisor) => {
                for worker in workers {
                    supervisor.stop(worker, timeout_seconds, room)?;
                }
                Ok(())
            }
        }
    }
}
