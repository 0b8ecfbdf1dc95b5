//! Which rank owns what: attention by heads, MLP by column blocks, vocabulary by rows.

use std::ops::Range;

use serde::Serialize;
use thiserror::Error;

use crate::model::ModelShape;

/// Most ranks of one program: as many SoCs as a declared group may have. Leader and ranks hold three files a rank,
/// well below the usual limit of 1024.
pub const MAX_SHARDS: u32 = 64;
/// Every packed row is padded with zeros to a multiple of this many elements, so that no kernel has a tail.
pub const LANE: u32 = 32;

/// What one rank owns. All ranges are absolute indices of the unsliced model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RankSlice {
    /// Query heads.
    pub heads: Range<u32>,
    /// Key/value heads that those query heads read; neighbours may hold the same one.
    pub kv_heads: Range<u32>,
    /// MLP columns, whole blocks but for the model's last; may be empty.
    pub columns: Range<u32>,
    /// Rows of the embedding and of the output head.
    pub vocab: Range<u32>,
}

/// How a model is cut over a number of ranks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceSummary {
    /// One entry a rank.
    pub ranks: Vec<RankSlice>,
    /// Columns of one summed block of the attention output projection: one head.
    pub attention_block: u32,
    /// Columns of one summed block of the MLP's down projection.
    pub mlp_block: u32,
    /// Key/value heads held more than once, counted with multiplicity.
    pub replicated_kv_heads: u32,
}

/// Why a model cannot be cut over that many ranks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nobody is to own anything.
    #[error("0 shards were asked for; ask for 1 to {MAX_SHARDS}")]
    NoShards,
    /// More than a group can have.
    #[error("{shards} shards were asked for; ask for 1 to {MAX_SHARDS}")]
    TooMany {
        /// Shards asked for.
        shards: u32,
    },
    /// Fewer heads than ranks.
    #[error(
        "{shards} shards need at least as many attention heads, and the model has {heads}; ask for at most {heads} shards"
    )]
    Heads {
        /// Shards asked for.
        shards: u32,
        /// Query heads of the model.
        heads: u32,
    },
    /// Fewer rows of vocabulary than ranks.
    #[error(
        "{shards} shards need at least as many rows of vocabulary, and the model has {vocab}; ask for at most {vocab} shards"
    )]
    Vocabulary {
        /// Shards asked for.
        shards: u32,
        /// Vocabulary of the model.
        vocab: u32,
    },
    /// Query heads do not share key/value heads evenly.
    #[error(
        "{heads} attention heads cannot share {kv_heads} key/value heads evenly; the checkpoint's config.json is wrong"
    )]
    Groups {
        /// Query heads of the model.
        heads: u32,
        /// Key/value heads of the model.
        kv_heads: u32,
    },
}

/// Columns of one block of the down projection: a function of the model alone, so that any shard count sums alike.
/// Wide blocks cost fewer conversions to fixed point; at least 32 of them let any shard count share evenly.
pub fn mlp_block(intermediate: u32) -> u32 {
    [256, 128, 64]
        .into_iter()
        .find(|block| intermediate.div_ceil(*block) >= LANE)
        .unwrap_or(LANE)
}

/// Cuts a model, or says with the numbers why not.
pub fn can_slice(shape: &ModelShape, shards: u32) -> Result<SliceSummary, Refusal> {
    let ModelShape {
        heads,
        kv_heads,
        vocab,
        intermediate,
        ..
    } = *shape;
    if shards == 0 {
        return Err(Refusal::NoShards);
    }
    if shards > MAX_SHARDS {
        return Err(Refusal::TooMany { shards });
    }
    if kv_heads == 0 || heads % kv_heads != 0 {
        return Err(Refusal::Groups { heads, kv_heads });
    }
    if shards > heads {
        return Err(Refusal::Heads { shards, heads });
    }
    if shards > vocab {
        return Err(Refusal::Vocabulary { shards, vocab });
    }
    let group = heads / kv_heads;
    let block = mlp_block(intermediate);
    let blocks = intermediate.div_ceil(block);
    let ranks: Vec<RankSlice> = (0..shards)
        .map(|rank| {
            let own = share(heads, shards, rank);
            let kv = own.start / group..own.end.div_ceil(group);
            let columns = share(blocks, shards, rank);
            RankSlice {
                heads: own,
                kv_heads: kv,
                columns: columns.start * block..(columns.end * block).min(intermediate),
                vocab: share(vocab, shards, rank),
            }
        })
        .collect();
    let held: u32 = ranks.iter().map(|rank| rank.kv_heads.len() as u32).sum();
    Ok(SliceSummary {
        ranks,
        attention_block: shape.head_dim,
        mlp_block: block,
        replicated_kv_heads: held - kv_heads,
    })
}

/// The part of `total` things that `rank` of `shards` owns: contiguous, sizes differing by at most one.
fn share(total: u32, shards: u32, rank: u32) -> Range<u32> {
    let cut = |rank: u32| (u64::from(total) * u64::from(rank) / u64::from(shards)) as u32;
    cut(rank)..cut(rank + 1)
}

/// `count` rounded up to whole lanes.
pub fn padded(count: u32) -> usize {
    count.next_multiple_of(LANE) as usize
}
