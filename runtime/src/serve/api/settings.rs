//! Parameters that chat and completions share.

use serde_json::Value;

use super::fields::Fields;
use super::{ApiError, Served};
use crate::sample::SamplingParams;
use crate::serve::generation::EndTokens;

/// Checked parameters of a request, its prompt apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Answers to each prompt.
    pub choices: u32,
    /// The most tokens of an answer, where the request says.
    pub most: Option<u32>,
    /// The fewest tokens of an answer.
    pub least: u32,
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// Texts that end an answer.
    pub stops: Vec<String>,
    /// Tokens that end an answer.
    pub stop_tokens: Vec<u32>,
    /// Whether the model's own end tokens end it.
    pub endings: EndTokens,
    /// Log-probabilities with that many alternatives.
    pub logprobs: Option<usize>,
    /// Whether and how the answer streams.
    pub stream: Option<StreamOptions>,
    /// Whether choices carry their token ids.
    pub token_ids: bool,
}

/// How an answer streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// Whether a last chunk carries the token counts.
    pub include_usage: bool,
}

/// Accepted and without effect: they are about accounts, caches and records that a worker has not.
pub(super) const IGNORED: [&str; 8] = [
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "parallel_tool_calls",
];

/// Answers to one prompt; more is a mistake rather than a wish.
const MOST_CHOICES: i64 = 128;
const MOST_STOPS: usize = 16;

impl Settings {
    /// Takes the shared parameters. `entropy` seeds requests that give no seed.
    pub(super) fn take(
        fields: &mut Fields,
        served: &Served,
        entropy: u64,
    ) -> Result<Self, ApiError> {
        let choices = fields
            .integer("n", 1, MOST_CHOICES)?
            .map_or(1, |n| n as u32);
        Ok(Self {
            choices,
            most: most(fields)?,
            least: fields
                .integer("min_tokens", 0, i64::from(u32::MAX))?
                .map_or(0, |n| n as u32),
            sampling: sampling(fields, served, entropy)?,
            stops: stops(fields)?,
            stop_tokens: stop_tokens(fields, served)?,
            endings: match fields.flag("ignore_eos")? {
                Some(true) => EndTokens::Ignore,
                Some(false) | None => EndTokens::Obey,
            },
            logprobs: None,
            stream: stream(fields)?,
            token_ids: fields.flag("return_token_ids")?.unwrap_or(false),
        })
    }
}

/// The newer name and the older one; both may be sent when they agree.
fn most(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let mut read = |name| -> Result<Option<u32>, ApiError> {
        Ok(fields
            .integer(name, 1, i64::from(u32::MAX))?
            .map(|n| n as u32))
    };
    let newer = read("max_completion_tokens")?;
    let older = read("max_tokens")?;
    match (newer, older) {
        (Some(newer), Some(older)) if newer != older => Err(ApiError::bad(
            "max_tokens",
            format!("max_tokens is {older} and max_completion_tokens is {newer}; send one of them"),
        )),
        (newer, older) => Ok(newer.or(older)),
    }
}

fn sampling(
    fields: &mut Fields,
    served: &Served,
    entropy: u64,
) -> Result<SamplingParams, ApiError> {
    let defaults = served.text.defaults.params(entropy);
    Ok(SamplingParams {
        temperature: fields
            .number("temperature", 0.0, 2.0)?
            .unwrap_or(defaults.temperature),
        // Other servers take -1 for "all"; so does this one.
        top_k: fields
            .integer("top_k", -1, i64::from(u32::MAX))?
            .map_or(defaults.top_k, |k| k.max(0) as u32),
        top_p: fields.number("top_p", 0.0, 1.0)?.unwrap_or(defaults.top_p),
        min_p: fields.number("min_p", 0.0, 1.0)?.unwrap_or(defaults.min_p),
        repetition_penalty: fields
            .number("repetition_penalty", 0.01, 10.0)?
            .unwrap_or(defaults.repetition_penalty),
        presence_penalty: fields.number("presence_penalty", -2.0, 2.0)?.unwrap_or(0.0),
        frequency_penalty: fields
            .number("frequency_penalty", -2.0, 2.0)?
            .unwrap_or(0.0),
        logit_bias: logit_bias(fields, served)?,
        seed: fields
            .integer("seed", i64::MIN, i64::MAX)?
            .map_or(entropy, |seed| seed as u64),
    })
}

