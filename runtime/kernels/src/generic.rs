//! The kernels, written once over lanes and weight formats.
//!
//! A tile is four rows of weights by up to three rows of activations: its twelve sums, three activations and one
//! weight fill AVX2's sixteen registers. Each sum runs over the columns alone and in order, so its bits do not depend on the tile.

use crate::fixed::accumulate;
use crate::lanes::{Lanes, exponential};
use crate::matrix::BLOCK;
use crate::table::Attention;

const ROWS: usize = 4;

/// Reads one row's weights as floats.
pub(crate) trait Format: Copy {
    /// The same, but beginning at `row`.
    ///
    /// # Safety
    /// The row is inside the matrix.
    unsafe fn at_row(self, row: usize) -> Self;

    /// Weights `column + part · L::COUNT ..` of the row, where `column` is a multiple of 32.
    ///
    /// # Safety
    /// As [`Lanes`]; the column is inside the matrix.
    unsafe fn weights<L: Lanes>(self, column: usize, part: usize) -> L;
}

/// 32-bit floats: start and columns.
#[derive(Clone, Copy)]
pub(crate) struct F32(pub *const f32, pub usize);
/// bfloat16: start and columns.
#[derive(Clone, Copy)]
pub(crate) struct Bf16(pub *const u16, pub usize);
/// Blocks of signed bytes: start, scales and columns.
#[derive(Clone, Copy)]
pub(crate) struct Int8(pub *const i8, pub *const f32, pub usize);
/// Blocks of four-bit integers: start, scales and columns.
#[derive(Clone, Copy)]
pub(crate) struct Int4(pub *const u8, pub *const f32, pub usize);

// SAFETY of the four blocks below: the trait's contract.
impl Format for F32 {
    #[inline(always)]
    unsafe fn at_row(self, row: usize) -> Self {
        // SAFETY: above.
        Self(unsafe { self.0.add(row * self.1) }, self.1)
    }
    #[inline(always)]
    unsafe fn weights<L: Lanes>(self, column: usize, part: usize) -> L {
        // SAFETY: above.
        unsafe { L::load(self.0.add(column + part * L::COUNT)) }
    }
}
impl Format for Bf16 {
    #[inline(always)]
    unsafe fn at_row(self, row: usize) -> Self {
        // SAFETY: above.
        Self(unsafe { self.0.add(row * self.1) }, self.1)
    }
    #[inline(always)]
    unsafe fn weights<L: Lanes>(self, column: usize, part: usize) -> L {
        // SAFETY: above.
        unsafe { L::load_bf16(self.0.add(column + part * L::COUNT)) }
    }
}
impl Format for Int8 {
    #[inline(always)]
    unsafe fn at_row(self, row: usize) -> Self {
        // SAFETY: above.
        unsafe {
            Self(
                self.0.add(row * self.2),
                self.1.add(row * self.2 / BLOCK),
                self.2,
            )
        }
    }
    #[inline(always)]
    unsafe fn weights<L: Lanes>(self, column: usize, part: usize) -> L {
        // SAFETY: above.
        unsafe {
            let scale = L::splat(*self.1.add(column / BLOCK));
            L::load_i8(self.0.add(column + part * L::COUNT)).multiply(scale)
        }
    }
}
impl Format for Int4 {
    #[inline(always)]
    unsafe fn at_row(self, row: usize) -> Self {
        // SAFETY: above.
        unsafe {
            Self(
                self.0.add(row * self.2 / 2),
                self.1.add(row * self.2 / BLOCK),
                self.2,
            )
        }
    }
    #[inline(always)]
    unsafe fn weights<L: Lanes>(self, column: usize, part: usize) -> L {
        // SAFETY: above.
        unsafe {
            let scale = L::splat(*self.1.add(column / BLOCK));
            L::load_i4(self.0.add(column / 2), part).multiply(scale)
        }
    }
}

/// Lane sums of four rows by `T` activations over columns `from .. to` (multiples of 32).
///
/// # Safety
/// As [`Lanes`]; rows and columns are inside the matrix, and `x` is readable up to `to`.
#[inline(always)]
unsafe fn tile<L: Lanes, F: Format, const T: usize>(
    rows: &[F; ROWS],
    x: &[*const f32; T],
    from: usize,
    to: usize,
) -> [[L; ROWS]; T] {
    // SAFETY: the caller's; 32 columns are a whole number of vectors.
    unsafe {
        let mut sums = [[L::splat(0.0); ROWS]; T];
        let mut column = from;
        while column < to {
            for part in 0..const { BLOCK / L::COUNT } {
                let mut now = [L::splat(0.0); T];
                for t in 0..T {
                    now[t] = L::load(x[t].add(column + part * L::COUNT));
                }
                for lane in 0..ROWS {
                    let weights = rows[lane].weights::<L>(column, part);
                    for t in 0..T {
                        sums[t][lane] = weights.multiply_add(now[t], sums[t][lane]);
                    }
                }
            }
            column += BLOCK;
        }
        sums
    }
}

