//! One server of a rack: its time, events, crashes, and who holds what. `answer` has its files and tools.
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crd::{
    id::{NodeName, PciAddress, PciPath, WorkerId},
    kind::rack::Fault,
    snapshot::Ledger,
};

use super::{
    RackError,
    files::View,
    live::{ClaimLive, EventLive, Live, Times},
    store::{Loaded, Store},
    world::World,
};
use crate::{
    access::{Claim, CrashKind, CrashPoint, Depth, EventCursor, Happening, MachineEvent},
    linux::clock,
    time::{Clock, Timestamp},
};

/// Where virtual time begins: 2026-01-01T00:00:00Z, so that what is printed is the same on every run.
const EPOCH: Timestamp = Timestamp(1_767_225_600_000);
/// How often a wait on the wall clock looks for events.
const EVENT_POLL: Duration = Duration::from_millis(50);

/// One server of a rack.
#[derive(Debug)]
pub struct RackServer {
    pub(crate) store: Box<Store>,
    pub(crate) times: Times,
    speedup: u32,
    clock: Clock,
    /// Virtual milliseconds that passed and could not be written: a wait ends for whoever waits, whatever becomes of the disk.
    unwritten: AtomicU64,
}

impl RackServer {
    pub(crate) fn start(store: Store, speedup: u32, clock: Clock) -> Result<Self, RackError> {
        let server = Self {
            times: Times::of(&store.server),
            store: Box::new(store),
            speedup: speedup.max(1),
            clock,
            unwritten: AtomicU64::new(0),
        };
        // From the first use under the wall clock on, the rack's time runs by itself.
        if clock == Clock::Wall && server.store.read()?.live.wall_ms.is_none() {
            server.store.transact(|live, _| {
                live.wall_ms = Some(clock::now().0);
                Ok(())
            })?;
        }
        Ok(server)
    }

    pub(crate) fn name(&self) -> NodeName {
        self.store.server.name.clone()
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.store.server.labels.clone()
    }

    pub(crate) fn brought_ledger(&self) -> Ledger {
        let recorded = self.store.server.recorded.as_ref();
        recorded.map_or_else(Ledger::default, |recorded| recorded.ledger.clone())
    }

    /// The rack's time in milliseconds.
    pub(crate) fn rack_ms(&self, live: &Live) -> u64 {
        let elapsed = live
            .wall_ms
            .map_or(0, |wall| clock::now().0.saturating_sub(wall));
        let unwritten = self.unwritten.load(Ordering::Relaxed);
        live.rack_ms + unwritten + elapsed.saturating_mul(u64::from(self.speedup))
    }

    /// Lets the machine be looked at as of now.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&View<'_>) -> R) -> Result<R, RackError> {
        let loaded = self.store.read()?;
        let now = self.rack_ms(&loaded.live);
        Ok(look(&View {
            server: &self.store.server,
            loaded: &loaded,
            now,
        }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Wall => clock::now(),
            Clock::Virtual => {
                let passed = self
                    .store
                    .read()
                    .map_or(0, |loaded| self.rack_ms(&loaded.live));
                EPOCH.plus(Duration::from_millis(passed))
            }
        }
    }

    pub(crate) fn wait_until(&self, moment: Timestamp) {
        match self.clock {
            Clock::Wall => clock::wait_until(moment),
            Clock::Virtual => {
                // Time passes though it cannot be written; the next write says why.
                let _ = self.pass(self.now().until(moment));
            }
        }
    }

    /// Waits for a part of what the machine's own durations are made of.
    pub(crate) fn pause(&self, duration: Duration) {
        // As in `wait_until`.
        let _ = self.pass(duration);
    }

    /// Lets the rack's own time pass, as work inside it does: at once on virtual time, scaled on the wall clock.
    pub(crate) fn pass(&self, duration: Duration) -> Result<(), RackError> {
        if duration.is_zero() {
            return Ok(());
        }
        match self.clock {
            Clock::Wall => {
                thread::sleep(duration / self.speedup);
                Ok(())
            }
            Clock::Virtual => {
                let passed = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                let due = passed.saturating_add(self.unwritten.swap(0, Ordering::Relaxed));
                let written = self.store.transact(|live, _| {
                    live.rack_ms = live.rack_ms.saturating_add(due);
                    Ok(())
                });
                if written.is_err() {
                    self.unwritten.fetch_add(due, Ordering::Relaxed);
                }
                written
            }
        }
    }

    pub(crate) fn cursor(&self) -> EventCursor {
        EventCursor(
            self.store
                .read()
                .map_or(0, |loaded| loaded.live.event_count),
        )
    }

    pub(crate) fn events(
        &self,
        cursor: &mut EventCursor,
        deadline: Timestamp,
    ) -> Vec<MachineEvent> {
        loop {
            let news = self
                .store
                .read()
                .map_or_else(|_| Vec::new(), |loaded| after(&loaded, *cursor));
            if let Some(last) = news.last() {
                *cursor = EventCursor(last.sequence);
                return news;
            }
            let now = self.now();
            if now >= deadline {
                return Vec::new();
            }
            match self.clock {
                Clock::Virtual => self.wait_until(deadline),
                Clock::Wall => clock::wait_until(deadline.min(now.plus(EVENT_POLL))),
            }
        }
    }

