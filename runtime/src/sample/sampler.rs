//! Chooses the next token of one sequence.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::logprobs::Distribution;
use super::{SamplingParams, TokenLogprobs, draw};

/// The state of one sequence's sampling: its parameters, its draws and what it has said.
#[derive(Debug)]
pub struct Sampler {
    params: SamplingParams,
    draws: ChaCha8Rng,
    prompt: BTreeSet<u32>,
    output: BTreeMap<u32, u32>,
}

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: u32,
    /// Present where asked for.
    pub logprobs: Option<TokenLogprobs>,
}

/// Why no token could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    /// Nothing among the logits is a number that a token could be chosen by.
    #[error("choosing a token: none of the {count} logits is finite and allowed")]
    NoCandidate {
        /// How many logits the model gave.
        count: usize,
    },
}

impl Sampler {
    /// Starts a sequence. The prompt matters to the repetition penalty alone.
    pub fn new(params: SamplingParams, prompt: &[u32]) -> Self {
        Self {
            draws: ChaCha8Rng::seed_from_u64(params.seed),
            prompt: prompt.iter().copied().collect(),
            output: BTreeMap::new(),
            params,
        }
    }

    /// Takes the next token and remembers it.
    ///
    /// `logits` is one row of the model's output, overwritten. `banned` tokens are never chosen.
    /// `top` asks for log-probabilities with that many alternatives.
    pub fn sample(
        &mut self,
        logits: &mut [f32],
        banned: impl IntoIterator<Item = u32>,
        top: Option<usize>,
    ) -> Result<Sampled, SamplingError> {
        let distribution = top.map(|count| (Distribution::of(logits), count));
        self.penalise(logits);
        for token in banned {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = self.choose(logits).ok_or(SamplingError::NoCandidate {
            count: logits.len(),
        })?;
        *self.output.entry(token).or_default() += 1;
        Ok(Sampled {
            token,
            logprobs: distribution.map(|(distribution, count)| distribution.report(token, count)),
        })
    }

    fn penalise(&self, logits: &mut [f32]) {
        let SamplingParams {
            temperature: _,
            top_k: _,
            top_p: _,
            min_p: _,
            repetition_penalty,
            presence_penalty,
            frequency_penalty,
            logit_bias,
            seed: _,
        } = &self.params;
        for (token, bias) in logit_bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit += bias;
            }
        }
        if (repetition_penalty - 1.0).abs() > 0.0 {
            let unseen = self
                .prompt
                .iter()
                .filter(|token| !self.output.contains_key(token));
            for token in unseen.chain(self.output.keys()) {
                if let Some(logit) = logits.get_mut(*token as usize) {
                    *logit = if *logit > 0.0 {
                        *logit / repetition_penalty
                    } else {
                        *logit * repetition_penalty
                    };
                }
            }
        }
        for (token, count) in &self.output {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit -= presence_penalty + frequency_penalty * *count as f32;
            }
        }
    }

    fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        if self.params.temperature <= 0.0 {
            return draw::likeliest(logits);
        }
        // 53 random bits make every double of [0, 1) on that grid equally likely.
        let point = (self.draws.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        draw::pick(&draw::candidates(logits, &self.params), point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sampled(
        change: impl FnOnce(&mut SamplingParams),
        prompt: &[u32],
        rows: &[&[f32]],
    ) -> Vec<u32> {
        let mut params = SamplingParams::greedy();
        change(&mut params);
        let mut sampler = Sampler::new(params, prompt);
        let next = |row: &&[f32]| sampler.sample(&mut row.to_vec(), [], None).unwrap().token;
        rows.iter().map(next).collect()
    }

    #[test]
    fn penalties_and_biases_move_the_choice() {
        let row: &[f32] = &[2.0, 1.8, -1.0];
        let rows = [row; 3];
        let check = |change: fn(&mut SamplingParams), prompt: &[u32], expected: &[u32]| {
            assert_eq!(sampled(change, prompt, &rows), expected);
        };
        check(|_| {}, &[], &[0, 0, 0]);
        check(|p| p.presence_penalty = 0.3, &[], &[0, 1, 0]);
        check(|p| p.frequency_penalty = 0.15, &[], &[0, 0, 1]);
        check(|p| p.repetition_penalty = 1.3, &[], &[0, 1, 0]);
        // The prompt counts for repetition and for nothing else.
        check(|p| p.repetition_penalty = 1.3, &[0], &[1, 0, 0]);
        check(|p| p.presence_penalty = 0.3, &[0], &[0, 1, 0]);
        check(
            |p| p.logit_bias = vec![(2, 4.0), (99, 100.0)],
            &[],
            &[2, 2, 2],
        );
        check(|p| p.logit_bias = vec![(0, -100.0)], &[7], &[1, 1, 1]);
    }

    #[test]
    fn negative_logits_are_repelled_too() {
        assert_eq!(
            sampled(|p| p.repetition_penalty = 2.0, &[0], &[&[-1.0, -1.5]]),
            [1]
        );
    }

    #[test]
    fn banned_tokens_never_come() {
        let mut sampler = Sampler::new(SamplingParams::greedy(), &[]);
        assert_eq!(
            sampler
                .sample(&mut [3.0, 2.0, 1.0], [0, 1, 50], None)
                .unwrap()
                .token,
            2
        );
        let error = sampler.sample(&mut [3.0], [0], None).unwrap_err();
        assert_eq!(error, SamplingError::NoCandidate { count: 1 });
    }

    #[test]
    fn logprobs_are_the_models_own() {
        let mut params = SamplingParams::greedy();
        params.logit_bias = vec![(1, 50.0)];
        let got = Sampler::new(params, &[])
            .sample(&mut [0.0, 0.0], [], Some(2))
            .unwrap();
        let logprobs = got.logprobs.unwrap();
        assert_eq!((got.token, logprobs.chosen.token), (1, 1));
        assert!((logprobs.chosen.value + std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(logprobs.top.len(), 2);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let row = [0.7f32.ln(), 0.2f32.ln(), 0.1f32.ln()];
        let tokens = sampled(
            |p| (p.temperature, p.seed) = (1.0, 5),
            &[],
            &vec![&row[..]; 4000],
        );
        for (token, expected) in [(0, 0.7), (1, 0.2), (2, 0.1)] {
            let share = tokens.iter().filter(|t| **t == token).count() as f64 / 4000.0;
            // Four standard deviations of the widest of the three.
            assert!((share - expected).abs() < 0.03, "{token}: {share}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_seed_fixes_the_stream(seed: u64, rows in prop::collection::vec(prop::collection::vec(-5.0f32..5.0, 8), 1..20)) {
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            let run = || sampled(|p| (p.temperature, p.top_p, p.seed) = (0.9, 0.95, seed), &[], &rows);
            prop_assert_eq!(run(), run());
        }
    }
}