/// The shape of one product: what `tile` is run over.
#[derive(Clone, Copy)]
pub(crate) struct Product<F> {
    pub format: F,
    pub rows: usize,
    pub columns: usize,
    pub tokens: usize,
    pub x: *const f32,
}

impl<F: Format> Product<F> {
    /// Four rows from `row` on. Rows past the last are read as the last.
    ///
    /// # Safety
    /// The matrix has a row.
    #[inline(always)]
    unsafe fn four(&self, row: usize) -> [F; ROWS] {
        let last = self.rows - 1;
        // SAFETY: the caller's.
        unsafe {
            [
                self.format.at_row(row.min(last)),
                self.format.at_row((row + 1).min(last)),
                self.format.at_row((row + 2).min(last)),
                self.format.at_row((row + 3).min(last)),
            ]
        }
    }

    /// # Safety
    /// `token + T` rows of `x` are readable.
    #[inline(always)]
    unsafe fn activations<const T: usize>(&self, token: usize) -> [*const f32; T] {
        let mut all = [self.x; T];
        for (t, one) in all.iter_mut().enumerate() {
            // SAFETY: the caller's.
            *one = unsafe { self.x.add((token + t) * self.columns) };
        }
        all
    }

    /// `out[token][row] = weights[row] · x[token]`.
    ///
    /// # Safety
    /// As [`Lanes`]; the matrix and `x` are readable as their sizes say, and `out` holds `tokens · rows`.
    #[inline(always)]
    pub(crate) unsafe fn dot<L: Lanes>(self, out: &mut [f32]) {
        let mut row = 0;
        while row < self.rows {
            let mut token = 0;
            while token < self.tokens {
                // SAFETY: the caller's; each arm stays below `tokens`.
                token += unsafe {
                    match self.tokens - token {
                        1 => self.dot_tile::<L, 1>(row, token, out),
                        2 => self.dot_tile::<L, 2>(row, token, out),
                        _ => self.dot_tile::<L, 3>(row, token, out),
                    }
                };
            }
            row += ROWS;
        }
    }

    #[inline(always)]
    unsafe fn dot_tile<L: Lanes, const T: usize>(
        &self,
        row: usize,
        token: usize,
        out: &mut [f32],
    ) -> usize {
        // SAFETY: the caller's.
        let sums =
            unsafe { tile::<L, F, T>(&self.four(row), &self.activations(token), 0, self.columns) };
        let count = ROWS.min(self.rows - row);
        for t in 0..T {
            let start = (token + t) * self.rows + row;
            // SAFETY: the caller's.
            let sums = unsafe { L::sums(sums[t]) };
            out[start..start + count].copy_from_slice(&sums[..count]);
        }
        T
    }

    /// As `dot`, but summed block by block in fixed point. `good[token]` is cleared when a block is out of range.
    ///
    /// # Safety
    /// As `dot`; `block` is a multiple of 32, and `good` holds `tokens`.
    #[inline(always)]
    pub(crate) unsafe fn dot_fixed<L: Lanes>(
        self,
        block: usize,
        out: &mut [i64],
        good: &mut [bool],
    ) {
        let mut row = 0;
        while row < self.rows {
            let mut token = 0;
            while token < self.tokens {
                // SAFETY: the caller's; each arm stays below `tokens`.
                token += unsafe {
                    match self.tokens - token {
                        1 => self.fixed_tile::<L, 1>(row, token, block, out, good),
                        2 => self.fixed_tile::<L, 2>(row, token, block, out, good),
                        _ => self.fixed_tile::<L, 3>(row, token, block, out, good),
                    }
                };
            }
            row += ROWS;
        }
    }

