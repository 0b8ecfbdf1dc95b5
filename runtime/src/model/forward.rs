//! One rank's forward pass: its heads, its MLP columns, its rows of vocabulary, and a sum with the others after each.
//!
//! Every rank holds the whole residual stream, and computes the norms alike. What depends on the slicing is only ever
//! added in fixed point by the collective, so the residual stream has the same bits on every rank and for every slicing.

use kernels::{Attention, Kernels, add_rows, from_fixed, rms_norm, rotate};

use super::cache::Cache;
use super::parts::Slice;
use super::positions::Frequencies;
use crate::model::ModelShape;
use crate::program::layout::Part;
use crate::program::slicing::{RankSlice, padded};

/// One token of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The sequence's place in the cache.
    pub slot: u32,
    /// The token's place in its sequence.
    pub position: u32,
    /// The token.
    pub token: u32,
    /// Whether its logits are wanted.
    pub wanted: bool,
}

/// The pass was given up: another rank did not come to a sum in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned;

/// Adds the ranks' sums.
pub trait Collective {
    /// Replaces `sums` by its sum over all ranks.
    fn reduce(&mut self, sums: &mut [i64]) -> Result<(), Abandoned>;
}

/// One rank's model, with room for one pass.
#[derive(Debug)]
pub struct Forward {
    shape: ModelShape,
    slice: RankSlice,
    weights: Slice,
    mlp_block: usize,
    kernels: &'static Kernels,
    cache: Cache,
    frequencies: Frequencies,
    residual: Vec<f32>,
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    padded_query: Vec<f32>,
    heads: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    sums: Vec<i64>,
    scores: Vec<f32>,
    cosines: Vec<f32>,
    sines: Vec<f32>,
    good: Vec<bool>,
    logits: Vec<f32>,
}

/// Sizes that a rank is started with.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Sequences held at once.
    pub slots: u32,
    /// Tokens of one sequence.
    pub context: u32,
    /// Rows of one pass.
    pub rows: usize,
}

impl Forward {
    /// A model over a loaded slice. Everything that a pass needs is allocated here.
    pub fn new(
        shape: ModelShape,
        slice: RankSlice,
        weights: Slice,
        mlp_block: u32,
        room: Room,
        kernels: &'static Kernels,
    ) -> Self {
        let width = padded(shape.head_dim);
        let (own, kv) = (slice.heads.len(), slice.kv_heads.len());
        let head = shape.head_dim as usize;
        let columns = padded(slice.columns.len() as u32);
        let frequencies = Frequencies::new(&shape.rope, head);
        let pairs = frequencies.pairs();
        let (slots, context) = (room.slots as usize, room.context as usize);
        Self {
            cache: Cache::new(shape.layers as usize, slots, kv, context, width),
            residual: vec![0.0; room.rows * shape.hidden as usize],
            normed: vec![0.0; room.rows * padded(shape.hidden)],
            queries: vec![0.0; room.rows * own * head],
            keys: vec![0.0; room.rows * kv * head],
            values: vec![0.0; room.rows * kv * head],
            padded_query: vec![0.0; width],
            heads: vec![0.0; room.rows * own * width],
            gate: vec![0.0; room.rows * columns],
            up: vec![0.0; room.rows * columns],
            sums: vec![0; room.rows * shape.hidden as usize],
            scores: vec![0.0; context + 16],
            cosines: vec![0.0; room.rows * pairs],
            sines: vec![0.0; room.rows * pairs],
            good: vec![true; room.rows],
            logits: vec![0.0; slice.vocab.len()],
            mlp_block: mlp_block as usize,
            kernels,
            frequencies,
            shape,
            slice,
            weights,
        }
    }

    /// Runs one pass. `emit` is given this rank's logits of each wanted row, in order. Returns for each row whether
    /// its numbers stayed in range.
    pub fn pass(
        &mut self,
        rows: &[Row],
        collective: &mut impl Collective,
        mut emit: impl FnMut(usize, &[f32]),
    ) -> Result<&[bool], Abandoned> {
        self.good[..rows.len()].fill(true);
        let pairs = self.frequencies.pairs();
        for (index, row) in rows.iter().enumerate() {
            let span = index * pairs..(index + 1) * pairs;
            self.frequencies.angles(
                row.position,
                &mut self.cosines[span.clone()],
                &mut self.sines[span],
            );
        }
        self.embed(rows, collective)?;
        for layer in 0..self.shape.layers as usize {
            self.attention(layer, rows, collective)?;
            self.mlp(layer, rows, collective)?;
        }
        let head = if self.shape.tied {
            Part::Embedding
        } else {
            Part::Head
        };
        let wanted = rows.iter().enumerate().filter(|(_, row)| row.wanted);
        for (place, (index, _)) in wanted.enumerate() {
            self.norm(None, Part::FinalNorm, index..index + 1);
            if let Some(matrix) = self.weights.matrix(None, head) {
                self.kernels
                    .dot(&matrix, &self.normed[..matrix.columns()], &mut self.logits);
            }
            emit(place, &self.logits);
        }
        Ok(&self.good[..rows.len()])
    }

