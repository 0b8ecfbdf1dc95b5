//! What is in a SoC as it is sold, where a rack file does not say otherwise.
use crd::{id::Word, kind::rack::Sku};

/// Cores, memory in MiB and device id of a SKU's SoCs.
pub(crate) fn made(sku: Sku) -> (u32, u32, Word) {
    match sku {
        Sku::Standard => (14, 16384, Word(0xa100)),
        Sku::Pro | Sku::Ultra => (16, 32768, Word(0xa100)),
        Sku::Standard080 | Sku::Ultra080 => (8, 16384, Word(0xa080)),
    }
}