    #[inline(always)]
    unsafe fn fixed_tile<L: Lanes, const T: usize>(
        &self,
        row: usize,
        token: usize,
        block: usize,
        out: &mut [i64],
        good: &mut [bool],
    ) -> usize {
        let mut totals = [[0_i64; ROWS]; T];
        let mut fine = [true; T];
        // SAFETY: the caller's.
        let (rows, x) = unsafe { (self.four(row), self.activations::<T>(token)) };
        let mut from = 0;
        while from < self.columns {
            let to = (from + block).min(self.columns);
            // SAFETY: the caller's.
            let sums = unsafe { tile::<L, F, T>(&rows, &x, from, to) };
            for t in 0..T {
                // SAFETY: the caller's.
                fine[t] &= accumulate(unsafe { L::sums(sums[t]) }, &mut totals[t]);
            }
            from = to;
        }
        let count = ROWS.min(self.rows - row);
        for t in 0..T {
            let start = (token + t) * self.rows + row;
            out[start..start + count].copy_from_slice(&totals[t][..count]);
            good[token + t] &= fine[t];
        }
        T
    }
}

/// `gate = gate / (1 + e⁻ᵍᵃᵗᵉ) · up`.
///
/// # Safety
/// As [`Lanes`]; both have the same length, a multiple of 32.
#[inline(always)]
pub(crate) unsafe fn silu_multiply<L: Lanes>(gate: &mut [f32], up: &[f32]) {
    for at in (0..gate.len()).step_by(L::COUNT) {
        // SAFETY: the caller's.
        unsafe {
            let value = L::load(gate.as_ptr().add(at));
            let one = L::splat(1.0);
            let bottom = exponential(value.multiply(L::splat(-1.0))).add(one);
            value
                .divide(bottom)
                .multiply(L::load(up.as_ptr().add(at)))
                .store(gate.as_mut_ptr().add(at));
        }
    }
}

/// One query head over the keys and values of one head; see [`Attention`].
///
/// # Safety
/// As [`Lanes`]; sizes as [`Attention`] says.
#[inline(always)]
pub(crate) unsafe fn attend<L: Lanes>(attention: Attention<'_>) {
    let Attention {
        query,
        keys,
        values,
        scale,
        scores,
        out,
    } = attention;
    let width = query.len();
    let count = keys.len() / width;
    // SAFETY: the caller's.
    unsafe {
        let product = Product {
            format: F32(keys.as_ptr(), width),
            rows: count,
            columns: width,
            tokens: 1,
            x: query.as_ptr(),
        };
        product.dot::<L>(&mut scores[..count]);
        let most = scores[..count]
            .iter()
            .fold(f32::NEG_INFINITY, |most, score| most.max(*score));
        // Lanes past the last score are computed and then cleared, so that the sum has no tail.
        let whole = count.next_multiple_of(L::COUNT);
        scores[count..whole].fill(most);
        let (factor, shift) = (L::splat(scale), L::splat(-most * scale));
        for at in (0..whole).step_by(L::COUNT) {
            let score = L::load(scores.as_ptr().add(at));
            exponential(score.multiply_add(factor, shift)).store(scores.as_mut_ptr().add(at));
        }
        scores[count..whole].fill(0.0);
        let zero = L::splat(0.0);
        let total = (0..whole)
            .step_by(L::COUNT)
            .fold(zero, |sum, at| sum.add(L::load(scores.as_ptr().add(at))));
        let [total, ..] = L::sums([total, zero, zero, zero]);
        let part = 1.0 / total;
        for from in (0..width).step_by(BLOCK) {
            weigh::<L>(
                &scores[..count],
                values.as_ptr().add(from),
                width,
                part,
                &mut out[from..from + BLOCK],
            );
        }
    }
}

/// `out = part · Σ scores[i] · values[i]` over 32 columns of rows `width` apart.
///
/// # Safety
/// As [`Lanes`]; a row of `values` for each score, and 32 columns in `out`.
#[inline(always)]
unsafe fn weigh<L: Lanes>(
    scores: &[f32],
    values: *const f32,
    width: usize,
    part: f32,
    out: &mut [f32],
) {
    // SAFETY: the caller's. Four vectors hold 32 columns at the narrower width; at the wider, two are unused.
    unsafe {
        let vectors = BLOCK / L::COUNT;
        let mut sums = [L::splat(0.0); 4];
        for (row, score) in scores.iter().enumerate() {
            let score = L::splat(*score);
            for (index, sum) in sums.iter_mut().take(vectors).enumerate() {
                *sum =
                    score.multiply_add(L::load(values.add(row * width + index * L::COUNT)), *sum);
            }
        }
        for (index, sum) in sums.into_iter().take(vectors).enumerate() {
            sum.multiply(L::splat(part))
                .store(out.as_mut_ptr().add(index * L::COUNT));
        }
    }
}