    /// Looks the tokens up: the rank that owns a row gives its bits, the others zero, and the sum has the bits.
    fn embed(&mut self, rows: &[Row], collective: &mut impl Collective) -> Result<(), Abandoned> {
        let hidden = self.shape.hidden as usize;
        let sums = &mut self.sums[..rows.len() * hidden];
        for (row, sums) in rows.iter().zip(sums.chunks_exact_mut(hidden)) {
            sums.fill(0);
            let Some(table) = self.weights.matrix(None, Part::Embedding) else {
                continue;
            };
            if self.slice.vocab.contains(&row.token) {
                let out = &mut self.normed[..table.columns()];
                table.read_row((row.token - self.slice.vocab.start) as usize, out);
                for (sum, value) in sums.iter_mut().zip(out) {
                    *sum = i64::from(value.to_bits());
                }
            }
        }
        collective.reduce(sums)?;
        for (residual, sum) in self.residual.iter_mut().zip(sums) {
            *residual = f32::from_bits(*sum as u32);
        }
        Ok(())
    }

    /// Norms the residual stream of some rows into the first rows of `normed`.
    fn norm(&mut self, layer: Option<usize>, part: Part, rows: std::ops::Range<usize>) {
        let hidden = self.shape.hidden as usize;
        let Some(weight) = self.weights.vector(layer, part) else {
            return;
        };
        let from = self.residual[rows.start * hidden..rows.end * hidden].chunks_exact(hidden);
        for (x, out) in from.zip(self.normed.chunks_exact_mut(padded(self.shape.hidden))) {
            rms_norm(x, weight, self.shape.norm_epsilon as f32, out);
        }
    }

    fn attention(
        &mut self,
        layer: usize,
        rows: &[Row],
        collective: &mut impl Collective,
    ) -> Result<(), Abandoned> {
        let (layer_at, count) = (Some(layer), rows.len());
        let head = self.shape.head_dim as usize;
        let (own, kv) = (self.slice.heads.len(), self.slice.kv_heads.len());
        self.norm(layer_at, Part::AttentionNorm, 0..count);
        let normed = &self.normed[..count * padded(self.shape.hidden)];
        for (part, bias, out, heads) in [
            (Part::Query, Part::QueryBias, &mut self.queries, own),
            (Part::Key, Part::KeyBias, &mut self.keys, kv),
            (Part::Value, Part::ValueBias, &mut self.values, kv),
        ] {
            let out = &mut out[..count * heads * head];
            if let Some(matrix) = self.weights.matrix(layer_at, part) {
                self.kernels.dot(&matrix, normed, out);
            }
            if let Some(bias) = self.weights.vector(layer_at, bias) {
                add_rows(out, bias);
            }
        }
        self.turn(layer, count);
        for (index, row) in rows.iter().enumerate() {
            for at in 0..kv {
                let span = (index * kv + at) * head..(index * kv + at + 1) * head;
                let (key, value) = (&self.keys[span.clone()], &self.values[span]);
                self.cache.write(
                    layer,
                    row.slot as usize,
                    at,
                    row.position as usize,
                    key,
                    value,
                );
            }
        }
        self.attend(layer, rows);
        let heads = &self.heads[..count * own * padded(self.shape.head_dim)];
        let sums = &mut self.sums[..count * self.shape.hidden as usize];
        if let Some(matrix) = self.weights.matrix(layer_at, Part::Output) {
            // One head is one block: it belongs to one rank whatever the slicing.
            let block = padded(self.shape.head_dim);
            self.kernels
                .dot_fixed(&matrix, block, heads, sums, &mut self.good[..count]);
        }
        collective.reduce(sums)?;
        self.add(layer, Part::OutputBias, count);
        Ok(())
    }

