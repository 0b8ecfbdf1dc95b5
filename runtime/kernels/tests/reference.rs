//! Every implementation against plain scalar arithmetic in f64, at odd sizes.

use kernels::{Attention, BLOCK, Kernels, Matrix, Weights, from_fixed};
use proptest::prelude::*;

/// Owned weights of one format.
#[derive(Debug, Clone)]
enum Owned {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
    Int8(Vec<i8>, Vec<f32>),
    Int4(Vec<u8>, Vec<f32>),
}

impl Owned {
    fn borrow(&self) -> Weights<'_> {
        match self {
            Self::F32(values) => Weights::F32(values),
            Self::Bf16(values) => Weights::Bf16(values),
            Self::Int8(quants, scales) => Weights::Int8 { quants, scales },
            Self::Int4(quants, scales) => Weights::Int4 { quants, scales },
        }
    }
}

/// Numbers without an ear for beauty: reproducible, of both signs, never equal to each other for long.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The four formats of `count` weights.
fn formats(seed: u64, count: usize) -> [Owned; 4] {
    let values = noise(seed, count);
    let bytes = values.iter().map(|value| (value * 127.0) as i8).collect();
    let nibbles = noise(seed + 1, count / 2)
        .iter()
        .map(|value| (value * 128.0 + 128.0) as u8)
        .collect();
    let scales = noise(seed + 2, count / BLOCK);
    let halves = values
        .iter()
        .map(|value| (value.to_bits() >> 16) as u16)
        .collect();
    [
        Owned::F32(values),
        Owned::Bf16(halves),
        Owned::Int8(bytes, scales.clone()),
        Owned::Int4(nibbles, scales),
    ]
}

/// The exact result, and the sum of magnitudes that rounding errors are measured by.
fn exact(weights: &[f32], x: &[f32]) -> (f64, f64) {
    weights
        .iter()
        .zip(x)
        .fold((0.0, 0.0), |(sum, size), (w, x)| {
            let product = f64::from(*w) * f64::from(*x);
            (sum + product, size + product.abs())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_agree(rows in 1_usize..11, blocks in 1_usize..8, tokens in 1_usize..8, width in 1_usize..5, seed in 0_u64..1 << 40) {
        let columns = blocks * BLOCK;
        let x = noise(seed + 3, tokens * columns);
        for owned in formats(seed, rows * columns) {
            let matrix = Matrix::new(owned.borrow(), columns);
            let mut row = vec![0.0; columns];
            for kernels in Kernels::available() {
                let mut plain = vec![f32::NAN; tokens * rows];
                kernels.dot(&matrix, &x, &mut plain);
                let mut fixed = vec![i64::MIN; tokens * rows];
                let mut good = vec![true; tokens];
                kernels.dot_fixed(&matrix, width * BLOCK, &x, &mut fixed, &mut good);
                prop_assert!(good.iter().all(|good| *good));
                for at in 0..rows {
                    matrix.read_row(at, &mut row);
                    for token in 0..tokens {
                        let (sum, size) = exact(&row, &x[token * columns..(token + 1) * columns]);
                        let bound = size * 2e-6 + 1e-9;
                        for found in [plain[token * rows + at], from_fixed(fixed[token * rows + at])] {
                            let off = (f64::from(found) - sum).abs();
                            prop_assert!(off <= bound, "{kernels:?}: {found} for {sum}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn gates_agree(blocks in 1_usize..4, size in 0.01_f32..40.0, seed in 0_u64..1 << 40) {
        let gate: Vec<f32> = noise(seed, blocks * BLOCK).iter().map(|value| value * size).collect();
        let up = noise(seed + 1, gate.len());
        for kernels in Kernels::available() {
            let mut found = gate.clone();
            kernels.silu_multiply(&mut found, &up);
            for ((found, gate), up) in found.iter().zip(&gate).zip(&up) {
                let gate = f64::from(*gate);
                let expected = gate / (1.0 + (-gate).exp()) * f64::from(*up);
                prop_assert!((f64::from(*found) - expected).abs() <= expected.abs() * 2e-6 + 1e-12, "{kernels:?}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn attention_agrees(count in 1_usize..70, blocks in 1_usize..5, size in 0.1_f32..8.0, seed in 0_u64..1 << 40) {
        let width = blocks * BLOCK;
        let query: Vec<f32> = noise(seed, width).iter().map(|value| value * size).collect();
        let (keys, values) = (noise(seed + 1, count * width), noise(seed + 2, count * width));
        let scale = 0.25;
        let scores: Vec<f64> = keys.chunks(width).map(|key| exact(key, &query).0 * f64::from(scale)).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let parts: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let total: f64 = parts.iter().sum();
        for kernels in Kernels::available() {
            let (mut scratch, mut out) = (vec![f32::NAN; count + 16], vec![f32::NAN; width]);
            kernels.attend(Attention { query: &query, keys: &keys, values: &values, scale, scores: &mut scratch, out: &mut out });
            for (column, found) in out.iter().enumerate() {
                let expected: f64 = parts.iter().zip(values.chunks(width)).map(|(part, value)| part / total * f64::from(value[column])).sum();
                prop_assert!((f64::from(*found) - expected).abs() <= 2e-5, "{kernels:?}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn the_portable_kernels_are_always_there() {
    let names: Vec<&str> = Kernels::available()
        .iter()
        .map(|kernels| kernels.name())
        .collect();
    assert_eq!(names.last(), Some(&"portable"));
    assert_eq!(Kernels::detect().name(), names[0]);
    assert!(Kernels::named("portable").is_some() && Kernels::named("vector9000").is_none());
}

#[test]
fn a_block_out_of_range_is_told_by_token() {
    let mut weights = vec![1.0_f32; 3 * BLOCK];
    weights[BLOCK] = 1e6;
    let matrix = Matrix::new(Weights::F32(&weights), BLOCK);
    let x: Vec<f32> = [0.5_f32, 0.0, 1.0]
        .iter()
        .flat_map(|value| [*value; BLOCK])
        .collect();
    for kernels in Kernels::available() {
        let (mut out, mut good) = (vec![0; 9], vec![true; 3]);
        kernels.dot_fixed(&matrix, BLOCK, &x, &mut out, &mut good);
        assert_eq!(good, [false, true, false], "{kernels:?}");
    }
}