    pub(crate) fn crash_point(&self, sequence: u64) -> Option<CrashPoint> {
        let strikes = |fault: &Fault| match fault {
            Fault::Kill { record, moment } if *record == sequence => Some(CrashPoint {
                moment: *moment,
                kind: CrashKind::Kill,
            }),
            Fault::Power { record, moment } if *record == sequence => Some(CrashPoint {
                moment: *moment,
                kind: CrashKind::Power,
            }),
            Fault::Kill { .. }
            | Fault::Power { .. }
            | Fault::WriteIgnored(_)
            | Fault::WritePartial(_)
            | Fault::ConfigWritesDropped(_)
            | Fault::WriteRefused(_)
            | Fault::WriteForbidden(_)
            | Fault::LostOnceWritten(_)
            | Fault::SettingForbidden(_)
            | Fault::ShortReads(_)
            | Fault::ResetHangs(_)
            | Fault::ResetLingers(_)
            | Fault::ResetFails(_)
            | Fault::FallsOff(_)
            | Fault::LeavesWhenAsked(_)
            | Fault::MdpMissing(_)
            | Fault::P2pCorrupt(_)
            | Fault::ToolKilled(_)
            | Fault::ToolHangs(_)
            | Fault::ToolIdle(_)
            | Fault::ToolEndsBadly(_) => None,
        };
        let loaded: Arc<Loaded> = self.store.read().ok()?;
        // Most records have no crash, and reading takes no lock.
        loaded.live.faults.iter().find_map(strikes)?;
        self.store
            .transact(|live, _| {
                let found = live
                    .faults
                    .iter()
                    .enumerate()
                    .find_map(|(at, fault)| Some((at, strikes(fault)?)));
                Ok(found.map(|(at, crash)| {
                    live.faults.remove(at);
                    crash
                }))
            })
            .ok()
            .flatten()
    }

    pub(crate) fn claim(&self, soc: PciAddress, claim: &Claim) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            let path = self.soc_path(world, soc)?;
            live.claims
                .retain(|claim| started(claim.pid) == Some(claim.started));
            let taken = open_by(live, Depth::Whole)
                .into_iter()
                .find(|(held, pid, _)| *held == path && *pid != claim.pid);
            if let Some((_, pid, name)) = taken {
                return Err(self.refused(format!(
                    "{soc} is held by {name} (pid {pid}); stop it first"
                )));
            }
            // A claim ends with its process: one that is gone already holds nothing, and has its own words for why.
            let Some(started) = started(claim.pid) else {
                return Ok(());
            };
            live.claims.retain(|other| other.soc != path);
            live.claims.push(ClaimLive {
                soc: path,
                worker: claim.worker.clone(),
                pid: claim.pid,
                started,
            });
            Ok(())
        })
    }

    pub(crate) fn release_claims(&self, worker: &WorkerId) -> Result<(), RackError> {
        self.store.transact(|live, _| {
            live.claims.retain(|claim| claim.worker != *worker);
            Ok(())
        })
    }

    /// The path of the SoC at an address of this boot.
    pub(crate) fn soc_path(&self, world: &World, soc: PciAddress) -> Result<PciPath, RackError> {
        world
            .by_address
            .get(&soc)
            .filter(|&&index| world.is_soc(index))
            .map(|&index| world.functions[index].path.clone())
            .ok_or_else(|| self.no_such(format!("SoC at {soc}")))
    }

    pub(crate) fn no_such(&self, what: String) -> RackError {
        RackError::NoSuch {
            server: self.store.server.name.0.clone(),
            what,
        }
    }

    pub(crate) fn refused(&self, what: String) -> RackError {
        RackError::Refused {
            server: self.store.server.name.0.clone(),
            what,
        }
    }
}

/// Who has which SoC open, as far as a search of this depth shows: tenants, and workers whose process still runs.
pub(crate) fn open_by(live: &Live, depth: Depth) -> Vec<(PciPath, u32, String)> {
    let tenants = live
        .holds
        .iter()
        .filter(|hold| depth == Depth::Whole || !hold.mapped)
        .map(|hold| (hold.soc.clone(), hold.pid, hold.name.clone()));
    let workers = live
        .claims
        .iter()
        .filter(|claim| started(claim.pid) == Some(claim.started))
        .map(|claim| {
            (
                claim.soc.clone(),
                claim.pid,
                format!("shardplane-worker {}", claim.worker),
            )
        });
    tenants.chain(workers).collect()
}

/// When a process of the machine that we run on started, in the kernel's ticks; absent when it does not run.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces and parentheses; fields count from after the last one. Start is field 22.
    let rest = stat.rsplit_once(") ")?.1;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn after(loaded: &Loaded, cursor: EventCursor) -> Vec<MachineEvent> {
    let live = &loaded.live;
    let first = live.event_count - live.events.len() as u64 + 1;
    (first..)
        .zip(&live.events)
        .filter(|&(sequence, _)| sequence > cursor.0)
        .map(|(sequence, event)| MachineEvent {
            sequence,
            what: match event {
                EventLive::Unplugged { path } => Happening::Unplugged { path: path.clone() },
                EventLive::Replugged { path } => Happening::Replugged { path: path.clone() },
                EventLive::Rebooted => Happening::Rebooted,
                EventLive::SocReset { path } => Happening::SocReset { path: path.clone() },
            },
        })
        .collect()
}