    /// Norms (Qwen3) and rotates the queries and keys of a pass.
    fn turn(&mut self, layer: usize, count: usize) {
        let head = self.shape.head_dim as usize;
        let pairs = self.frequencies.pairs();
        let epsilon = self.shape.norm_epsilon as f32;
        for (values, heads, norm) in [
            (&mut self.queries, self.slice.heads.len(), Part::QueryNorm),
            (&mut self.keys, self.slice.kv_heads.len(), Part::KeyNorm),
        ] {
            let weight = self.weights.vector(Some(layer), norm);
            for (index, row) in values
                .chunks_exact_mut(heads * head)
                .take(count)
                .enumerate()
            {
                let span = index * pairs..(index + 1) * pairs;
                for one in row.chunks_exact_mut(head) {
                    if let Some(weight) = weight {
                        self.padded_query[..head].copy_from_slice(one);
                        rms_norm(&self.padded_query[..head], weight, epsilon, one);
                    }
                    rotate(one, &self.cosines[span.clone()], &self.sines[span.clone()]);
                }
            }
        }
    }

    /// Attends from every row and every own head; each sees the positions of its own sequence up to itself.
    fn attend(&mut self, layer: usize, rows: &[Row]) {
        let head = self.shape.head_dim as usize;
        let width = padded(self.shape.head_dim);
        let own = self.slice.heads.len();
        let group = self.shape.group();
        let scale = (1.0 / f64::from(self.shape.head_dim).sqrt()) as f32;
        for (index, row) in rows.iter().enumerate() {
            let end = row.position as usize + 1;
            let start =
                self.shape.windows[layer].map_or(0, |window| end.saturating_sub(window as usize));
            for (at, absolute) in self.slice.heads.clone().enumerate() {
                self.padded_query.fill(0.0);
                let from = (index * own + at) * head;
                self.padded_query[..head].copy_from_slice(&self.queries[from..from + head]);
                let shared = (absolute / group - self.slice.kv_heads.start) as usize;
                let (keys, values) = self
                    .cache
                    .read(layer, row.slot as usize, shared, start..end);
                let to = (index * own + at) * width;
                self.kernels.attend(Attention {
                    query: &self.padded_query,
                    keys,
                    values,
                    scale,
                    scores: &mut self.scores,
                    out: &mut self.heads[to..to + width],
                });
            }
        }
    }

    fn mlp(
        &mut self,
        layer: usize,
        rows: &[Row],
        collective: &mut impl Collective,
    ) -> Result<(), Abandoned> {
        let (layer_at, count) = (Some(layer), rows.len());
        self.norm(layer_at, Part::MlpNorm, 0..count);
        let sums = &mut self.sums[..count * self.shape.hidden as usize];
        sums.fill(0);
        // A rank may own no block of a narrow MLP; it then only takes part in the sum.
        if let Some(down) = self.weights.matrix(layer_at, Part::Down) {
            let normed = &self.normed[..count * padded(self.shape.hidden)];
            let size = count * down.columns();
            for (part, bias, out) in [
                (Part::Gate, Part::GateBias, &mut self.gate),
                (Part::Up, Part::UpBias, &mut self.up),
            ] {
                if let Some(matrix) = self.weights.matrix(layer_at, part) {
                    self.kernels.dot(&matrix, normed, &mut out[..size]);
                }
                if let Some(bias) = self.weights.vector(layer_at, bias) {
                    add_rows(&mut out[..size], bias);
                }
            }
            self.kernels
                .silu_multiply(&mut self.gate[..size], &self.up[..size]);
            self.kernels.dot_fixed(
                &down,
                self.mlp_block,
                &self.gate[..size],
                sums,
                &mut self.good[..count],
            );
        }
        collective.reduce(sums)?;
        self.add(layer, Part::DownBias, count);
        Ok(())
    }

    /// Adds the reduced sums, and the bias that belongs to them, to the residual stream.
    fn add(&mut self, layer: usize, bias: Part, count: usize) {
        let hidden = self.shape.hidden as usize;
        let bias = self.weights.vector(Some(layer), bias);
        let rows = self
            .residual
            .chunks_exact_mut(hidden)
            .zip(self.sums.chunks_exact(hidden));
        for (residual, sums) in rows.take(count) {
            match bias {
                None => residual
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(x, sum)| *x += from_fixed(*sum)),
                Some(bias) => {
                    for ((x, sum), bias) in residual.iter_mut().zip(sums).zip(bias) {
                        *x += from_fixed(*sum) + bias;
                    }
                }
            }
        }
    }
}
