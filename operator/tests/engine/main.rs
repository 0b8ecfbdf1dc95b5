//! The engine through the real command: a rack, a stand-in worker, and everything that can interrupt a run.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod artifacts;
mod awaited;
mod builder;
mod compensation;
mod compile;
mod control;
mod crash;
mod damaged;
mod doctor;
mod elsewhere;
mod exits;
mod full;
mod hangup;
mod held;
mod hostile;
mod journal;
mod lab;
mod lacking;
mod later_pass;
mod left_alone;
mod listening;
mod looking;
mod lost;
mod news;
mod no_files;
mod notified;
mod plans;
mod ports;
mod programs;
mod reboot;
mod recordings;
mod removal;
mod renumbered;
mod repairs;
mod replica;
mod reread;
mod resets;
mod rights;
mod rollout;
mod rooms;
mod roots;
mod spent_resets;
mod stack;
mod strayed;
mod supervision;
mod tended;
mod terminal;
mod turns;
mod unbuilt;
mod unbuilt_once;
mod unseen;
mod validated;
mod verified;
mod withdrawn;
