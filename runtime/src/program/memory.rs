//! What weights and KV cache take, reckoned before anything is built or started.

use super::MemoryLimit;
use super::layout::Layout;
use super::slicing::{SliceSummary, padded};
use crate::model::ModelShape;

/// What serving a program takes, in bytes over all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Packed weights.
    pub weights: u64,
    /// Keys and values of all slots.
    pub kv: u64,
}

impl Needs {
    /// Both together.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.kv)
    }
}

/// Bytes of keys and values of one token on a rank: f32, each head padded to whole lanes.
pub fn kv_bytes_per_token(shape: &ModelShape, kv_heads: u32) -> u64 {
    u64::from(shape.layers) * 2 * u64::from(kv_heads) * padded(shape.head_dim) as u64 * 4
}

/// Reckons what serving takes.
pub fn needs(
    shape: &ModelShape,
    slices: &SliceSummary,
    layouts: &[Layout],
    slots: u32,
    context: u32,
) -> Needs {
    let tokens = u64::from(slots) * u64::from(context);
    let per_token: u64 = slices
        .ranks
        .iter()
        .map(|rank| kv_bytes_per_token(shape, rank.kv_heads.len() as u32))
        .sum();
    Needs {
        weights: layouts.iter().map(|layout| layout.bytes).sum(),
        kv: per_token.saturating_mul(tokens),
    }
}

impl MemoryLimit {
    /// Bytes that may be used; without a word from the kernel, any number.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Machine => sys::available_memory().unwrap_or(u64::MAX),
            Self::Bytes(bytes) => bytes,
        }
    }
}
