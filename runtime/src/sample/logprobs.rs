//! Log-probabilities of the model itself, before any sampling parameter.

/// One token's natural log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logprob {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability; at most 0.
    pub value: f32,
}

/// The chosen token's log-probability and the likeliest alternatives.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// The token that was taken.
    pub chosen: Logprob,
    /// The likeliest tokens in falling order; the chosen one need not be among them.
    pub top: Vec<Logprob>,
}

/// Log-softmax of a row, kept until the token is chosen.
#[derive(Debug)]
pub(super) struct Distribution {
    logits: Vec<f32>,
    normaliser: f64,
}

impl Distribution {
    pub(super) fn of(logits: &[f32]) -> Self {
        let finite = || {
            logits
                .iter()
                .map(|l| f64::from(*l))
                .filter(|l| l.is_finite())
        };
        let top = finite().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = finite().map(|logit| (logit - top).exp()).sum();
        Self {
            logits: logits.to_vec(),
            normaliser: top + sum.ln(),
        }
    }

    pub(super) fn report(&self, chosen: u32, count: usize) -> TokenLogprobs {
        let mut order: Vec<u32> = (0..self.logits.len() as u32).collect();
        let count = count.min(order.len());
        let falling = |a: &u32, b: &u32| self.value(*b).total_cmp(&self.value(*a)).then(a.cmp(b));
        if count > 0 && count < order.len() {
            order.select_nth_unstable_by(count - 1, falling);
        }
        order.truncate(count);
        order.sort_unstable_by(falling);
        TokenLogprobs {
            chosen: self.logprob(chosen),
            top: order.into_iter().map(|token| self.logprob(token)).collect(),
        }
    }

    fn logprob(&self, token: u32) -> Logprob {
        Logprob {
            token,
            value: self.value(token),
        }
    }

    /// JSON has no infinity: what cannot happen is reported as the API does, as a very small number.
    fn value(&self, token: u32) -> f32 {
        const NEVER: f32 = -9999.0;
        match self.logits.get(token as usize) {
            Some(logit) if logit.is_finite() => {
                ((f64::from(*logit) - self.normaliser) as f32).max(NEVER)
            }
            Some(_) | None => NEVER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_the_softmax() {
        let check = |logits: &[f32], chosen, count, expected: f32, top: &[u32]| {
            let report = Distribution::of(logits).report(chosen, count);
            assert!((report.chosen.value - expected).abs() < 1e-6, "{report:?}");
            assert_eq!(report.top.iter().map(|l| l.token).collect::<Vec<_>>(), top);
        };
        check(&[0.0, 0.0], 1, 0, -std::f32::consts::LN_2, &[]);
        check(
            &[5.0, 5.0, 5.0, 5.0],
            3,
            2,
            -2.0 * std::f32::consts::LN_2,
            &[0, 1],
        );
        check(&[-1e4, 1e4], 1, 9, 0.0, &[1, 0]);
        check(&[f32::NEG_INFINITY, 0.0], 0, 1, -9999.0, &[1]);
        check(&[f32::NAN, 0.0], 1, 2, 0.0, &[1, 0]);
    }
}
