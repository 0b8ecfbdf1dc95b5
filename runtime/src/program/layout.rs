//! Where everything lies in a rank's slice file: computed from the shape alone, by builder and rank alike, so that
//! there is no directory in the file that could lie.

use std::ops::Range;

use super::Precision;
use super::slicing::{RankSlice, SliceSummary, padded};
use crate::model::ModelShape;

/// Sections begin at multiples of this: a cache line.
const ALIGN: u64 = 64;
/// First bytes of a slice file.
pub const MAGIC: &[u8; 8] = b"SHRDSLC1";

/// Names of a layer's parts, as slice files and the forward pass know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "each is the projection, bias or norm of its name"
)]
pub enum Part {
    Embedding,
    Head,
    FinalNorm,
    AttentionNorm,
    Query,
    Key,
    Value,
    QueryBias,
    KeyBias,
    ValueBias,
    QueryNorm,
    KeyNorm,
    Output,
    OutputBias,
    MlpNorm,
    Gate,
    Up,
    GateBias,
    UpBias,
    Down,
    DownBias,
}

/// How a section's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// A vector of f32, as long as its rows.
    Vector,
    /// A matrix of packed rows.
    Packed(Precision),
}

/// The columns that a rank takes of each row of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Of the checkpoint's columns.
    pub source: Range<u32>,
    /// Cut into runs of this many, each padded with zeros to whole lanes.
    pub run: u32,
}

impl Columns {
    /// Columns of a packed row.
    pub fn packed(&self) -> usize {
        if self.source.is_empty() {
            0
        } else {
            (self.source.len() as u32).div_ceil(self.run) as usize * padded(self.run)
        }
    }
}

/// One tensor's part in a slice file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The layer, `None` outside of them.
    pub layer: Option<u32>,
    /// Which part.
    pub part: Part,
    /// The checkpoint's tensor.
    pub tensor: String,
    /// Rows of it.
    pub source: Range<u32>,
    /// Rows stored: zeros follow the source's.
    pub rows: usize,
    /// Columns of it.
    pub columns: Columns,
    /// How it is stored.
    pub storage: Storage,
    /// First byte in the file.
    pub offset: u64,
    /// First byte of the scales, in the integer formats; the end otherwise.
    pub scales: u64,
    /// First byte behind it.
    pub end: u64,
}

impl Section {
    /// Bytes of one packed row, without its scales.
    pub fn row_bytes(&self) -> u64 {
        let columns = self.columns.packed() as u64;
        match self.storage {
            Storage::Vector => 4,
            Storage::Packed(Precision::F32) => columns * 4,
            Storage::Packed(Precision::Bf16) => columns * 2,
            Storage::Packed(Precision::Int8) => columns,
            Storage::Packed(Precision::Int4) => columns / 2,
        }
    }

    /// Bytes of one packed row's scales.
    pub fn row_scales(&self) -> u64 {
        match self.storage {
            Storage::Vector | Storage::Packed(Precision::F32 | Precision::Bf16) => 0,
            Storage::Packed(Precision::Int8 | Precision::Int4) => {
                self.columns.packed() as u64 / 32 * 4
            }
        }
    }
}

/// A whole slice file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Sections in file order; the same parts in the same order for every rank.
    pub sections: Vec<Section>,
    /// Length of the file.
    pub bytes: u64,
}

/// Lays out the slice of every rank.
pub fn layouts(shape: &ModelShape, slices: &SliceSummary, precision: Precision) -> Vec<Layout> {
    slices
        .ranks
        .iter()
        .map(|rank| layout(shape, rank, precision))
        .collect()
}

