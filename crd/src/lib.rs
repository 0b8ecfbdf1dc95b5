//! Names things: kinds, ids, snapshots, steps, plans and journal records. `crd`'s types are the wire.
//!
//! Invariants, and what holds each:
//! - No I/O, no clock, no environment: clippy bans in `crd/clippy.toml`, and the purity check, `tests/purity`.
//! - Definitions and schemas are generated from the types; every field is bounded and no default is hidden:
//!   `tests/loader/generated.rs`.
//! - No text makes the loader or the formatter panic, and every span lies within its text: property in
//!   `tests/loader/formatted.rs`.
//! - What is written, formatted or both is read as the same value, by YAML 1.1 readers too: `tests/loader/written.rs`.
//! - No Kubernetes client and no async runtime in the graph: the dependency check in `tests`.
//! - No floats and no integer above 2^53 on the wire: masks, words and addresses are text (`id`).
#![deny(clippy::fn_to_numeric_cast_any, clippy::iter_over_hash_type)]
pub mod declaration;

pub mod diagnosis;
pub mod diagnostic;
pub mod difference;
pub mod fact;
pub mod format;
pub mod id;
pub mod journal;
pub mod judgement;
pub mod kind;
pub mod load;
pub mod plan;
pub mod program;
pub mod replica;
pub mod schema;
pub mod snapshot;
pub mod step;
pub mod write;

pub use fact::{Fact, Unknown};
