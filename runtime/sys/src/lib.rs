//! Shared memory, futexes, clocks and limits: the system calls that ranks need.
//!
//! Invariants:
//! * `unsafe` is here and in `kernels` alone, each with its SAFETY line (workspace lint);
//! * shared memory is reached through atomics only, so that another process's writes are never undefined behaviour
//!   (`Segment` hands out nothing else);
//! * every wait has a deadline (`Word::wait_until` cannot be called without one).

#![allow(unsafe_code, reason = "system calls; each block says why it is sound")]

mod clock;
mod cores;
mod memory;
mod process;
mod region;
mod segment;
mod word;

pub use clock::Deadline;
pub use cores::usable_cores;
pub use memory::{available_memory, give_memory_back};
pub use process::{leave_when_closed, spawn_with_files, take_file};
pub use region::Region;
pub use segment::Segment;
pub use word::{Spin, Waited, Word};
