//! `config.json`: every key is used, known to change nothing, or refused by name.

use std::path::Path;

use serde_json::{Map, Value};

use super::object::Keys;
use super::rope::rope;
use super::{CheckpointError, json, read_small};
use crate::model::{Architecture, ModelShape};

/// Keys that change the numbers and whose one implemented value is given.
const FIXED: &[(&str, &[&str])] = &[
    ("add_cross_attention", &["false"]),
    ("chunk_size_feed_forward", &["0"]),
    ("hidden_act", &["\"silu\"", "\"swish\""]),
    ("is_encoder_decoder", &["false"]),
    ("partial_rotary_factor", &["1", "1.0"]),
    ("pruned_heads", &["{}"]),
    ("rope_interleaved", &["false"]),
    ("use_mrope", &["false"]),
    ("cross_attention_hidden_size", &[]),
    ("quantization_config", &[]),
];

/// The context that a family's configuration class assumes where `max_position_embeddings` is absent.
fn usual_context(architecture: Architecture) -> u32 {
    match architecture {
        Architecture::Llama => 2048,
        Architecture::Mistral => 131_072,
        Architecture::Qwen2 | Architecture::Qwen3 => 32_768,
    }
}

/// The window that every family with windows assumes where `sliding_window` is absent; null means none.
const USUAL_WINDOW: u32 = 4096;

/// A model as its configuration describes it.
#[derive(Debug)]
pub struct Described {
    /// The model.
    pub shape: ModelShape,
    /// What is odd in the configuration and changes no numbers.
    pub warnings: Vec<String>,
}

/// Reads the shape of the model in `folder`.
pub fn read(folder: &Path) -> Result<Described, CheckpointError> {
    let path = folder.join("config.json");
    let config = object(
        &path,
        "it describes the model: give the folder of a complete checkpoint",
    )?;
    let generation = folder.join("generation_config.json");
    let generation = if generation.exists() {
        Keys::new(generation.clone(), object(&generation, "")?)
    } else {
        Keys::new(generation, Map::new())
    };
    shape(Keys::new(path, config), generation)
}

fn object(path: &Path, missing: &'static str) -> Result<Map<String, Value>, CheckpointError> {
    let bytes = read_small(path, missing)?;
    json::object(path, &bytes)
}

fn shape(mut keys: Keys, mut generation: Keys) -> Result<Described, CheckpointError> {
    let architecture = architecture(&mut keys)?;
    for (key, values) in FIXED {
        keys.only(key, values)?;
    }
    let heads = keys.count("num_attention_heads")?;
    let hidden = keys.count("hidden_size")?;
    let layers = keys.count("num_hidden_layers")?;
    let kv_heads = match (keys.optional_count("num_key_value_heads")?, architecture) {
        (Some(count), _) => count,
        (None, Architecture::Llama) => heads,
        (None, Architecture::Mistral | Architecture::Qwen2 | Architecture::Qwen3) => {
            return Err(keys.missing("num_key_value_heads"));
        }
    };
    if heads % kv_heads != 0 {
        return Err(keys.value(
            "num_key_value_heads",
            &format!("a divisor of the {heads} attention heads"),
        ));
    }
    let head_dim = match (keys.optional_count("head_dim")?, architecture) {
        (Some(width), _) => width,
        // The width that Qwen3's configuration class assumes.
        (None, Architecture::Qwen3) => 128,
        (None, Architecture::Llama | Architecture::Mistral | Architecture::Qwen2)
            if hidden % heads == 0 =>
        {
            hidden / heads
        }
        (None, Architecture::Llama | Architecture::Mistral | Architecture::Qwen2) => {
            return Err(keys.value(
                "hidden_size",
                &format!("a multiple of the {heads} attention heads, or a `head_dim`"),
            ));
        }
    };
    if head_dim % 2 != 0 {
        return Err(keys.value(
            "head_dim",
            "an even number, as rotary embedding turns pairs",
        ));
    }
    let (all_biases, mlp_bias) = (keys.flag("attention_bias")?, keys.flag("mlp_bias")?);
    let (qkv_bias, output_bias) = match architecture {
        Architecture::Llama | Architecture::Qwen3 => (all_biases, all_biases),
        Architecture::Qwen2 => (true, false),
        Architecture::Mistral => (false, false),
    };
    if all_biases && !output_bias {
        return Err(keys.unsupported("attention_bias", "this family has none of its own choosing"));
    }
    if mlp_bias && architecture != Architecture::Llama {
        return Err(keys.unsupported("mlp_bias", "only Llama has it"));
    }
    let shape = ModelShape {
        architecture,
        layers,
        hidden,
        intermediate: keys.count("intermediate_size")?,
        heads,
        kv_heads,
        head_dim,
        vocab: keys.count("vocab_size")?,
        context: keys
            .optional_count("max_position_embeddings")?
            .unwrap_or_else(|| usual_context(architecture)),
        norm_epsilon: keys.number("rms_norm_eps")?.unwrap_or(1e-6),
        rope: rope(&mut keys)?,
        windows: windows(&mut keys, architecture, layers)?,
        tied: keys.flag("tie_word_embeddings")?,
        qkv_bias,
        output_bias,
        mlp_bias,
        head_norm: architecture == Architecture::Qwen3,
        bos: either(&mut generation, &mut keys, "bos_token_id")?,
        eos: either(&mut generation, &mut keys, "eos_token_id")?,
    };
    let mut warnings = Vec::new();
    for keys in [&mut generation, &mut keys] {
        for key in ["bos_token_id", "eos_token_id"] {
            keys.tokens_below(key, shape.vocab)?;
        }
        // Nothing is padded here, and checkpoints whose padding was never trained say -1 or the vocabulary's size.
        if keys
            .take("pad_token_id")
            .and_then(|id| id.as_u64())
            .is_some_and(|id| id >= u64::from(shape.vocab))
        {
            let odd = keys.token_beyond("pad_token_id", shape.vocab);
            warnings.push(odd.to_string());
        }
    }
    if let Err(what) = shape.check() {
        return Err(keys.contradiction(what));
    }
    keys.finish()?;
    Ok(Described { shape, warnings })
}

