//! Slices, packs, runs and serves Llama-family models over N ranks.
//!
//! Rooms, in the order bytes flow: a hub folder is read (`checkpoint`), sliced and packed into a program
//! (`program`), run by rank processes that each own one slice (`ranks`, `model`); text becomes tokens (`text`),
//! logits become the next token (`sample`), and requests over HTTP share the ranks (`serve`). `cli` is the command.
//!
//! Invariants, each with what holds it:
//! * logits are the same bits for every shard count, connectivity and batch composition on one instruction set
//!   (`tests/core/bits.rs`);
//! * every length read from a file is checked before it is used (`tests/core/checkpoint_errors.rs`);
//! * a configuration key that changes the numbers is used or refused by name (`tests/core/config_keys.rs`);
//! * a rank that dies becomes an error, never a hang (`tests/core/ranks.rs`);
//! * streamed pieces of text add up to what decoding at once gives (`text::decode` properties);
//! * a stop string is never shown, not even in part (`sample::stop` properties);
//! * no request waits behind a later one, and no step feeds more than its budget (`serve::batch` properties).

pub mod checkpoint;
pub mod cli;
mod hashed;
pub mod model;
pub mod program;
pub mod ranks;
mod regular;
pub mod sample;
pub mod serve;
pub mod text;
