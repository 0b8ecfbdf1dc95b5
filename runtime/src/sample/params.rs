//! How a request wants its tokens chosen, and what a model's publisher recommends.

use serde_json::{Map, Value};

/// Validated sampling parameters of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// 0 takes the likeliest token; above, logits are divided by it.
    pub temperature: f32,
    /// Only this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Only the likeliest tokens that together reach this probability, in (0, 1].
    pub top_p: f32,
    /// Only tokens at least this likely relative to the likeliest, in [0, 1).
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen in prompt or output; 1 is none.
    pub repetition_penalty: f32,
    /// Subtracted once from logits of tokens in the output.
    pub presence_penalty: f32,
    /// Subtracted from logits once for each time the token is in the output.
    pub frequency_penalty: f32,
    /// Added to the logits of these tokens before anything else.
    pub logit_bias: Vec<(u32, f32)>,
    /// Fixes the draws.
    pub seed: u64,
}

impl SamplingParams {
    /// The likeliest token each time.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..SamplingDefaults::default().params(0)
        }
    }
}

/// What applies where a request says nothing.
///
/// The API's own defaults, overridden by the model's `generation_config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingDefaults {
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    repetition_penalty: f32,
}

impl Default for SamplingDefaults {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
        }
    }
}

impl SamplingDefaults {
    /// Recommendations outside the meaning of their parameter are passed over.
    pub fn from_generation_config(config: &Map<String, Value>) -> Self {
        let number = |name: &str, sound: fn(f64) -> bool| {
            config
                .get(name)
                .and_then(Value::as_f64)
                .filter(|value| sound(*value))
        };
        let base = Self::default();
        let real =
            |name, sound, other: f32| number(name, sound).map_or(other, |value| value as f32);
        // A publisher that says not to sample means greedy, whatever temperature stands beside it.
        let temperature = if config.get("do_sample") == Some(&Value::Bool(false)) {
            0.0
        } else {
            real(
                "temperature",
                |t| (0.0..=2.0).contains(&t),
                base.temperature,
            )
        };
        Self {
            temperature,
            top_k: number("top_k", |k| (0.0..=1e9).contains(&k)).map_or(base.top_k, |k| k as u32),
            top_p: real("top_p", |p| p > 0.0 && p <= 1.0, base.top_p),
            min_p: real("min_p", |p| (0.0..1.0).contains(&p), base.min_p),
            repetition_penalty: real(
                "repetition_penalty",
                |p| p > 0.0 && p <= 10.0,
                base.repetition_penalty,
            ),
        }
    }

    /// Parameters of a request that says nothing.
    pub fn params(&self, seed: u64) -> SamplingParams {
        let Self {
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
        } = *self;
        SamplingParams {
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publishers_sound_recommendations_count() {
        let check = |config: &str, expected: SamplingDefaults| {
            let config = serde_json::from_str(config).unwrap();
            assert_eq!(SamplingDefaults::from_generation_config(&config), expected);
        };
        let base = SamplingDefaults::default;
        check("{}", base());
        let greedy = || SamplingDefaults {
            temperature: 0.0,
            ..base()
        };
        check(r#"{"do_sample": false}"#, greedy());
        check(r#"{"do_sample": false, "temperature": 0.7}"#, greedy());
        check(r#"{"do_sample": true}"#, base());
        check(
            r#"{"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}"#,
            SamplingDefaults {
                temperature: 0.7,
                top_k: 20,
                top_p: 0.8,
                repetition_penalty: 1.05,
                ..base()
            },
        );
        check(
            r#"{"temperature": -1, "top_p": 0, "min_p": 1, "top_k": "x", "repetition_penalty": null}"#,
            base(),
        );
    }
}