fn layout(shape: &ModelShape, rank: &RankSlice, precision: Precision) -> Layout {
    let mut writer = Writer {
        sections: Vec::new(),
        at: ALIGN,
        layer: None,
    };
    let hidden = Columns {
        source: 0..shape.hidden,
        run: shape.hidden,
    };
    let packed = Storage::Packed(precision);
    // Four bits are too few for the two tables that every token passes through whole.
    let table = Storage::Packed(if precision == Precision::Int4 {
        Precision::Int8
    } else {
        precision
    });
    let width = shape.head_dim;
    let by_head = |heads: &Range<u32>| heads.start * width..heads.end * width;
    let (q, kv) = (by_head(&rank.heads), by_head(&rank.kv_heads));

    writer.matrix(
        Part::Embedding,
        "model.embed_tokens.weight",
        rank.vocab.clone(),
        &hidden,
        table,
    );
    for layer in 0..shape.layers {
        writer.layer = Some(layer);
        writer.vector(
            Part::AttentionNorm,
            "input_layernorm.weight",
            0..shape.hidden,
        );
        writer.matrix(
            Part::Query,
            "self_attn.q_proj.weight",
            q.clone(),
            &hidden,
            packed,
        );
        writer.matrix(
            Part::Key,
            "self_attn.k_proj.weight",
            kv.clone(),
            &hidden,
            packed,
        );
        writer.matrix(
            Part::Value,
            "self_attn.v_proj.weight",
            kv.clone(),
            &hidden,
            packed,
        );
        if shape.qkv_bias {
            writer.vector(Part::QueryBias, "self_attn.q_proj.bias", q.clone());
            writer.vector(Part::KeyBias, "self_attn.k_proj.bias", kv.clone());
            writer.vector(Part::ValueBias, "self_attn.v_proj.bias", kv.clone());
        }
        if shape.head_norm {
            writer.vector(Part::QueryNorm, "self_attn.q_norm.weight", 0..width);
            writer.vector(Part::KeyNorm, "self_attn.k_norm.weight", 0..width);
        }
        let heads = Columns {
            source: q.clone(),
            run: width,
        };
        writer.matrix(
            Part::Output,
            "self_attn.o_proj.weight",
            0..shape.hidden,
            &heads,
            packed,
        );
        if shape.output_bias {
            writer.vector(Part::OutputBias, "self_attn.o_proj.bias", 0..shape.hidden);
        }
        writer.vector(
            Part::MlpNorm,
            "post_attention_layernorm.weight",
            0..shape.hidden,
        );
        writer.matrix(
            Part::Gate,
            "mlp.gate_proj.weight",
            rank.columns.clone(),
            &hidden,
            packed,
        );
        writer.matrix(
            Part::Up,
            "mlp.up_proj.weight",
            rank.columns.clone(),
            &hidden,
            packed,
        );
        if shape.mlp_bias {
            writer.vector(Part::GateBias, "mlp.gate_proj.bias", rank.columns.clone());
            writer.vector(Part::UpBias, "mlp.up_proj.bias", rank.columns.clone());
        }
        let columns = Columns {
            source: rank.columns.clone(),
            run: (rank.columns.len() as u32).max(1),
        };
        writer.matrix(
            Part::Down,
            "mlp.down_proj.weight",
            0..shape.hidden,
            &columns,
            packed,
        );
        if shape.mlp_bias {
            writer.vector(Part::DownBias, "mlp.down_proj.bias", 0..shape.hidden);
        }
    }
    writer.layer = None;
    writer.vector(Part::FinalNorm, "model.norm.weight", 0..shape.hidden);
    if !shape.tied {
        writer.matrix(
            Part::Head,
            "lm_head.weight",
            rank.vocab.clone(),
            &hidden,
            table,
        );
    }
    Layout {
        sections: writer.sections,
        bytes: writer.at,
    }
}

struct Writer {
    sections: Vec<Section>,
    at: u64,
    layer: Option<u32>,
}

impl Writer {
    fn vector(&mut self, part: Part, tensor: &str, source: Range<u32>) {
        self.add(
            part,
            tensor,
            source,
            Columns {
                source: 0..1,
                run: 1,
            },
            Storage::Vector,
        );
    }

    fn matrix(
        &mut self,
        part: Part,
        tensor: &str,
        source: Range<u32>,
        columns: &Columns,
        storage: Storage,
    ) {
        self.add(part, tensor, source, columns.clone(), storage);
    }

    fn add(
        &mut self,
        part: Part,
        tensor: &str,
        source: Range<u32>,
        columns: Columns,
        storage: Storage,
    ) {
        // What the gate and the up projection make is multiplied in whole lanes, and read so by the down projection.
        let whole_lanes = matches!(part, Part::Gate | Part::Up | Part::GateBias | Part::UpBias);
        let rows = if whole_lanes {
            padded(source.len() as u32)
        } else {
            source.len()
        };
        let tensor = match self.layer {
            Some(layer) => format!("model.layers.{layer}.{tensor}"),
            None => tensor.to_owned(),
        };
        let (offset, layer) = (self.at, self.layer);
        let mut section = Section {
            layer,
            part,
            tensor,
            source,
            rows,
            columns,
            storage,
            offset,
            scales: 0,
            end: 0,
        };
        section.scales = (offset + section.row_bytes() * rows as u64).next_multiple_of(ALIGN);
        section.end = (section.scales + section.row_scales() * rows as u64).next_multiple_of(ALIGN);
        self.at = section.end;
        self.sections.push(section);
    }
}
