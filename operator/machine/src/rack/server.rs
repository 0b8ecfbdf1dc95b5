//! One server of a rack as a machine: its files, tool calls, holders, time, events and crashes.
use std::{collections::BTreeMap, fs, io, sync::Arc, thread, time::Duration};

use crd::{
    id::{NodeName, PciAddress, PciPath, WorkerId},
    kind::rack::Fault,
    snapshot::Lockdown,
};
use nix::errno::Errno;

use super::{
    RackError,
    files::{Entry, View, entry, errno, mhi},
    host::timeout_parameter,
    live::{ClaimLive, EventLive, Live, Times},
    registers::{SIZE, written},
    store::{Loaded, Store},
    tools,
    world::{Nature, World},
};
use crate::{
    access::{
        AccessError, Claim, CrashKind, CrashPoint, EventCursor, Happening, Invocation,
        MachineEvent, OpenHandle, ToolError, ToolOutput,
    },
    linux::{clock, failed, process::materialise},
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
}

impl RackServer {
    pub(crate) fn start(store: Store, speedup: u32, clock: Clock) -> Result<Self, RackError> {
        let server = Self {
            times: Times::of(&store.server),
            store: Box::new(store),
            speedup: speedup.max(1),
            clock,
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

    /// The rack's time in milliseconds.
    pub(crate) fn rack_ms(&self, live: &Live) -> u64 {
        let elapsed = live
            .wall_ms
            .map_or(0, |wall| clock::now().0.saturating_sub(wall));
        live.rack_ms + elapsed.saturating_mul(u64::from(self.speedup))
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

    fn entry(&self, doing: &'static str, path: &str) -> Result<Entry, AccessError> {
        self.with(|view| entry(view, path))
            .map_err(|error| failed(doing, path, io::Error::other(error)))?
            .ok_or_else(|| failed(doing, path, errno(Errno::ENOENT)))
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, AccessError> {
        match self.entry("listing", path)? {
            Entry::Folder(names) => Ok(names),
            Entry::File(_) | Entry::WriteOnly | Entry::Link(_) => {
                Err(failed("listing", path, errno(Errno::ENOTDIR)))
            }
        }
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, AccessError> {
        match self.entry("reading", path)? {
            Entry::File(bytes) => Ok(bytes),
            Entry::Folder(_) | Entry::Link(_) => Err(failed("reading", path, errno(Errno::EISDIR))),
            Entry::WriteOnly => Err(failed("reading", path, errno(Errno::EACCES))),
        }
    }

    pub(crate) fn readlink(&self, path: &str) -> Result<String, AccessError> {
        match self.entry("following", path)? {
            Entry::Link(target) => Ok(target),
            Entry::File(_) | Entry::WriteOnly | Entry::Folder(_) => {
                Err(failed("following", path, errno(Errno::EINVAL)))
            }
        }
    }

    pub(crate) fn pread(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, AccessError> {
        let bytes = self.read(path)?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    pub(crate) fn pwrite(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let refused = |number| Err(failed("writing", path, errno(number)));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let ["sys", "bus", "pci", "devices", address, "config"] = parts.as_slice() else {
            let text = String::from_utf8_lossy(bytes);
            return self.write(path, &text);
        };
        let Ok(address) = address.parse::<PciAddress>() else {
            return refused(Errno::ENOENT);
        };
        let outcome = self.change(path, |view, live| {
            let Some((_, function)) = view.function(address) else {
                return Err(Errno::ENOENT);
            };
            if !view.is_root() {
                return Err(Errno::EACCES);
            }
            if view.lockdown() != Lockdown::None {
                return Err(Errno::EPERM);
            }
            if live.faults.contains(&Fault::WriteRefused(address)) {
                return Err(Errno::EIO);
            }
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            if offset.saturating_add(bytes.len()) > SIZE {
                return Err(Errno::EINVAL);
            }
            let dropped = live.faults.contains(&Fault::WriteIgnored(address))
                || live.faults.contains(&Fault::ConfigWritesDropped(address));
            if !dropped {
                let now = view.image(function);
                let left = written(function, &now, offset, bytes);
                live.written
                    .entry(function.path.clone())
                    .or_default()
                    .extend(left);
            }
            Ok(())
        })?;
        outcome.or_else(refused)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), AccessError> {
        let refused = |number| Err(failed("writing", path, errno(number)));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let number = text.trim().parse::<u64>();
        let outcome = self.change(path, |view, live| {
            if !view.is_root() {
                return Err(Errno::EACCES);
            }
            match parts.as_slice() {
                ["sys", "module", "qaic", "parameters", name] => {
                    let (known, unit) = timeout_parameter(view.server, 1);
                    if *name != known {
                        return Err(Errno::ENOENT);
                    }
                    live.control_timeout_s = number.map_err(|_| Errno::EINVAL)? / unit;
                    Ok(())
                }
                ["proc", "sys", "vm", "max_map_count"] => {
                    live.max_map_count = number.map_err(|_| Errno::EINVAL)?;
                    Ok(())
                }
                ["sys", "bus", "mhi", "devices", node, "soc_reset"] => {
                    let id: u32 = node
                        .strip_prefix("mhi")
                        .and_then(|id| id.parse().ok())
                        .ok_or(Errno::ENOENT)?;
                    let (_, index) = mhi(view)
                        .into_iter()
                        .find(|&(number, _)| number == id)
                        .ok_or(Errno::ENOENT)?;
                    live.reset_soc(&view.loaded.world, index, view.now, &self.times);
                    Ok(())
                }
                _ => Err(Errno::ENOENT),
            }
        })?;
        outcome.or_else(refused)
    }

    /// Changes registers in one transaction; nothing is changed where `change` refuses.
    fn change<R>(
        &self,
        path: &str,
        change: impl FnOnce(&View<'_>, &mut Live) -> Result<R, Errno>,
    ) -> Result<Result<R, Errno>, AccessError> {
        let mut outcome = Err(Errno::EIO);
        self.store
            .transact(|live, world| {
                let before = Loaded::view_of(live.clone(), Arc::clone(world));
                let view = View {
                    server: &self.store.server,
                    loaded: &before,
                    now: self.rack_ms(live),
                };
                outcome = change(&view, live);
                Ok(())
            })
            .map_err(|error| failed("writing", path, io::Error::other(error)))?;
        Ok(outcome)
    }

    pub(crate) fn run(&self, invocation: &Invocation) -> Result<ToolOutput, ToolError> {
        let start = |source| ToolError::Start {
            program: invocation.program.clone(),
            source,
        };
        let (_folder, arguments) = materialise(invocation).map_err(start)?;
        tools::run(self, invocation, &arguments)
    }

    pub(crate) fn holders(&self, socs: &[PciAddress]) -> Result<Vec<OpenHandle>, AccessError> {
        self.with(|view| {
            let mut held: Vec<OpenHandle> = Vec::new();
            for (soc, pid, name) in open_by(view.live()) {
                if let Some(&index) = view.loaded.world.by_path.get(&soc) {
                    let soc = view.loaded.world.functions[index].address;
                    if socs.contains(&soc) && view.function(soc).is_some() {
                        held.push(OpenHandle {
                            soc,
                            pid: Some(pid),
                            name,
                        });
                    }
                }
            }
            held.sort();
            held
        })
        .map_err(|error| failed("listing", "/proc", io::Error::other(error)))
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
                // A rack whose state cannot be written has no time to move; the next call says why.
                let _ = self.pass(self.now().until(moment));
            }
        }
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
            Clock::Virtual => self.store.transact(|live, _| {
                live.rack_ms += u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                Ok(())
            }),
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
            | Fault::ConfigWritesDropped(_)
            | Fault::WriteRefused(_)
            | Fault::ShortReads(_)
            | Fault::ResetHangs(_)
            | Fault::ResetFails(_)
            | Fault::FallsOff(_)
            | Fault::MdpMissing(_)
            | Fault::P2pCorrupt(_)
            | Fault::ToolKilled(_)
            | Fault::ToolHangs(_) => None,
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
            let taken = open_by(live)
                .into_iter()
                .find(|(held, pid, _)| *held == path && *pid != claim.pid);
            if let Some((_, pid, name)) = taken {
                return Err(self.refused(format!(
                    "{soc} is held by {name} (pid {pid}); stop it first"
                )));
            }
            let Some(started) = started(claim.pid) else {
                return Err(self.refused(format!(
                    "process {} that would hold {soc} does not run",
                    claim.pid
                )));
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
            .map(|&index| &world.functions[index])
            .filter(|function| matches!(function.nature, Nature::Soc(_)))
            .map(|function| function.path.clone())
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

/// Who has which SoC open: tenants, and workers whose process still runs.
pub(crate) fn open_by(live: &Live) -> Vec<(PciPath, u32, String)> {
    let tenants = live
        .holds
        .iter()
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