fn logit_bias(fields: &mut Fields, served: &Served) -> Result<Vec<(u32, f32)>, ApiError> {
    const NAME: &str = "logit_bias";
    let map = match fields.take(NAME) {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(fields.wrong(NAME, "an object of token ids and biases", &other)),
    };
    map.iter()
        .map(|(key, value)| {
            let token = key.parse().ok().filter(|token| *token < served.vocab);
            let bias = value
                .as_f64()
                .filter(|bias| (-100.0..=100.0).contains(bias));
            match (token, bias) {
                (Some(token), Some(bias)) => Ok((token, bias as f32)),
                (None, _) => Err(fields.outside(
                    NAME,
                    &format!("keyed by token ids below {}", served.vocab),
                    key,
                )),
                (Some(_), None) => {
                    Err(fields.outside(NAME, "of biases from -100 to 100", &value.to_string()))
                }
            }
        })
        .collect()
}

fn stops(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    const NAME: &str = "stop";
    const EXPECTED: &str = "a string or a list of strings";
    let list = match fields.take(NAME) {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(single @ Value::String(_)) => vec![single],
        Some(other) => return Err(fields.wrong(NAME, EXPECTED, &other)),
    };
    if list.len() > MOST_STOPS {
        return Err(fields.outside(
            NAME,
            &format!("at most {MOST_STOPS} strings"),
            &list.len().to_string(),
        ));
    }
    list.into_iter()
        .map(|stop| match stop {
            Value::String(text) if text.is_empty() => {
                Err(fields.outside(NAME, "free of empty strings", "\"\""))
            }
            Value::String(text) => Ok(text),
            other => Err(fields.wrong(NAME, EXPECTED, &other)),
        })
        .collect()
}

fn stop_tokens(fields: &mut Fields, served: &Served) -> Result<Vec<u32>, ApiError> {
    const NAME: &str = "stop_token_ids";
    match fields.take(NAME) {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|id| token(fields, NAME, id, served))
            .collect(),
        Some(other) => Err(fields.wrong(NAME, "a list of token ids", &other)),
    }
}

/// A token id of this model.
pub(super) fn token(
    fields: &Fields,
    name: &str,
    value: &Value,
    served: &Served,
) -> Result<u32, ApiError> {
    value
        .as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id < served.vocab)
        .ok_or_else(|| {
            fields.outside(
                name,
                &format!("made of token ids below {}", served.vocab),
                &value.to_string(),
            )
        })
}

fn stream(fields: &mut Fields) -> Result<Option<StreamOptions>, ApiError> {
    let wanted = fields.flag("stream")?.unwrap_or(false);
    let options = fields.object("stream_options")?;
    match (wanted, options) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(ApiError::bad(
            "stream_options",
            "stream_options needs stream to be true",
        )),
        (true, None) => Ok(Some(StreamOptions {
            include_usage: false,
        })),
        (true, Some(mut options)) => {
            let include_usage = options.flag("include_usage")?.unwrap_or(false);
            // Obfuscation pads chunks against eavesdroppers; there is nothing to pad here.
            options.finish(&["include_obfuscation"])?;
            Ok(Some(StreamOptions { include_usage }))
        }
    }
}

/// Refuses parameters that would change the answer, unless they ask for what happens anyway.
pub(super) fn refuse(
    fields: &mut Fields,
    name: &str,
    harmless: fn(&Value) -> bool,
    why: &str,
) -> Result<(), ApiError> {
    match fields.take(name) {
        Some(value) if !harmless(&value) => Err(ApiError::unsupported(name, why)),
        Some(_) | None => Ok(()),
    }
}
