//! Packing rows of floats into the stored formats.

use super::Precision;

const BLOCK: usize = 32;

/// Packed bytes of some rows, quants and scales apart.
#[derive(Debug, Default)]
pub struct Packed {
    /// The numbers themselves.
    pub values: Vec<u8>,
    /// One scale for each 32 of them, in the integer formats.
    pub scales: Vec<u8>,
}

impl Packed {
    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.scales.clear();
    }

    /// Appends a row, whose length is a multiple of 32.
    pub fn push(&mut self, row: &[f32], precision: Precision) {
        match precision {
            Precision::F32 => self.push_floats(row),
            Precision::Bf16 => {
                self.values.extend(
                    row.iter()
                        .flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()),
                );
            }
            Precision::Int8 => row
                .chunks_exact(BLOCK)
                .for_each(|block| self.push_int8(block)),
            Precision::Int4 => row
                .chunks_exact(BLOCK)
                .for_each(|block| self.push_int4(block)),
        }
    }

    /// Appends plain floats.
    pub fn push_floats(&mut self, row: &[f32]) {
        self.values
            .extend(row.iter().flat_map(|value| value.to_le_bytes()));
    }

    fn push_int8(&mut self, block: &[f32]) {
        let largest = block
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let scale = largest / 127.0;
        let inverse = inverse(scale);
        let quant = |value: &f32| round((value * inverse).clamp(-127.0, 127.0)) as i8;
        self.values
            .extend(block.iter().map(|value| quant(value).cast_unsigned()));
        self.scales.extend(scale.to_le_bytes());
    }

    fn push_int4(&mut self, block: &[f32]) {
        let scale = int4_scale(block);
        let inverse = inverse(scale);
        let quant = |value: f32| (int4_quant(value, inverse) + 8.0) as u8;
        let (low, high) = block.split_at(BLOCK / 2);
        self.values.extend(
            low.iter()
                .zip(high)
                .map(|(low, high)| quant(*low) | quant(*high) << 4),
        );
        self.scales.extend(scale.to_le_bytes());
    }
}

/// One over a scale; zero for a block whose numbers are all zero, or too small to have an inverse.
fn inverse(scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// The nearest whole number, ties to even, of a value well below 2²². Without it, rounding is a library call on the
/// baseline instruction set, and half of a build's time.
fn round(value: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (value + MAGIC) - MAGIC
}

fn int4_quant(value: f32, inverse: f32) -> f32 {
    round((value * inverse).clamp(-8.0, 7.0))
}

/// The scale of a block that loses least: the number of largest magnitude lies at, or a little outside, the end of
/// the range that has eight steps, whose sign the scale takes.
fn int4_scale(block: &[f32]) -> f32 {
    let extreme = block.iter().fold(0.0_f32, |most, value| {
        if value.abs() > most.abs() {
            *value
        } else {
            most
        }
    });
    let loss = |scale: f32| {
        let inverse = inverse(scale);
        // Eight lanes, so that the compiler may use them.
        let mut lanes = [0.0_f32; 8];
        for values in block.chunks_exact(8) {
            for (lane, value) in lanes.iter_mut().zip(values) {
                let off = value - int4_quant(*value, inverse) * scale;
                *lane += off * off;
            }
        }
        lanes.iter().sum::<f32>()
    };
    let mut best = (f32::INFINITY, 0.0);
    for steps in [-8.0_f32, -8.6, -9.2, -7.4, 7.0, 7.6] {
        let scale = extreme / steps;
        let loss = loss(scale);
        if loss < best.0 {
            best = (loss, scale);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use kernels::{Matrix, Weights};
    use proptest::prelude::*;

    use super::*;

    fn floats(bytes: &[u8]) -> Vec<f32> {
        let words = bytes.chunks_exact(4);
        words
            .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect()
    }

    fn unpack(row: &[f32], precision: Precision) -> Vec<f32> {
        let mut packed = Packed::default();
        packed.push(row, precision);
        let (values, scales) = (packed.values, floats(&packed.scales));
        let wide = if precision == Precision::F32 {
            floats(&values)
        } else {
            Vec::new()
        };
        let halves: Vec<u16> = values
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let weights = match precision {
            Precision::F32 => Weights::F32(&wide),
            Precision::Bf16 => Weights::Bf16(&halves),
            Precision::Int8 => Weights::Int8 {
                quants: bytemuck::cast_slice(&values),
                scales: &scales,
            },
            Precision::Int4 => Weights::Int4 {
                quants: &values,
                scales: &scales,
            },
        };
        let mut out = vec![0.0; row.len()];
        Matrix::new(weights, row.len()).read_row(0, &mut out);
        out
    }

    proptest! {
        #[test]
        fn packing_loses_no_more_than_its_steps(row in prop::collection::vec(-10.0_f32..10.0, 64)) {
            // Of the largest magnitude in a block: half a step, and for four bits the room beyond the seventh step where
            // the scale is the largest over 9.2 and a number of the other sign is as large.
            let bounds = [(Precision::F32, 0.0), (Precision::Bf16, 1.0 / 256.0), (Precision::Int8, 0.51 / 127.0), (Precision::Int4, 0.24)];
            for (precision, bound) in bounds {
                let back = unpack(&row, precision);
                for (before, after) in row.chunks(32).zip(back.chunks(32)) {
                    let largest = before.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                    for (a, b) in before.iter().zip(after) {
                        prop_assert!((a - b).abs() <= largest * bound, "{precision:?}: {a} became {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn zeros_and_extremes_stay() {
        for precision in [
            Precision::F32,
            Precision::Bf16,
            Precision::Int8,
            Precision::Int4,
        ] {
            assert_eq!(unpack(&[0.0; 32], precision), [0.0; 32], "{precision:?}");
            assert!(
                unpack(&[1e-42; 32], precision)
                    .iter()
                    .all(|value| value.is_finite()),
                "{precision:?}"
            );
        }
    }
}
