//! A result has the same bits whatever is computed beside it, and however its blocks are shared out.

use kernels::{BLOCK, Kernels, Matrix, Weights};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rows_and_tokens_do_not_touch_each_other(
        values in prop::collection::vec(-3.0_f32..3.0, 9 * 3 * BLOCK),
        x in prop::collection::vec(-3.0_f32..3.0, 5 * 3 * BLOCK),
        (first, count) in (0_usize..9).prop_flat_map(|first| (Just(first), 1..=9 - first)),
        (token, tokens) in (0_usize..5).prop_flat_map(|token| (Just(token), 1..=5 - token)),
    ) {
        let columns = 3 * BLOCK;
        let all = Matrix::new(Weights::F32(&values), columns);
        let some = Matrix::new(Weights::F32(&values[first * columns..(first + count) * columns]), columns);
        let beside = &x[token * columns..(token + tokens) * columns];
        for kernels in Kernels::available() {
            let (mut whole, mut part) = (vec![0.0; 5 * 9], vec![0.0; tokens * count]);
            kernels.dot(&all, &x, &mut whole);
            kernels.dot(&some, beside, &mut part);
            for t in 0..tokens {
                for row in 0..count {
                    prop_assert_eq!(whole[(token + t) * 9 + first + row].to_bits(), part[t * count + row].to_bits());
                }
            }
        }
    }

    #[test]
    fn blocks_add_up_in_any_sharing(
        values in prop::collection::vec(-3.0_f32..3.0, 5 * 8 * BLOCK),
        x in prop::collection::vec(-3.0_f32..3.0, 8 * BLOCK),
        cut in 1_usize..4,
    ) {
        // Eight blocks of 32, in pairs; a rank owns whole pairs.
        let (columns, cut) = (8 * BLOCK, cut * 2 * BLOCK);
        let (left, right): (Vec<f32>, Vec<f32>) = (
            values.chunks(columns).flat_map(|row| &row[..cut]).copied().collect(),
            values.chunks(columns).flat_map(|row| &row[cut..]).copied().collect(),
        );
        for kernels in Kernels::available() {
            let sums = |values: &[f32], x: &[f32]| {
                let (mut out, mut good) = (vec![0; 5], vec![true]);
                kernels.dot_fixed(&Matrix::new(Weights::F32(values), x.len()), 2 * BLOCK, x, &mut out, &mut good);
                out
            };
            let parts: Vec<i64> = sums(&left, &x[..cut]).iter().zip(sums(&right, &x[cut..])).map(|(a, b)| a + b).collect();
            prop_assert_eq!(parts, sums(&values, &x));
        }
    }
}
