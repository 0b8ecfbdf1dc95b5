//! Fixed-point sums: i64 with 34 fractional bits.
//!
//! Adding integers is associative, so block sums may be added in any order, by any number of ranks, to the same bits.

/// Fractional bits. 2⁻³⁴ is 6·10⁻¹¹: below the f32 rounding of anything larger than 0.001.
const FRACTION: u32 = 34;
/// Largest magnitude of one block's sum: the range of the conversion below. 4096 such blocks fit an i64.
pub const FIXED_LIMIT: f64 = 131_071.999_9;
const SCALE: f64 = (1_u64 << FRACTION) as f64;
/// Adding 1.5·2⁵² leaves a value's nearest integer (ties to even) in the low bits of the sum.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// Adds four block sums to four fixed-point sums. `false` when one was out of range or not a number; the sums are
/// then of no use.
#[inline(always)]
pub(crate) fn accumulate(sums: [f32; 4], into: &mut [i64; 4]) -> bool {
    let mut good = true;
    for (sum, into) in sums.into_iter().zip(into) {
        let wide = f64::from(sum);
        good &= wide.abs() <= FIXED_LIMIT;
        let bits = (wide * SCALE + MAGIC)
            .to_bits()
            .wrapping_sub(MAGIC.to_bits());
        *into = into.wrapping_add(bits.cast_signed());
    }
    good
}

/// The nearest f32 of a fixed-point sum: the one rounding of a split matrix's row.
#[inline]
pub fn from_fixed(sum: i64) -> f32 {
    const UNIT: f32 = 1.0 / (1_u64 << FRACTION) as f32;
    sum as f32 * UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_and_extremes_are_told() {
        for value in [0.0_f32, 1.0, -1.0, 0.1, -3.75e-5, 131_000.0, -131_000.0] {
            let mut into = [0; 4];
            assert!(accumulate([value, 0.0, -value, value], &mut into));
            let error = f64::from((from_fixed(into[0]) - value).abs());
            assert!(
                error <= f64::from(value.abs()) * 6e-8 + 3e-11,
                "{value}: off by {error}"
            );
            assert_eq!(into[2], -into[0]);
        }
        for value in [131_072.0, -2e9, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(!accumulate([0.0, value, 0.0, 0.0], &mut [0; 4]), "{value}");
        }
    }
}
