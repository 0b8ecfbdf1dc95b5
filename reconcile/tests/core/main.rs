//! The core as its callers see it: tables, mutated plans and properties over random worlds.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::semicolon_if_nothing_returned,
    missing_docs,
    reason = "tests: a failed expectation is the failure, and a mutation is written as an expression"
)]
mod away;
mod begun;
mod bits;
mod boot;
mod canaries;
mod cases;
mod changes;
mod declare;
mod doctor;
mod failed;
mod fewer;
mod found;
mod held_open;
mod honest;
mod housing;
mod intent;
mod judged;
mod kept;
mod kept_books;
mod listening;
mod lost;
mod missing;
mod moved;
mod mutations;
mod named;
mod orders;
mod preferred;
mod programs;
mod proofs;
mod properties;
mod quickstart;
mod random;
mod reach;
mod recordings;
mod remaining;
mod rollout;
mod said;
mod scaled;
mod scenarios;
mod second_owner;
mod serving;
mod simulate;
mod taken;
mod turns;
mod twist;
mod undoing;
mod unread;
mod windows;
mod withdrawn;
mod world;
