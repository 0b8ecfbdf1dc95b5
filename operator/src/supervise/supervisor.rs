//! The supervisor: starts workers, restarts those that die, drains and stops them. It owns every worker process.
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt,
    sync::mpsc::{Receiver, SyncSender},
    time::Duration,
};

use crd::{
    id::{NodeName, ProgramKey, WorkerId},
    snapshot::WorkerState,
    step::WorkerRequest,
};
use machine::{KnownWorker, Machine, Roots, Timestamp};
use nix::sys::signal::Signal;

use super::{
    Event, News, OwnWork, WorkerReport, process,
    speech::{arguments, last_line, listen, open_log},
    worker::{Running, Worker, claim, end, present, release, uses},
};
use crate::{
    failure::Failure,
    room::Room,
    state::{
        StateDir,
        workers::{self, ProcessIdentity, RecordedWorker},
    },
    toolchain::{WorkerBinary, killed_by},
};

/// The first pause before a worker that died is started again; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A worker that served this long starts from the first pause again.
const STEADY: Duration = Duration::from_mins(1);
/// Drain time of a worker where no policy says another.
pub const DRAIN_SECONDS: u32 = 300;
/// After a drain's own time, how long a worker has after SIGTERM.
pub const TERM_LIMIT: Duration = Duration::from_secs(5);

/// Owns every worker process.
#[derive(Debug)]
pub struct Supervisor {
    binary: WorkerBinary,
    pub(super) state: StateDir,
    events: SyncSender<Event>,
    pub(super) wall: Machine,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    generation: u64,
    drain_seconds: u32,
    /// Programs that were set aside already.
    pub(super) set_aside: BTreeSet<ProgramKey>,
    /// What is told to `up`.
    pub news: News,
    /// Resets of ours that the machine has not told of yet.
    pub own_work: OwnWork,
}

impl Supervisor {
    /// A supervisor without workers; what happens to its workers is told to `events`, and heard beside
    /// all else that is told to `up`.
    pub fn new(
        binary: WorkerBinary,
        state: StateDir,
        (events, received): (SyncSender<Event>, Receiver<Event>),
    ) -> Self {
        Self {
            binary,
            state,
            events,
            wall: Machine::linux(Roots::default()),
            workers: BTreeMap::new(),
            generation: 0,
            drain_seconds: DRAIN_SECONDS,
            set_aside: BTreeSet::new(),
            news: News::of(received),
            own_work: OwnWork::default(),
        }
    }

    /// Starts workers of this binary from now on.
    pub fn set_binary(&mut self, binary: WorkerBinary) {
        self.binary = binary;
    }

    /// How long workers that are started from now on may take to finish what they have.
    pub fn set_drain(&mut self, seconds: u32) {
        self.drain_seconds = seconds;
    }

    /// Workers as the probe needs them.
    pub fn known(&self) -> BTreeMap<NodeName, Vec<KnownWorker>> {
        let mut known: BTreeMap<NodeName, Vec<KnownWorker>> = BTreeMap::new();
        for worker in self.workers.values() {
            let pids = worker
                .running
                .as_ref()
                .map(|running| running.pids.clone())
                .unwrap_or_default();
            known
                .entry(worker.node.clone())
                .or_default()
                .push(KnownWorker {
                    worker: present(worker),
                    pids,
                });
        }
        known
    }

    /// Workers as `status` shows them, ordered by id.
    pub fn report(&self) -> Vec<WorkerReport> {
        self.workers
            .values()
            .map(|worker| WorkerReport {
                id: worker.request.id.clone(),
                model: worker.request.model.name.clone(),
                node: worker.node.clone(),
                state: worker.state,
                address: worker.address.clone(),
                pid: worker.running.as_ref().map(|running| running.process.pid),
                restarts: worker.restarts,
                why: worker.why.clone(),
            })
            .collect()
    }

