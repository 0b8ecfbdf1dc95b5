//! SIMD kernels of the CPU target behind one table, chosen once at start.
//!
//! Invariants:
//! * a result's bits depend on its own row of weights and its own row of activations, never on what is computed beside
//!   it (`tests/alike.rs`);
//! * every implementation agrees with a plain scalar reference (`tests/reference.rs`);
//! * nothing allocates (no kernel owns a buffer), and no CPU feature is looked at after [`Kernels::detect`].

#![allow(
    unsafe_code,
    reason = "vector instructions; each block says why it is sound"
)]
#![allow(
    clippy::inline_always,
    reason = "lanes must be inlined into the function that enables their instruction set"
)]
#![allow(clippy::many_single_char_names, reason = "lanes a to h of one vector")]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over registers: iterators by value keep them in memory"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod fixed;
mod generic;
mod lanes;
mod matrix;
mod plain;
mod portable;
mod table;

pub use fixed::{FIXED_LIMIT, from_fixed};
pub use matrix::{BLOCK, Matrix, Weights};
pub use plain::{add_rows, rms_norm, rotate};
pub use table::{Attention, Kernels};
