//! A tokenizer's file as its class would write it: words and merges of the checkpoint, the rest of the class.

use serde_json::{Map, Value, json};

use super::class::TokenizerClass;

/// How Qwen2 cuts a text before bytes are merged.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The file cannot be read by that class.
#[derive(Debug, thiserror::Error)]
#[error("it has no `model` of type BPE, and {class} makes no other")]
pub(super) struct NotPairs {
    pub(super) class: &'static str,
}

/// Changes a `tokenizer.json` into what its class makes of it. Added tokens are left out: the class adds them anew.
pub(super) fn rebuild(
    file: &mut Value,
    class: TokenizerClass,
    config: &Map<String, Value>,
) -> Result<(), NotPairs> {
    let Some(name) = class.name() else {
        return Ok(());
    };
    let model = &mut file["model"];
    let pairs = model["type"] == "BPE" || (model["type"].is_null() && model["merges"].is_array());
    if !pairs || !model["vocab"].is_object() {
        return Err(NotPairs { class: name });
    }
    let bytes_fall_back = class == TokenizerClass::Llama;
    let part = if bytes_fall_back {
        Value::Null
    } else {
        json!("")
    };
    *model = json!({
        "type": "BPE", "dropout": null, "unk_token": null,
        "continuing_subword_prefix": part, "end_of_word_suffix": part,
        "fuse_unk": bytes_fall_back, "byte_fallback": bytes_fall_back, "ignore_merges": false,
        "vocab": model["vocab"].take(),
        "merges": match model["merges"].take() {
            Value::Null => json!([]),
            merges => merges,
        },
    });
    let prefix_space = config.get("add_prefix_space").and_then(Value::as_bool);
    let prefix = prefix_space.unwrap_or(class == TokenizerClass::Llama);
    let bytes = |use_regex: bool, prefix: bool, trim: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": use_regex});
    let (normalizer, pre_tokenizer, decoder) = match class {
        TokenizerClass::AsWritten => return Ok(()),
        TokenizerClass::Llama => {
            let legacy = config.get("legacy").and_then(Value::as_bool) == Some(true);
            let scheme = match (prefix, legacy) {
                (false, _) => "never",
                (true, true) => "always",
                (true, false) => "first",
            };
            let mut parts = vec![
                json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
                json!({"type": "ByteFallback"}),
                json!({"type": "Fuse"}),
            ];
            if prefix {
                parts.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
            }
            (
                Value::Null,
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false}),
                json!({"type": "Sequence", "decoders": parts}),
            )
        }
        TokenizerClass::Qwen2 => (
            json!({"type": "NFC"}),
            json!({"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false},
                bytes(false, prefix, true),
            ]}),
            bytes(true, true, true),
        ),
        TokenizerClass::Gpt2 => (
            Value::Null,
            bytes(true, prefix, true),
            bytes(true, true, true),
        ),
        TokenizerClass::GptNeoX => {
            let trim = config.get("trim_offsets").and_then(Value::as_bool) != Some(false);
            // Nothing is put around a text.
            file["post_processor"] = Value::Null;
            (
                json!({"type": "NFC"}),
                bytes(true, prefix, trim),
                bytes(true, true, true),
            )
        }
    };
    file["normalizer"] = normalizer;
    file["pre_tokenizer"] = pre_tokenizer;
    file["decoder"] = decoder;
    file["added_tokens"] = json!([]);
    Ok(())
}
