//! Which tokens stay in the draw, and the draw itself.

use super::SamplingParams;

/// A token that may be drawn, with its weight: its probability up to a common factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub token: u32,
    pub weight: f64,
}

/// The token with the largest logit, the lowest id among equals; `None` where no logit is finite.
pub(super) fn likeliest(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(usize, f32)> = None;
    for (token, &logit) in logits.iter().enumerate() {
        if logit.is_finite() && best.is_none_or(|(_, top)| logit > top) {
            best = Some((token, logit));
        }
    }
    best.map(|(token, _)| token as u32)
}

/// The tokens that stay, in falling order of weight (ids break ties) where a filter needs order.
///
/// Filters apply in the order of the reference implementation: temperature, top-k, top-p, min-p.
pub(super) fn candidates(logits: &[f32], params: &SamplingParams) -> Vec<Candidate> {
    let top = logits
        .iter()
        .copied()
        .filter(|logit| logit.is_finite())
        .fold(f32::NEG_INFINITY, f32::max);
    let scale = f64::from(params.temperature).recip();
    let mut kept: Vec<Candidate> = logits
        .iter()
        .enumerate()
        .filter(|(_, logit)| logit.is_finite())
        .map(|(token, &logit)| Candidate {
            token: token as u32,
            weight: ((f64::from(logit) - f64::from(top)) * scale).exp(),
        })
        .collect();
    keep_top_k(&mut kept, params.top_k as usize);
    keep_top_p(&mut kept, f64::from(params.top_p));
    let least = f64::from(params.min_p);
    // The likeliest token has weight 1.
    kept.retain(|candidate| candidate.weight >= least);
    kept
}

fn falling(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.weight.total_cmp(&a.weight).then(a.token.cmp(&b.token))
}

fn keep_top_k(kept: &mut Vec<Candidate>, k: usize) {
    if k == 0 || k >= kept.len() {
        return;
    }
    kept.select_nth_unstable_by(k - 1, falling);
    kept.truncate(k);
    kept.sort_unstable_by(falling);
}

/// The smallest set of likeliest tokens whose weights reach the share `p`.
fn keep_top_p(kept: &mut Vec<Candidate>, p: f64) {
    if p >= 1.0 || kept.is_empty() {
        return;
    }
    let total: f64 = kept.iter().map(|candidate| candidate.weight).sum();
    // Tokens below this share add up to less than 1 - p together, so none of them is needed:
    // dropping them first leaves little to sort in a large vocabulary.
    let needless = total * (1.0 - p) / kept.len() as f64;
    kept.retain(|candidate| candidate.weight >= needless);
    kept.sort_unstable_by(falling);
    let mut reached = 0.0;
    let enough = kept.iter().position(|candidate| {
        reached += candidate.weight;
        reached >= total * p
    });
    kept.truncate(enough.map_or(kept.len(), |last| last + 1));
}

/// The candidate at a point of [0, 1) of the summed weights; `None` of none.
pub(super) fn pick(kept: &[Candidate], point: f64) -> Option<u32> {
    let total: f64 = kept.iter().map(|candidate| candidate.weight).sum();
    let mut rest = point * total;
    for candidate in kept {
        rest -= candidate.weight;
        if rest < 0.0 {
            return Some(candidate.token);
        }
    }
    // Rounding can leave a sliver beyond the last candidate.
    kept.last().map(|candidate| candidate.token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Logits whose softmax is 0.5, 0.25, 0.125, 0.125.
    fn halves() -> Vec<f32> {
        [0.5f32, 0.25, 0.125, 0.125]
            .iter()
            .map(|p| p.ln())
            .collect()
    }

    fn params(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
        let mut params = SamplingParams::greedy();
        params.temperature = 1.0;
        change(&mut params);
        params
    }

    #[test]
    fn filters_keep_what_they_say() {
        let check = |change: fn(&mut SamplingParams), expected: &[u32]| {
            let kept = candidates(&halves(), &params(change));
            let mut tokens: Vec<u32> = kept.iter().map(|candidate| candidate.token).collect();
            tokens.sort_unstable();
            assert_eq!(tokens, expected);
        };
        check(|_| {}, &[0, 1, 2, 3]);
        check(|p| p.top_k = 1, &[0]);
        check(|p| p.top_k = 3, &[0, 1, 2]);
        check(|p| p.top_k = 9, &[0, 1, 2, 3]);
        check(|p| p.top_p = 0.01, &[0]);
        check(|p| p.top_p = 0.51, &[0, 1]);
        check(|p| p.top_p = 0.8, &[0, 1, 2]);
        check(|p| p.min_p = 0.4, &[0, 1]);
        check(|p| p.min_p = 0.9, &[0]);
        // top-p counts within what top-k left: 0.5 of 0.75.
        check(|p| (p.top_k, p.top_p) = (2, 0.6), &[0]);
        // Heat evens the odds: at 100 all weights are nearly 1.
        check(|p| (p.temperature, p.min_p) = (100.0, 0.9), &[0, 1, 2, 3]);
    }

    #[test]
    fn the_likeliest_has_the_lowest_id_and_is_a_number() {
        let check = |logits: &[f32], expected| assert_eq!(likeliest(logits), expected);
        check(&[1.0, 3.0, 3.0], Some(1));
        check(&[f32::NAN, f32::NEG_INFINITY, -5.0], Some(2));
        check(&[f32::NAN, f32::INFINITY], None);
        check(&[], None);
    }

    #[test]
    fn points_fall_where_weights_say() {
        let kept = candidates(&halves(), &params(|p| p.top_k = 3));
        let check = |point, expected| assert_eq!(pick(&kept, point), Some(expected));
        check(0.0, 0);
        check(0.57, 0);
        check(0.58, 1);
        check(0.85, 1);
        check(0.86, 2);
        check(1.0 - f64::EPSILON, 2);
        assert_eq!(pick(&[], 0.5), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn top_p_keeps_the_smallest_set_that_reaches(logits in prop::collection::vec(-20.0f32..20.0, 1..200), p in 0.01f32..0.999) {
            let kept = candidates(&logits, &params(|params| params.top_p = p));
            let all = candidates(&logits, &params(|_| {}));
            let total: f64 = all.iter().map(|c| c.weight).sum();
            let sum: f64 = kept.iter().map(|c| c.weight).sum();
            let slack = total * 1e-9;
            prop_assert!(sum + slack >= total * f64::from(p));
            let last = kept.last().unwrap().weight;
            prop_assert!(sum - last - slack < total * f64::from(p));
            prop_assert!(all.iter().all(|c| kept.contains(c) || c.weight <= last));
        }

        #[test]
        fn a_draw_is_one_of_the_kept(logits in prop::collection::vec(-90.0f32..90.0, 1..50), k in 0u32..60, p in 0.01f32..1.0, m in 0.0f32..0.99, point in 0.0f64..1.0) {
            let params = params(|params| (params.top_k, params.top_p, params.min_p) = (k, p, m));
            let kept = candidates(&logits, &params);
            let token = pick(&kept, point);
            prop_assert!(token.is_some());
            prop_assert!(kept.iter().any(|c| Some(c.token) == token));
            // Whatever the filters, the likeliest stays.
            prop_assert!(kept.iter().any(|c| Some(c.token) == likeliest(&logits)));
        }
    }
}