    /// Starts a worker for a node, to be ready within `limit`. One that cannot be started is started again later, like one
    /// that died.
    pub fn start(
        &mut self,
        request: &WorkerRequest,
        node: &NodeName,
        limit: Duration,
        room: &Room,
    ) -> Result<(), Failure> {
        let worker = Worker {
            request: request.clone(),
            node: node.clone(),
            running: None,
            state: WorkerState::Starting,
            address: None,
            restarts: 0,
            pause: FIRST_PAUSE,
            start_at: None,
            ready_by: self.wall.now().plus(limit),
            ready_since: None,
            why: String::new(),
            refused: None,
            last_code: None,
        };
        self.workers.insert(request.id.clone(), worker);
        self.launch(&request.id, room)
    }

    fn launch(&mut self, id: &WorkerId, room: &Room) -> Result<(), Failure> {
        self.generation += 1;
        let generation = self.generation;
        let Some(worker) = self.workers.get_mut(id) else {
            return Ok(());
        };
        worker.start_at = None;
        let log = open_log(&self.state, id)?;
        let arguments = arguments(&worker.request, &self.state, self.drain_seconds)?;
        uses(worker, &self.state, self.wall.now());
        let mut child = self.binary.serve(&arguments, log)?;
        let pid = child.id();
        // It cannot be gone: nobody has waited for it, so at worst it is a zombie, and ends through its pipe.
        let process = process::identity(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
            boot_id: crd::id::BootId(String::new()),
        });
        listen(
            child.stdout.take(),
            id.clone(),
            generation,
            self.events.clone(),
        );
        let stdin = child.stdin.take();
        worker.running = Some(Running {
            child,
            stdin,
            process,
            pids: vec![pid],
            generation,
        });
        worker.refused = None;
        // Recorded before it holds anything: whoever looks in between must not take it for somebody else's.
        self.remember()?;
        let Some(worker) = self.workers.get_mut(id) else {
            return Ok(());
        };
        if let (Err(error), Some(running)) = (claim(worker, pid, room), worker.running.as_mut()) {
            // It ends through its pipe, and is started again like one that died; one that is dead already says why itself.
            drop(running.stdin.take());
            if matches!(running.child.try_wait(), Ok(None)) {
                worker.refused = Some(error.chain());
            }
        }
        Ok(())
    }

    /// A worker listens; whether it is one of ours that runs now.
    pub fn listening(
        &mut self,
        id: &WorkerId,
        generation: u64,
        address: &str,
        pids: &[u32],
    ) -> Result<bool, Failure> {
        let now = self.wall.now();
        let Some(worker) = self.workers.get_mut(id) else {
            return Ok(false);
        };
        let Some(running) = worker
            .running
            .as_mut()
            .filter(|running| running.generation == generation)
        else {
            return Ok(false);
        };
        running.pids.extend(pids);
        running.pids.sort_unstable();
        running.pids.dedup();
        worker.state = WorkerState::Ready;
        worker.address = Some(address.to_owned());
        worker.ready_since = Some(now);
        worker.why.clear();
        self.set_aside
            .retain(|key| worker.request.program.key.as_ref() != Some(key));
        self.remember()?;
        Ok(true)
    }

    /// A worker has ended by itself: says why, and when it is started again.
    pub fn ended(
        &mut self,
        id: &WorkerId,
        generation: u64,
        room: &Room,
    ) -> Result<Option<String>, Failure> {
        let now = self.wall.now();
        let Some(worker) = self.workers.get_mut(id) else {
            return Ok(None);
        };
        let Some(mut running) = worker
            .running
            .take_if(|running| running.generation == generation)
        else {
            return Ok(None);
        };
        drop(running.stdin.take());
        let mut status = None;
        process::wait_for(TERM_LIMIT, || {
            status = running.child.try_wait().ok().flatten();
            status.is_some()
        });
        if status.is_none() {
            process::signal(&running.process, Signal::SIGKILL);
            status = running.child.wait().ok();
        }
        let released = release(worker, room);
        let steady = worker
            .ready_since
            .take()
            .is_some_and(|since| since.until(now) >= STEADY);
        if steady {
            worker.pause = FIRST_PAUSE;
        }
        worker.last_code = status.and_then(|status| status.code());
        worker.why = worker
            .refused
            .take()
            .or_else(|| Some(killed_by(status?.signal()?)))
            .or_else(|| last_line(&self.state, id))
            .unwrap_or_else(|| "it said nothing".to_owned());
        worker.state = WorkerState::Failed;
        worker.address = None;
        worker.restarts += 1;
        worker.start_at = Some(now.plus(worker.pause));
        let ended = status.map_or_else(
            || "without a status".to_owned(),
            |status| status.to_string(),
        );
        let said = format!(
            "worker {id} ended ({ended}): {}; starting it again in {} s",
            worker.why,
            worker.pause.as_secs()
        );
        worker.pause = (worker.pause * 2).min(LONGEST_PAUSE);
        released?;
        self.remember()?;
        Ok(Some(said))
    }

    /// When the next worker is to be started again.
    pub fn next_start(&self) -> Option<Timestamp> {
        self.workers
            .values()
            .filter_map(|worker| worker.start_at)
            .min()
    }

    /// Starts again what has paused long enough; what cannot be started pauses again, and the first reason comes back.
    pub fn restart_due(&mut self, room: &Room) -> Result<(), Failure> {
        let now = self.wall.now();
        let due: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.start_at.is_some_and(|at| at <= now))
            .map(|(id, _)| id.clone())
            .collect();
        let mut first = Ok(());
        for id in due {
            let started = self.launch(&id, room);
            if let (Err(failure), Some(worker)) = (&started, self.workers.get_mut(&id)) {
                worker.why = failure.chain();
                worker.state = WorkerState::Failed;
                worker.start_at = worker.running.is_none().then(|| now.plus(worker.pause));
                worker.pause = (worker.pause * 2).min(LONGEST_PAUSE);
            }
            first = first.and(started);
        }
        first
    }

    /// Drains and stops one worker, and forgets it.
    pub fn stop(
        &mut self,
        id: &WorkerId,
        timeout_seconds: u32,
        room: &Room,
    ) -> Result<(), Failure> {
        let Some(mut worker) = self.workers.remove(id) else {
            return Ok(());
        };
        if let Some(running) = worker.running.as_mut() {
            drop(running.stdin.take());
            end(running, Duration::from_secs(u64::from(timeout_seconds)));
        }
        release(&worker, room)?;
        self.remember()
    }

    /// Stops a node's workers without a drain and forgets them.
    pub fn stop_on(&mut self, node: &NodeName, room: &Room) -> Result<(), Failure> {
        let there = |(_, worker): &(&WorkerId, &Worker)| worker.node == *node;
        let ids: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(there)
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.stop(&id, 0, room)?;
        }
        Ok(())
    }

    /// Drains and stops every worker, all at the same time.
    pub fn stop_all(&mut self, timeout_seconds: u32, room: &Room) -> Result<(), Failure> {
        for worker in self.workers.values_mut() {
            if let Some(running) = worker.running.as_mut() {
                drop(running.stdin.take());
            }
        }
        let ids: Vec<WorkerId> = self.workers.keys().cloned().collect();
        for id in ids {
            self.stop(&id, timeout_seconds, room)?;
        }
        Ok(())
    }

    fn remember(&self) -> Result<(), Failure> {
        let own = process::identity(std::process::id());
        let recorded: Vec<RecordedWorker> = self
            .workers
            .values()
            .filter_map(|worker| {
                let running = worker.running.as_ref();
                // One that waits to be started again is there as long as we are: whoever looks on counts with it too.
                let process = running.map(|running| running.process.clone());
                Some(RecordedWorker {
                    id: worker.request.id.clone(),
                    node: worker.node.clone(),
                    process: process.or_else(|| own.clone())?,
                    pids: running
                        .map(|running| running.pids.clone())
                        .unwrap_or_default(),
                    present: Some(present(worker)),
                })
            })
            .collect();
        Ok(workers::write(&self.state.workers(), &recorded)?)
    }
}
