//! A packed matrix: rows of weights in one of four formats.

/// Weights under one scale in the integer formats; every row is a whole number of such blocks.
pub const BLOCK: usize = 32;

/// Row-major weights; the zeros that pad a row are weights like any other.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// bfloat16 bits.
    Bf16(&'a [u16]),
    /// Signed bytes, one scale for each 32.
    Int8 {
        /// A byte a weight.
        quants: &'a [i8],
        /// A scale a block.
        scales: &'a [f32],
    },
    /// Four-bit integers offset by eight: byte `i` of a block's sixteen holds weight `i` low and `16 + i` high.
    Int4 {
        /// Sixteen bytes a block.
        quants: &'a [u8],
        /// A scale a block.
        scales: &'a [f32],
    },
}

/// A matrix whose rows are dotted with activations.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    weights: Weights<'a>,
    rows: usize,
    columns: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix of `columns` weights a row; the number of rows follows.
    ///
    /// # Panics
    /// If `columns` is no positive multiple of 32 or the parts do not fit each other: layouts are computed, not read.
    pub fn new(weights: Weights<'a>, columns: usize) -> Self {
        assert!(
            columns > 0 && columns.is_multiple_of(BLOCK),
            "{columns} columns are no whole number of blocks"
        );
        let count = match weights {
            Weights::F32(values) => values.len(),
            Weights::Bf16(values) => values.len(),
            Weights::Int8 { quants, scales } => {
                assert_eq!(quants.len(), scales.len() * BLOCK, "quants and scales");
                quants.len()
            }
            Weights::Int4 { quants, scales } => {
                assert_eq!(quants.len() * 2, scales.len() * BLOCK, "quants and scales");
                quants.len() * 2
            }
        };
        assert!(
            count.is_multiple_of(columns),
            "{count} weights are no whole number of rows of {columns}"
        );
        Self {
            weights,
            rows: count / columns,
            columns,
        }
    }

    /// The weights.
    pub fn weights(&self) -> Weights<'a> {
        self.weights
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Weights in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Writes row `row` as floats.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not `columns` long.
    pub fn read_row(&self, row: usize, out: &mut [f32]) {
        assert!(
            row < self.rows && out.len() == self.columns,
            "row {row} of {}",
            self.rows
        );
        let span = row * self.columns..(row + 1) * self.columns;
        let blocks = span.start / BLOCK..span.end / BLOCK;
        match self.weights {
            Weights::F32(values) => out.copy_from_slice(&values[span]),
            Weights::Bf16(values) => {
                for (out, half) in out.iter_mut().zip(&values[span]) {
                    *out = f32::from_bits(u32::from(*half) << 16);
                }
            }
            Weights::Int8 { quants, scales } => {
                for ((out, quants), scale) in out
                    .chunks_exact_mut(BLOCK)
                    .zip(quants[span].chunks_exact(BLOCK))
                    .zip(&scales[blocks])
                {
                    for (out, quant) in out.iter_mut().zip(quants) {
                        *out = f32::from(*quant) * scale;
                    }
                }
            }
            Weights::Int4 { quants, scales } => {
                let halves = &quants[span.start / 2..span.end / 2];
                for ((out, quants), scale) in out
                    .chunks_exact_mut(BLOCK)
                    .zip(halves.chunks_exact(BLOCK / 2))
                    .zip(&scales[blocks])
                {
                    for (index, quant) in quants.iter().enumerate() {
                        out[index] = f32::from((quant & 15).cast_signed() - 8) * scale;
                        out[index + BLOCK / 2] = f32::from((quant >> 4).cast_signed() - 8) * scale;
                    }
                }
            }
        }
    }
}
