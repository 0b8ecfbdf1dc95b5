//! The key of a compiled program: what went into it, and nothing about where it came from or will run.
use crd::{
    id::{Digest, ProgramKey},
    kind::{AcceleratorOptions, Connectivity, KvPrecision, Precision, ProgramShapes, Target},
    program::ProgramRequest,
    snapshot::{Toolchain, Tools, WorkerToolchain},
};
use serde::Serialize;

use crate::digest::canonical;

/// Part of every key; goes up when a key's meaning changes, so that no older program is taken for a newer one.
pub const REVISION: u32 = 1;

/// Prompt tokens in one pass where nothing is declared for AI100 (the vendor's own default in its examples).
pub(super) const PROMPT_LENGTH: u32 = 128;

/// Everything that changes a program's bytes or meaning. Never a QID, an address or a path.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ingredients<'a> {
    revision: u32,
    model: &'a Digest,
    target: Target,
    precision: Precision,
    shapes: ProgramShapes,
    shards: u32,
    cores: Option<u32>,
    connectivity: Connectivity,
    accelerator: Option<AcceleratorOptions>,
    compiler: Option<&'a Toolchain>,
    worker: Option<&'a WorkerToolchain>,
}

/// The program's key; `None` while the model's digest, the toolchain or an AI100 program's core count is unknown.
///
/// Options that are absent and options written at their default give one key.
pub fn key(request: &ProgramRequest, tools: &Tools) -> Option<ProgramKey> {
    let model = request.model.as_ref()?;
    let topology = request.topology;
    let ingredients = match request.target {
        Target::CPU => Ingredients {
            revision: REVISION,
            model,
            target: request.target,
            precision: request.precision,
            shapes: request.shapes.clone(),
            shards: topology.shards,
            cores: None,
            connectivity: topology.connectivity,
            accelerator: None,
            compiler: None,
            worker: Some(tools.worker.get()?),
        },
        Target::AI100 => Ingredients {
            revision: REVISION,
            model,
            target: request.target,
            precision: request.precision,
            shapes: ProgramShapes {
                prompt_length: Some(request.shapes.prompt_length.unwrap_or(PROMPT_LENGTH)),
                ..request.shapes.clone()
            },
            shards: topology.shards,
            cores: Some(topology.cores?),
            connectivity: topology.connectivity,
            accelerator: Some(normal(request.accelerator.as_ref())),
            compiler: Some(tools.compiler.get()?),
            worker: None,
        },
    };
    Some(ProgramKey(canonical(&ingredients).0))
}

fn normal(options: Option<&AcceleratorOptions>) -> AcceleratorOptions {
    let AcceleratorOptions {
        kv_precision,
        weight_split_cores,
        depth_first,
        compressed_links,
        layers,
    } = options.cloned().unwrap_or_default();
    AcceleratorOptions {
        kv_precision: Some(kv_precision.unwrap_or(KvPrecision::Fp16)),
        weight_split_cores,
        depth_first: Some(depth_first.unwrap_or(false)),
        compressed_links: Some(compressed_links.unwrap_or(false)),
        layers,
    }
}
