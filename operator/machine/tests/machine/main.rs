//! The machine as its users see it: racks from files, one probe, single steps, faults, and this Linux.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod at_work;
mod captures;
mod clocks;
mod compiler;
mod deep;
mod examples;
mod faults;
mod gap;
mod holders;
mod kept;
mod linux;
mod listeners;
mod meanwhile;
mod missing;
mod no_files;
mod older;
mod p2p;
mod prerequisites;
mod processes;
mod requests;
mod room;
mod size;
mod spoiled;
mod steps;
mod tools;
mod tree;
mod verbs;
mod writes;
