//! What a checkpoint would need, without reading its weights.

use std::path::Path;

use serde::Serialize;

use super::layout::layouts;
use super::memory::kv_bytes_per_token;
use super::slicing::{MAX_SHARDS, SliceSummary, can_slice};
use super::{BuildError, Precision};
use crate::checkpoint::Checkpoint;
use crate::model::ModelShape;

/// Bytes of one precision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrecisionBytes {
    /// The precision.
    pub precision: Precision,
    /// Packed weights of each rank, in bytes.
    pub ranks: Vec<u64>,
}

/// What a checkpoint would need.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The model.
    pub shape: ModelShape,
    /// Trained numbers.
    pub parameters: u64,
    /// Bytes of weights in the checkpoint.
    pub checkpoint_bytes: u64,
    /// The shard count asked about.
    pub shards: u32,
    /// How that count cuts the model.
    pub slices: SliceSummary,
    /// Packed bytes by precision.
    pub bytes: Vec<PrecisionBytes>,
    /// KV cache of one token on all ranks, in bytes.
    pub kv_bytes_per_token: u64,
    /// Every shard count that can cut the model.
    pub shard_counts: Vec<u32>,
    /// What is odd in the checkpoint and changes no numbers.
    pub warnings: Vec<String>,
}

/// Reads a checkpoint's configuration and headers.
pub fn inspect(checkpoint: &Path, shards: u32) -> Result<Inspection, BuildError> {
    let checkpoint = Checkpoint::open(checkpoint)?;
    let shape = checkpoint.shape.clone();
    let slices = can_slice(&shape, shards)?;
    let bytes = [
        Precision::F32,
        Precision::Bf16,
        Precision::Int8,
        Precision::Int4,
    ]
    .map(|precision| PrecisionBytes {
        precision,
        ranks: layouts(&shape, &slices, precision)
            .iter()
            .map(|layout| layout.bytes)
            .collect(),
    })
    .to_vec();
    let kv = slices
        .ranks
        .iter()
        .map(|rank| kv_bytes_per_token(&shape, rank.kv_heads.len() as u32))
        .sum();
    Ok(Inspection {
        parameters: shape.parameters(),
        checkpoint_bytes: checkpoint.tensors.bytes(),
        shards,
        slices,
        bytes,
        kv_bytes_per_token: kv,
        shard_counts: (1..=MAX_SHARDS)
            .filter(|count| can_slice(&shape, *count).is_ok())
            .collect(),
        warnings: checkpoint.warnings,
        shape,
    })
}
