//! Workers and whoever talks to their supervisor: processes, the control socket, one question over HTTP.
mod answers;
pub mod ask;
pub mod control;
mod damaged;
mod news;
mod own_work;
pub mod process;
mod readiness;
mod refusal;
mod report;
pub mod running;
mod speech;
mod supervisor;
mod talk;
mod worker;

use std::collections::BTreeMap;

use crd::{
    id::{NodeName, WorkerId},
    snapshot::SocIdentity,
    step::{Action, Step},
};
use machine::{KnownWorker, MachineEvent, Timestamp};

pub use news::{News, Tended};
pub use own_work::OwnWork;
pub use report::{Trouble, WorkerReport};
pub use supervisor::{DRAIN_SECONDS, Supervisor, TERM_LIMIT};

pub use crate::cluster::agent::drains::Freed;
use crate::{
    cluster::agent::{drains::Drains, tenants::Tenants},
    console::Console,
    failure::Failure,
    room::Room,
};

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
    /// A worker cannot listen where it was told to, and ends by that.
    NotListening {
        /// Which.
        id: WorkerId,
        /// Which of its starts.
        generation: u64,
        /// Why.
        why: String,
    },
    /// A worker closed its standard output: it has ended, or will.
    Ended {
        /// Which.
        id: WorkerId,
        /// Which of its starts.
        generation: u64,
    },
    /// Of a worker that ended while a step was in hand.
    Tended(Tended),
    /// Somebody asks through the control socket.
    Control(control::Asked),
    /// A machine tells of something.
    Machine {
        /// Which node.
        node: NodeName,
        /// What happened.
        event: MachineEvent,
        /// When it was heard.
        heard: Timestamp,
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
    /// A cluster's controller, which drains for this node's agent.
    Controller(&'a Drains<'a>),
}

impl Crew<'_> {
    /// The workers there are, by node.
    pub fn known(&self) -> BTreeMap<NodeName, Vec<KnownWorker>> {
        match self {
            Self::Nobody | Self::Controller(_) => BTreeMap::new(),
            Self::Elsewhere(recorded) => recorded.clone(),
            Self::Supervised(supervisor) => supervisor.known(),
        }
    }

    /// Who else may hold SoCs.
    pub fn tenants(&self) -> Tenants {
        match self {
            Self::Nobody | Self::Elsewhere(_) | Self::Supervised(_) => Tenants::Strangers,
            Self::Controller(drains) => drains.tenants(),
        }
    }

    /// Whether there are workers to be looked after while a step is in hand.
    pub fn has_workers(&self) -> bool {
        match self {
            Self::Supervised(supervisor) => supervisor.has_workers(),
            Self::Nobody | Self::Elsewhere(_) | Self::Controller(_) => false,
        }
    }

    /// Looks after them, a moment.
    pub fn tend(&mut self, room: &Room, console: &Console) {
        match self {
            Self::Supervised(supervisor) => supervisor.tend(room, console),
            Self::Nobody | Self::Elsewhere(_) | Self::Controller(_) => {}
        }
    }

    /// A reset of these SoCs begins.
    pub fn resets(&mut self, node: &NodeName, socs: &[SocIdentity], now: Timestamp) {
        match self {
            Self::Supervised(supervisor) => supervisor.own_work.reset(node, socs, now),
            // Nobody listens to what the machine tells, or tells nobody of it.
            Self::Nobody | Self::Elsewhere(_) | Self::Controller(_) => {}
        }
    }

    /// A proof of P2P over these SoCs begins.
    pub fn proves(&mut self, node: &NodeName, socs: &[SocIdentity], now: Timestamp) {
        match self {
            Self::Supervised(supervisor) => supervisor.own_work.prove(node, socs, now),
            Self::Nobody | Self::Elsewhere(_) | Self::Controller(_) => {}
        }
    }

    /// A run on this node is over.
    pub fn rests(&mut self, node: &NodeName, now: Timestamp) {
        match self {
            Self::Supervised(supervisor) => supervisor.own_work.over(node, now),
            Self::Nobody | Self::Elsewhere(_) | Self::Controller(_) => {}
        }
    }

    /// Makes ready for steps on SoCs, where this step asks for that: keeps work off them, and frees them of what may be
    /// stopped. Whoever else holds one is the machine's to find.
    pub fn free(&mut self, step: &Step, room: &Room) -> Result<Freed, Failure> {
        match (self, &step.action) {
            (
                Self::Supervised(supervisor),
                Action::Drain {
                    workers,
                    timeout_seconds,
                    ..
                },
            ) => {
                for worker in workers {
                    supervisor.stop(worker, *timeout_seconds, room)?;
                }
                Ok(Freed::Yes)
            }
            (
                Self::Controller(drains),
                Action::Drain {
                    socs,
                    timeout_seconds,
                    ..
                },
            ) => drains.wait(&step.id, socs, *timeout_seconds),
            (Self::Controller(drains), Action::Taint { socs }) => {
                drains.wait(&step.id, socs, DRAIN_SECONDS)
            }
            // Locally nothing starts while the engine works: there is nobody to keep off.
            (Self::Nobody | Self::Elsewhere(_) | Self::Supervised(_) | Self::Controller(_), _) => {
                Ok(Freed::Yes)
            }
        }
    }
}
