//! The keys of a JSON object: taken one by one with their type checked, and whatever is left over refused.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::CheckpointError;
use crate::model::shape::{LARGEST, LARGEST_CONTEXT, LARGEST_LAYERS};

/// Keys that do not change the logits: bookkeeping, dropout (off when serving), and old defaults of generation.
const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "_attn_implementation_internal",
    "_num_labels",
    "attention_dropout",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
    "cache_implementation",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_dropout",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "keys_to_ignore_at_inference",
    "label2id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "max_sequence_length",
    "min_length",
    "model_max_length",
    "neftune_noise_alpha",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
];

/// The keys of one JSON object, and which were looked at.
pub(super) struct Keys {
    path: PathBuf,
    prefix: String,
    values: Map<String, Value>,
    seen: BTreeSet<String>,
}

impl Keys {
    pub(super) fn new(path: PathBuf, values: Map<String, Value>) -> Self {
        Self {
            path,
            prefix: String::new(),
            values,
            seen: BTreeSet::new(),
        }
    }

    /// The keys of an object under `key`.
    pub(super) fn inner(&mut self, key: &str) -> Result<Option<Self>, CheckpointError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(values)) => {
                let prefix = format!("{}{key}.", self.prefix);
                Ok(Some(Self {
                    path: self.path.clone(),
                    prefix,
                    values,
                    seen: BTreeSet::new(),
                }))
            }
            Some(_) => Err(self.value(key, "an object")),
        }
    }

    /// The value of `key`; null is as good as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.seen.insert(key.to_owned());
        self.values
            .get(key)
            .filter(|value| !value.is_null())
            .cloned()
    }

    /// Whether `key` is not there at all, not even as null.
    pub(super) fn lacks(&self, key: &str) -> bool {
        !self.values.contains_key(key)
    }

    pub(super) fn count(&mut self, key: &str) -> Result<u32, CheckpointError> {
        self.optional_count(key)?.ok_or_else(|| self.missing(key))
    }

    /// A positive whole number.
    pub(super) fn optional_count(&mut self, key: &str) -> Result<Option<u32>, CheckpointError> {
        let largest = match key {
            "max_position_embeddings" | "sliding_window" => LARGEST_CONTEXT,
            "num_hidden_layers" => LARGEST_LAYERS,
            _ => LARGEST,
        };
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) if (1..=u64::from(largest)).contains(&count) => {
                    Ok(u32::try_from(count).ok())
                }
                Some(_) | None => {
                    Err(self.value(key, &format!("a whole number from 1 to {largest}")))
                }
            },
        }
    }

    pub(super) fn optional_number_of_layers(
        &mut self,
        key: &str,
    ) -> Result<Option<u32>, CheckpointError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|count| u32::try_from(count).ok()) {
                Some(count) => Ok(Some(count)),
                None => Err(self.value(key, "a number of layers")),
            },
        }
    }

    /// A positive finite number.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, CheckpointError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) if number.is_finite() && number > 0.0 => Ok(Some(number)),
                Some(_) | None => Err(self.value(key, "a positive number")),
            },
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, CheckpointError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.value(key, "true or false")),
        }
    }

    /// One token id or a list of them.
    pub(super) fn tokens(&mut self, key: &str) -> Result<Vec<u32>, CheckpointError> {
        let values = match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        values
            .iter()
            .map(|value| id(value).ok_or_else(|| self.value(key, "a token id or a list of them")))
            .collect()
    }

    /// Refuses a token id that no row of the embedding has.
    pub(super) fn tokens_below(&mut self, key: &str, vocab: u32) -> Result<(), CheckpointError> {
        match self.tokens(key)?.into_iter().find(|id| *id >= vocab) {
            Some(_) => Err(self.token_beyond(key, vocab)),
            None => Ok(()),
        }
    }

    pub(super) fn token_beyond(&self, key: &str, vocab: u32) -> CheckpointError {
        self.value(
            key,
            &format!("nothing but ids below {vocab}, the `vocab_size`"),
        )
    }

    /// Refuses any value but null and those given.
    pub(super) fn only(&mut self, key: &str, implemented: &[&str]) -> Result<(), CheckpointError> {
        match self.take(key) {
            Some(value) if !implemented.contains(&value.to_string().as_str()) => {
                let words = if implemented.is_empty() {
                    "none is".to_owned()
                } else {
                    format!("{} is", implemented.join(" or "))
                };
                Err(self.unsupported(key, &words))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses the first key that nobody looked at.
    pub(super) fn finish(self) -> Result<(), CheckpointError> {
        let known = |key: &str| {
            self.seen.contains(key) || (self.prefix.is_empty() && HARMLESS.contains(&key))
        };
        match self
            .values
            .iter()
            .find(|(key, value)| !value.is_null() && !known(key))
        {
            None => Ok(()),
            Some((key, value)) => Err(CheckpointError::Unknown {
                path: self.path,
                key: format!("{}{key}", self.prefix),
                found: shorten(value),
            }),
        }
    }

    pub(super) fn contradiction(&self, what: String) -> CheckpointError {
        CheckpointError::Contradiction {
            path: self.path.clone(),
            what,
        }
    }

    pub(super) fn missing(&self, key: &str) -> CheckpointError {
        CheckpointError::Key {
            path: self.path.clone(),
            key: format!("{}{key}", self.prefix),
        }
    }

    pub(super) fn value(&self, key: &str, expected: &str) -> CheckpointError {
        CheckpointError::Value {
            path: self.path.clone(),
            key: format!("{}{key}", self.prefix),
            found: self
                .values
                .get(key)
                .map_or_else(|| "absent".to_owned(), shorten),
            expected: expected.to_owned(),
        }
    }

    pub(super) fn unsupported(&self, key: &str, implemented: &str) -> CheckpointError {
        CheckpointError::Unsupported {
            path: self.path.clone(),
            key: format!("{}{key}", self.prefix),
            found: self
                .values
                .get(key)
                .map_or_else(|| "absent".to_owned(), shorten),
            implemented: implemented.to_owned(),
        }
    }
}

/// A value for a message, cut where it would fill the screen.
fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
