//! What passes between a machine and whoever asks it: errors, tool calls and their outcomes, holders, events, crashes.
use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use crd::{
    id::{PciAddress, PciPath, WorkerId},
    kind::rack::Moment,
};

/// A file of the machine could not be reached. The cause's `kind` and raw error number tell why, on a rack too.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path}")]
pub struct AccessError {
    /// What we were doing, such as `reading`.
    pub doing: &'static str,
    /// The path as the machine names it, such as `/sys/bus/pci/devices/0000:21:00.0/config`.
    pub path: String,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// A call of a program on the machine. Never passes a shell; standard input is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// An absolute path (`/opt/qti-aic/tools/qaic-util`), or a bare name that is looked up in the machine's search path.
    pub program: String,
    /// Arguments. `{dir}` in one stands for the folder that holds `files`.
    pub arguments: Vec<String>,
    /// Files written, for the time of the call, into a fresh folder of their own.
    pub files: Vec<(String, String)>,
    /// Names of files that it is to leave in that folder; those that are there afterwards come with its output.
    pub results: Vec<String>,
    /// The working directory; absent means the root folder.
    pub directory: Option<PathBuf>,
    /// How long it may run, in the machine's time; afterwards the whole process group is killed.
    pub deadline: Duration,
}

impl Invocation {
    /// A call without files.
    pub fn new(program: &str, arguments: &[&str], deadline: Duration) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            files: Vec::new(),
            results: Vec::new(),
            directory: None,
            deadline,
        }
    }
}

/// Output of a program beyond this is read and dropped: whatever has this length was cut.
pub(crate) const MOST_OUTPUT: usize = 16 << 20;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// The exit code; absent when a signal ended it, ours after the deadline included. Never proof of anything by itself.
    pub status: Option<i32>,
    /// Standard output, at most 16 MiB, bytes that are no UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Files that it was to leave and did, by name, each at most 16 MiB.
    pub files: Vec<(String, String)>,
}

/// Who brings a program that is missing.
fn brought_by(program: &str) -> &'static str {
    match program.rsplit('/').next() {
        Some("systemctl" | "systemd-run") => {
            "the machine is to be run by systemd, and we with its tools at hand, to start qmonitor: start it yourself where it is run otherwise"
        }
        Some("switchtec") => "install switchtec-user, of whoever packages it for this machine",
        _ => "install the Cloud AI SDK that brings it",
    }
}

/// A program could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not there.
    #[error("`{program}` is not installed; {}", brought_by(program))]
    Missing {
        /// The program.
        program: String,
    },
    /// It is there and could not be started, or its files could not be written.
    #[error("starting `{program}`")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Something that has a SoC open, as the machine shows it; whose it is, the probe decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenHandle {
    /// The SoC.
    pub soc: PciAddress,
    /// The process; absent for a function bound to VFIO that nobody has open.
    pub pid: Option<u32>,
    /// The command's name.
    pub name: String,
    /// The systemd unit that it belongs to, where it has one that is no container's.
    pub unit: Option<String>,
    /// The container that it runs in.
    pub container: Option<String>,
    /// The pod that it belongs to, by uid.
    pub pod: Option<String>,
}

/// How far to look for who has a SoC open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Open files. Each look affords that.
    Files,
    /// Mappings too, whose files may be closed, and what single threads have open: every one of every process is read for it.
    /// Before a SoC is reset.
    Whole,
}

/// Everything that was seen to have SoCs open, and whether that is everybody.
#[derive(Debug, Default)]
pub struct OpenHandles {
    /// Those seen, ordered.
    pub open: Vec<OpenHandle>,
    /// The first thing that could not be looked into: whoever is behind it may hold any of them.
    pub unseen: Option<AccessError>,
    /// The first thing of each SoC that could not be looked into: what its nodes are is not known, and so not who has them open.
    pub unseen_of: BTreeMap<PciAddress, AccessError>,
}

/// Somebody who listens on a port; whose it is tells the control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The process.
    pub pid: u32,
    /// The command's name.
    pub name: String,
    /// The systemd unit that it belongs to, where it has one that is no container's.
    pub unit: Option<String>,
    /// The container that it runs in.
    pub container: Option<String>,
    /// The pod that it belongs to, by uid.
    pub pod: Option<String>,
}

/// A claim of one of our own CPU workers on a rack's SoC; void as soon as its process is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which worker.
    pub worker: WorkerId,
    /// Its leading process, on the machine that we run on.
    pub pid: u32,
}

/// Something that happened to the machine, seen without asking for every register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineEvent {
    /// Position among the machine's events, from 1.
    pub sequence: u64,
    /// What happened.
    pub what: Happening,
}

/// What happened to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A function left the bus.
    Unplugged {
        /// Where it was wired.
        path: PciPath,
    },
    /// A function joined the bus.
    Replugged {
        /// Where it is wired.
        path: PciPath,
    },
    /// The machine booted.
    Rebooted,
    /// A SoC was reset by somebody.
    SocReset {
        /// Where it is wired.
        path: PciPath,
    },
    /// The kernel told of devices: one of them, and how many more together with it.
    Kernel {
        /// `add`, `remove`, `bind`, `unbind`, `change`.
        action: String,
        /// The device, as sysfs names it.
        device: String,
        /// Words about others, or further ones about it.
        more: usize,
        /// What they speak of.
        about: KernelWords,
        /// The functions whose devices they all are, in order; empty where a word is about none, or words were lost.
        functions: Vec<PciAddress>,
    },
}

/// What words of the kernel speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelWords {
    /// All of channels that a SoC's program takes, gives back or loses (`DBC_STATE`, from Linux 6.19 on): the SoC is as it was.
    Channels,
    /// Of devices that come, go or change.
    Devices,
}

/// Where a reader stands in a machine's events; zero means before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor(pub u64);

/// A crash that was asked for at a journal record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// Before, after or in the middle of the record's write.
    pub moment: Moment,
    /// Whether the process dies alone or the machine with it.
    pub kind: CrashKind,
}

/// How much a crash takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// Our process is killed; the machine runs on, same boot.
    Kill,
    /// The machine loses power: after it our process must call `Machine::power_loss` and end.
    Power,
}

#[cfg(test)]
mod tests {
    use super::ToolError;

    #[test]
    fn a_missing_program_says_who_brings_it() {
        for (program, words) in [
            ("/opt/qti-aic/tools/qaic-util", "the Cloud AI SDK"),
            ("systemd-run", "run by systemd"),
            ("/usr/bin/switchtec", "switchtec-user"),
        ] {
            let program = program.to_owned();
            let said = ToolError::Missing { program }.to_string();
            assert!(said.contains(words), "{said}");
        }
    }
}
