//! The runtime from checkpoint folder to logits, on small random models that the tests write themselves.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "a test fails by panicking, in its own helpers too"
)]

mod bits;
mod checkpoint_errors;
mod command;
mod config_keys;
mod crowds;
mod damaged;
mod depth;
mod for_cards;
mod local_time;
mod mistakes;
mod out_of_range;
mod programs;
mod published;
mod ranks;
mod reference;
mod refused;
mod rows;
mod stopped;
mod support;
