//! What a publisher says of decoding that is not done here: refused by name, for whoever compares answers would look
//! elsewhere for the difference.

use std::path::Path;

use serde_json::{Map, Value};

use super::TextError;

/// Keys of `generation_config.json` that change which token comes next and are not implemented, and what each says when
/// it changes nothing. Lengths, caches and how many answers there are belong to the request.
const KEYS: [(&str, f64); 22] = [
    ("bad_words_ids", 0.0),
    ("begin_suppress_tokens", 0.0),
    ("diversity_penalty", 0.0),
    ("dola_layers", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("encoder_repetition_penalty", 1.0),
    ("epsilon_cutoff", 0.0),
    ("eta_cutoff", 0.0),
    ("exponential_decay_length_penalty", 0.0),
    ("forced_bos_token_id", 0.0),
    ("forced_eos_token_id", 0.0),
    ("guidance_scale", 1.0),
    ("min_length", 0.0),
    ("min_new_tokens", 0.0),
    ("no_repeat_ngram_size", 0.0),
    ("num_beams", 1.0),
    ("penalty_alpha", 0.0),
    ("sequence_bias", 0.0),
    ("stop_strings", 0.0),
    ("suppress_tokens", 0.0),
    ("typical_p", 1.0),
    ("watermarking_config", 0.0),
];
/// Keys whose 0 is a token.
const TOKENS: [&str; 2] = ["forced_bos_token_id", "forced_eos_token_id"];

/// Refuses the first key that would change the answer.
pub(super) fn check(config: &Map<String, Value>, path: &Path) -> Result<(), TextError> {
    for (key, neutral) in KEYS {
        let Some(value) = config.get(key) else {
            continue;
        };
        let changes_nothing = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Bool(true) => false,
            Value::Number(number) => number.as_f64() == Some(neutral) && !TOKENS.contains(&key),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(entries) => entries.is_empty(),
        };
        if !changes_nothing {
            return Err(TextError::Decoding {
                path: path.to_owned(),
                key,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        let refused = |config: &Value| -> Option<&'static str> {
            match check(
                config.as_object().unwrap(),
                Path::new("generation_config.json"),
            ) {
                Ok(()) => None,
                Err(TextError::Decoding { key, .. }) => Some(key),
                Err(error) => panic!("{error}"),
            }
        };
        for (config, expected) in [
            (json!({ "suppress_tokens": [3] }), Some("suppress_tokens")),
            (json!({ "suppress_tokens": [] }), None),
            (json!({ "suppress_tokens": null }), None),
            (
                json!({ "forced_eos_token_id": 0 }),
                Some("forced_eos_token_id"),
            ),
            (json!({ "num_beams": 4 }), Some("num_beams")),
            (
                json!({ "num_beams": 1, "guidance_scale": 1.0, "typical_p": 1 }),
                None,
            ),
            (json!({ "guidance_scale": 1.5 }), Some("guidance_scale")),
            (json!({ "min_new_tokens": 0, "sequence_bias": {} }), None),
            (
                json!({ "sequence_bias": { "1": -1.0 } }),
                Some("sequence_bias"),
            ),
            (json!({ "dola_layers": "high" }), Some("dola_layers")),
            (
                json!({
                    "bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": 0, "do_sample": true,
                    "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1,
                    "max_length": 4096, "max_new_tokens": 2048, "use_cache": true,
                    "transformers_version": "5.24.0", "_from_model_config": true,
                }),
                None,
            ),
        ] {
            assert_eq!(refused(&config), expected, "{config}");
        }
    }
}
