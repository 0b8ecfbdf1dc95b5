//! The machine: one enum over the kernel's files and a rack's registers. Paths are the kernel's on both.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    id::{NodeName, PciAddress, WorkerId},
    snapshot::Ledger,
};

use crate::{
    access::{
        AccessError, Claim, CrashPoint, Depth, EventCursor, Invocation, Listener, MachineEvent,
        OpenHandles, ToolError, ToolOutput,
    },
    linux::{Linux, Roots, folder},
    rack::{RackError, RackServer},
    time::Timestamp,
};

/// A folder of a machine.
pub(crate) enum Folder<'a> {
    /// Of the machine that we run on.
    Linux(folder::Folder<'a>),
    /// Of a rack's server.
    Rack {
        /// The server.
        server: &'a RackServer,
        /// The folder.
        path: &'a str,
    },
}

impl Folder<'_> {
    /// A file's content as text, as [`Machine::read_text`] gives it.
    pub(crate) fn read_text(&self, name: &str) -> Result<String, AccessError> {
        let bytes = match self {
            Self::Linux(folder) => folder.read(name),
            Self::Rack { server, path } => server.read(&format!("{path}/{name}")),
        }?;
        Ok(trimmed(&bytes))
    }

    /// A symbolic link's target, as stored.
    pub(crate) fn readlink(&self, name: &str) -> Result<String, AccessError> {
        match self {
            Self::Linux(folder) => folder.readlink(name),
            Self::Rack { server, path } => server.readlink(&format!("{path}/{name}")),
        }
    }

    /// A file of which parts are read.
    pub(crate) fn open(&self, name: &str) -> Result<Parts, AccessError> {
        match self {
            Self::Linux(folder) => folder.open(name).map(Parts::Linux),
            // A rack has it in memory, and looks at all of itself each time.
            Self::Rack { server, path } => {
                (server.pread(&format!("{path}/{name}"), 0, 4096)).map(Parts::Rack)
            }
        }
    }
}

/// A file of which parts are read.
pub(crate) enum Parts {
    /// Open.
    Linux(folder::Parts),
    /// All that may be read of it.
    Rack(Vec<u8>),
}

impl Parts {
    /// Up to `length` bytes from `offset`, as [`Machine::pread`] gives them.
    pub(crate) fn pread(&self, offset: usize, length: usize) -> Result<Vec<u8>, AccessError> {
        match self {
            Self::Linux(parts) => parts.pread(offset as u64, length),
            Self::Rack(bytes) => {
                let from = bytes.get(offset..).unwrap_or_default();
                Ok(from[..from.len().min(length)].to_vec())
            }
        }
    }
}

