//! One machine, real or virtual: bytes, text, vendor tools and time; one probe and one set of step effects above both.
//!
//! In the order data flows: `machine` answers reads, writes and tool calls (`linux` from the kernel, `rack` from a file);
//! `config`, `vendor` and `settings_files` turn bytes and text into facts; `probe` joins them into a snapshot; `perform` carries out one step.
//!
//! Invariants, and what holds each:
//! - Depends on `crd` alone; knows no plans: the dependency check in `tests`.
//! - No parser panics, loops or trusts a length: property tests beside each parser.
//! - Only bits of `ACS_REDIRECT_MASK` are ever written to an ACS control word: `perform::acs` and its tests.
//! - Processes are started in `linux::process` alone, clocks read in `linux::clock` alone: clippy bans.
mod access;
pub mod config;
mod machine;
pub mod perform;
pub mod probe;
pub mod rack;
mod settings_files;
mod time;
pub mod vendor;

pub use access::{
    AccessError, Claim, CrashKind, CrashPoint, Depth, EventCursor, Happening, Invocation,
    KernelWords, Listener, MachineEvent, OpenHandle, OpenHandles, ToolError, ToolOutput,
};
pub use linux::{Linux, Roots, opened, running::end_programs};
pub use machine::Machine;
pub use perform::{Performed, StepError, limit, perform};
pub use probe::{COMPILERS, Known, KnownWorker, is_at_work_unseen, probe, whole_holders};
pub use rack::{RackError, RackServer, Replugged};
pub use time::{Clock, Timestamp};

mod linux;
