//! Decides what machines need: snapshots and a declaration go in, a plan and a report come out. It cannot fail.
//!
//! In the order in which facts flow: [`selection`] (whose is a SoC), [`topology`] (what reaches what), [`isolation`]
//! (what is kept apart), [`drift`] (what moved under us), [`placement`] (which SoCs form a group), [`mod@plan`] (what to
//! do, and [`rollout`]: on which node first), [`mod@check`] (is that safe), [`mod@judge`] (is that still right),
//! [`ledger`] (what is left behind). Beside that path: [`mod@doctor`] (is the machine ready at all), [`recording`]
//! (snapshots that leave the machine).
//!
//! Invariants, and what holds each:
//! - Pure: no files, clock, environment, logging: clippy bans, and the purity check, `tests/purity`.
//! - The same inputs give the same bytes, whatever their order: `tests/core/properties.rs`.
//! - No plan of ours makes [`check()`] fire; each of its rules has a mutated plan that does: `tests/core/properties.rs`, `tests/core/mutations.rs`.
//! - No step is needless: without an effect a goal stays unmet, without a gate `check` fires: `tests/core/properties.rs`.
//! - Applying a plan leaves nothing to plan, after two rounds at most: `tests/core/properties.rs`.
#![deny(clippy::fn_to_numeric_cast_any, clippy::iter_over_hash_type)]
pub mod approval;
mod baseline;
pub mod check;
pub mod compensation;
mod digest;
pub mod doctor;
mod doubt;
pub mod drift;
pub mod failed;
mod inputs;
pub mod isolation;
pub mod judge;
pub mod ledger;
pub mod lost;
pub mod placement;
pub mod plan;
pub mod program;
pub mod recording;
pub mod rollout;
pub mod selection;
pub mod stray;
pub mod topology;
pub mod view;
pub mod window;

pub use approval::ApprovalDecision;
pub use check::{Violation, check};
pub use compensation::{compensation, is_compensation};
pub use digest::{node_digest, rollout_digest, rollout_digest_of, snapshot_digest};
pub use doctor::doctor;
pub use failed::{Concern, FailedStep, FailedSteps, NextTry, SpentResets, Word};
pub use inputs::{Inputs, NodeInput, Scope, Sources, Unbuilt};
pub use judge::judge;
pub use plan::{
    boot::{BootParameters, boot_parameters},
    counts, misstated, plan,
};