fn trimmed(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// One machine. Every call blocks; none holds a lock while it waits.
#[derive(Debug)]
pub enum Machine {
    /// The machine that we run on.
    Linux(Linux),
    /// One server of a virtual rack.
    Rack(RackServer),
}

impl Machine {
    /// The machine that we run on, reached through these folders.
    pub fn linux(roots: Roots) -> Self {
        Self::Linux(Linux::new(roots))
    }

    /// The node's name: the host name, or the server's name in its rack.
    pub fn name(&self) -> NodeName {
        match self {
            Self::Linux(linux) => linux.name(),
            Self::Rack(server) => server.name(),
        }
    }

    /// The node's labels; none on the machine that we run on.
    pub fn labels(&self) -> BTreeMap<String, String> {
        match self {
            Self::Linux(_) => BTreeMap::new(),
            Self::Rack(server) => server.labels(),
        }
    }

    /// The ledger that a recorded server brings: what had been changed on it when it was recorded. Empty anywhere else.
    pub fn brought_ledger(&self) -> Ledger {
        match self {
            Self::Linux(_) => Ledger::default(),
            Self::Rack(server) => server.brought_ledger(),
        }
    }

    /// Names in a folder, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>, AccessError> {
        match self {
            Self::Linux(linux) => linux.list(path),
            Self::Rack(server) => server.list(path),
        }
    }

    /// A file's whole content, at most 16 MiB.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, AccessError> {
        match self {
            Self::Linux(linux) => linux.read(path),
            Self::Rack(server) => server.read(path),
        }
    }

    /// A file's content as text without white space at its ends; bytes that are no UTF-8 are replaced.
    pub fn read_text(&self, path: &str) -> Result<String, AccessError> {
        let bytes = self.read(path)?;
        Ok(trimmed(&bytes))
    }

    /// A symbolic link's target, as stored.
    pub fn readlink(&self, path: &str) -> Result<String, AccessError> {
        match self {
            Self::Linux(linux) => linux.readlink(path),
            Self::Rack(server) => server.readlink(path),
        }
    }

    /// Up to `length` bytes from `offset`; fewer come back where the file, or permission, ends.
    pub fn pread(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, AccessError> {
        match self {
            Self::Linux(linux) => linux.pread(path, offset, length),
            Self::Rack(server) => server.pread(path, offset, length),
        }
    }

    /// A folder of which several things are read: found once, so that all of them are of one and the same.
    pub(crate) fn folder<'a>(&'a self, path: &'a str) -> Folder<'a> {
        match self {
            Self::Linux(linux) => Folder::Linux(folder::Folder::of(linux, path)),
            Self::Rack(server) => Folder::Rack { server, path },
        }
    }

    /// Writes bytes at an offset, in one write. Success proves nothing about a register: read it back.
    pub fn pwrite(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), AccessError> {
        match self {
            Self::Linux(linux) => linux.pwrite(path, offset, bytes),
            Self::Rack(server) => server.pwrite(path, offset, bytes),
        }
    }

    /// Writes text to a file, in one write.
    pub fn write(&self, path: &str, text: &str) -> Result<(), AccessError> {
        match self {
            Self::Linux(linux) => linux.write(path, text),
            Self::Rack(server) => server.write(path, text),
        }
    }

    /// Puts a configuration file there as a whole, durably: after a power loss it has all of its text, or what it had.
    pub fn replace(&self, path: &str, text: &str) -> Result<(), AccessError> {
        match self {
            Self::Linux(linux) => linux.replace(path, text),
            Self::Rack(server) => server.replace(path, text),
        }
    }

    /// Takes a configuration file away, durably; one that is not there is no error.
    pub fn remove(&self, path: &str) -> Result<(), AccessError> {
        match self {
            Self::Linux(linux) => linux.remove(path),
            Self::Rack(server) => server.remove(path),
        }
    }

    /// Takes away what a write of a configuration file left beside it that was cut off; where there is nothing, that is no error.
    pub fn sweep(&self, path: &str) -> Result<(), AccessError> {
        match self {
            Self::Linux(linux) => linux.sweep(path),
            // What a rack writes is in one transaction.
            Self::Rack(_) => Ok(()),
        }
    }

    /// Runs a program to its end or its deadline.
    pub fn run(&self, invocation: &Invocation) -> Result<ToolOutput, ToolError> {
        match self {
            Self::Linux(linux) => linux.run(invocation),
            Self::Rack(server) => server.run(invocation),
        }
    }

    /// Where a program is found; absent where it is not installed.
    pub fn locate(&self, program: &str) -> Option<String> {
        match self {
            Self::Linux(linux) => linux.locate(program).map(|at| at.display().to_string()),
            Self::Rack(server) => server.locate(program),
        }
    }

    /// Whether what lies at a path is a program: a link that leads nowhere, a folder and a file without leave to run are none.
    /// Absent where that cannot be told.
    pub fn is_program(&self, path: &str) -> Option<bool> {
        match self {
            Self::Linux(linux) => linux.is_program(path),
            // What a rack lists is one.
            Self::Rack(_) => Some(true),
        }
    }

    /// Size in bytes of the file system that a path lies on.
    pub fn capacity(&self, path: &str) -> Result<u64, AccessError> {
        match self {
            Self::Linux(linux) => linux.capacity(path),
            Self::Rack(server) => server.capacity(path),
        }
    }

    /// Everything that has one of these SoCs open, ordered. On Linux: processes with its accel node or VFIO group open, or
    /// mapped; on a rack its tenants, and workers of ours.
    pub fn holders(&self, socs: &[PciAddress], depth: Depth) -> Result<OpenHandles, AccessError> {
        match self {
            Self::Linux(linux) => Ok(linux.holders(socs, depth)),
            Self::Rack(server) => server.holders(socs, depth),
        }
    }

    /// Whether what is seen of processes and networks is the machine's and not a container's, as far as this can be told.
    pub fn whole_host(&self) -> Result<(), AccessError> {
        match self {
            Self::Linux(linux) => linux.whole_host(),
            Self::Rack(_) => Ok(()),
        }
    }

    /// Who listens on a TCP port; nothing where nobody does. An error where somebody does and cannot be seen.
    pub fn listener(&self, port: u16) -> Result<Option<Listener>, AccessError> {
        match self {
            Self::Linux(linux) => linux.listener(port),
            Self::Rack(server) => server.listener(port),
        }
    }

    /// The machine's clock.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Linux(linux) => linux.now(),
            Self::Rack(server) => server.now(),
        }
    }

    /// Waits until the machine's clock has reached `moment`. On virtual time this moves the clock and costs nothing.
    pub fn wait_until(&self, moment: Timestamp) {
        match self {
            Self::Linux(linux) => linux.wait_until(moment),
            Self::Rack(server) => server.wait_until(moment),
        }
    }

    /// Waits for `duration` of the machine's time.
    pub fn wait(&self, duration: Duration) {
        self.wait_until(self.now().plus(duration));
    }

    /// Waits between two looks at something that takes its time. A rack on the wall clock divides the wait as it divides
    /// its durations; everywhere else it is [`Machine::wait`].
    pub fn pause(&self, duration: Duration) {
        match self {
            Self::Linux(_) => self.wait(duration),
            Self::Rack(server) => server.pause(duration),
        }
    }

    /// Where the machine's events stand now; pass it to [`Machine::events`] to see only what happens later.
    pub fn cursor(&self) -> EventCursor {
        match self {
            Self::Linux(linux) => linux.cursor(),
            Self::Rack(server) => server.cursor(),
        }
    }

    /// Events after `cursor`, which moves on; waits for the first until `deadline`, then returns none.
    /// On Linux: what the kernel tells of devices on the bus, all that comes together as one; a register write raises none.
    pub fn events(&self, cursor: &mut EventCursor, deadline: Timestamp) -> Vec<MachineEvent> {
        match self {
            Self::Linux(linux) => linux.events(cursor, deadline),
            Self::Rack(server) => server.events(cursor, deadline),
        }
    }

    /// The crash asked for at the journal record of this sequence number, used up by the asking. Never on Linux.
    pub fn crash_point(&self, sequence: u64) -> Option<CrashPoint> {
        match self {
            Self::Linux(_) => None,
            Self::Rack(server) => server.crash_point(sequence),
        }
    }

    /// Loses power and boots again: new boot id; ACS, settings and qmonitor as after a boot; partitioning stays.
    pub fn power_loss(&self) -> Result<(), RackError> {
        match self {
            Self::Linux(_) => Err(RackError::NotARack),
            Self::Rack(server) => server.power_loss(),
        }
    }

    /// Holds a rack's SoC for one of our own CPU workers. Nothing to do on Linux: there a CPU worker holds no card.
    pub fn claim(&self, soc: PciAddress, claim: &Claim) -> Result<(), RackError> {
        match self {
            Self::Linux(_) => Ok(()),
            Self::Rack(server) => server.claim(soc, claim),
        }
    }

    /// Gives back whatever a worker holds.
    pub fn release_claims(&self, worker: &WorkerId) -> Result<(), RackError> {
        match self {
            Self::Linux(_) => Ok(()),
            Self::Rack(server) => server.release_claims(worker),
        }
    }
}
