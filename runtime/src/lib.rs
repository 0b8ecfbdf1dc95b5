//! Slices, packs and runs Llama-family models over N ranks.
//!
//! Rooms, in the order bytes flow: a hub folder is read (`checkpoint`), sliced and packed into a program
//! (`program`), run by rank processes that each own one slice (`ranks`, `model`).
//!
//! Invariants, each with what holds it:
//! * logits are the same bits for every shard count, connectivity and batch composition on one instruction set
//!   (`tests/core/bits.rs`);
//! * every length read from a file is checked before it is used (`tests/core/checkpoint_errors.rs`);
//! * a configuration key that changes the numbers is used or refused by name (`tests/core/config_keys.rs`);
//! * a rank that dies becomes an error, never a hang (`tests/core/ranks.rs`).

pub mod checkpoint;
pub mod model;
pub mod program;
pub mod ranks;