fn architecture(keys: &mut Keys) -> Result<Architecture, CheckpointError> {
    const IMPLEMENTED: &str =
        "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM are";
    let by_name = match keys.take("architectures") {
        Some(Value::Array(names)) => match names.as_slice() {
            [Value::String(name)] => Some(match name.as_str() {
                "LlamaForCausalLM" => Architecture::Llama,
                "MistralForCausalLM" => Architecture::Mistral,
                "Qwen2ForCausalLM" => Architecture::Qwen2,
                "Qwen3ForCausalLM" => Architecture::Qwen3,
                _ => return Err(keys.unsupported("architectures", IMPLEMENTED)),
            }),
            [] => None,
            _ => return Err(keys.unsupported("architectures", IMPLEMENTED)),
        },
        None => None,
        Some(_) => return Err(keys.value("architectures", "a list of one name")),
    };
    let by_type = match keys.take("model_type") {
        Some(Value::String(name)) => Some(match name.as_str() {
            "llama" => Architecture::Llama,
            "mistral" => Architecture::Mistral,
            "qwen2" => Architecture::Qwen2,
            "qwen3" => Architecture::Qwen3,
            _ => return Err(keys.unsupported("model_type", "llama, mistral, qwen2 and qwen3 are")),
        }),
        None => None,
        Some(_) => return Err(keys.value("model_type", "a name")),
    };
    match (by_name, by_type) {
        (Some(name), Some(kind)) if name != kind => {
            Err(keys.value("model_type", "the type that belongs to `architectures`"))
        }
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Err(keys.missing("architectures")),
    }
}

/// The attention window of every layer.
fn windows(
    keys: &mut Keys,
    architecture: Architecture,
    layers: u32,
) -> Result<Vec<Option<u32>>, CheckpointError> {
    let window = if keys.lacks("sliding_window") && architecture != Architecture::Llama {
        Some(USUAL_WINDOW)
    } else {
        keys.optional_count("sliding_window")?
    };
    let used = keys.flag("use_sliding_window")?;
    let full_below = keys.optional_number_of_layers("max_window_layers")?;
    let window = match architecture {
        Architecture::Mistral => window,
        Architecture::Qwen2 | Architecture::Qwen3 if used => window,
        Architecture::Qwen2 | Architecture::Qwen3 => None,
        Architecture::Llama if window.is_none() => None,
        Architecture::Llama => {
            return Err(keys.unsupported("sliding_window", "Llama attends to everything"));
        }
    };
    let named = match keys.take("layer_types") {
        None => None,
        Some(Value::Array(names)) if names.len() == layers as usize => Some(names),
        Some(_) => return Err(keys.value("layer_types", &format!("a list of {layers} names"))),
    };
    let Some(named) = named else {
        let first = match architecture {
            Architecture::Llama | Architecture::Mistral => 0,
            // The class's own default where the key is absent.
            Architecture::Qwen2 | Architecture::Qwen3 => full_below.unwrap_or(28),
        };
        return Ok((0..layers)
            .map(|layer| window.filter(|_| layer >= first))
            .collect());
    };
    named
        .iter()
        .map(|name| match (name.as_str(), window) {
            // Mistral's class has one window for all of its layers, whatever they are called.
            (Some("full_attention"), Some(_)) if architecture == Architecture::Mistral => Err(keys
                .unsupported(
                    "layer_types",
                    "with a `sliding_window`, sliding_attention in every layer is",
                )),
            (Some("full_attention"), _) => Ok(None),
            (Some("sliding_attention"), Some(window)) => Ok(Some(window)),
            _ => Err(keys.unsupported(
                "layer_types",
                "full_attention, and sliding_attention with a `sliding_window`, are",
            )),
        })
        .collect()
}

/// Token ids from `generation_config.json`, else from `config.json`.
fn either(
    generation: &mut Keys,
    config: &mut Keys,
    key: &str,
) -> Result<Vec<u32>, CheckpointError> {
    let (first, second) = (generation.tokens(key)?, config.tokens(key)?);
    Ok(if first.is_empty() { second } else { first })
}
