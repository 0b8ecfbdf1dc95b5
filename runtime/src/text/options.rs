//! What a checkpoint's files say of its tokenizer that is not done here: refused by name, for other ids would be other
//! answers, and nobody would see why.

use std::path::Path;

use serde_json::Value;

use super::TextError;
use super::class::{TokenizerClass, Unimplemented, named};
use super::tokens::Files;
use crate::model::Architecture;

const CONFIG: &str = "tokenizer_config.json";
/// Without it, transformers leaves the blanks of tokenizers made of pairs alone.
const CORRUPTING: &str = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";

/// The class of the tokenizer, where all that the files ask for is done here. `content` is `tokenizer.json`.
pub(super) fn class(
    directory: &Path,
    family: Architecture,
    files: &Files,
    content: &[u8],
) -> Result<TokenizerClass, TextError> {
    let refuse = |key, detail: String| TextError::Tokenizing {
        path: directory.join(CONFIG),
        key,
        detail,
    };
    let config = &files.tokenizer;
    let set = |key: &str| config.get(key) == Some(&Value::Bool(true));
    let own_code = match config.get("auto_map") {
        None | Some(Value::Null) => false,
        Some(Value::Object(map)) => map
            .get("AutoTokenizer")
            .is_some_and(|entry| !entry.is_null()),
        Some(_) => true,
    };
    if own_code {
        let why = ", which has the checkpoint's own Python code make the tokenizer, and no such code is run here; take it \
                   out to go by tokenizer.json";
        return Err(refuse("auto_map", why.to_owned()));
    }
    let versions = config.get("fast_tokenizer_files").and_then(Value::as_array);
    let versioned = |name: &str| name.starts_with("tokenizer.") && name != "tokenizer.json";
    if let Some(other) = versions
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find(|name| versioned(name))
    {
        let why = format!(
            " to {other}, which may stand for tokenizer.json; only that is read here: put the file that is meant in its \
             place, and take the key out"
        );
        return Err(refuse("fast_tokenizer_files", why));
    }
    let saved_by = files
        .model
        .get("transformers_version")
        .and_then(Value::as_str);
    let major = saved_by.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    // Of vocabularies below that, and of files that transformers 5 wrote, the fault is not known.
    let large = files
        .model
        .get("vocab_size")
        .and_then(Value::as_u64)
        .is_none_or(|size| size > 100_000);
    let faulty = family == Architecture::Mistral && large && major.is_none_or(|major| major < 5);
    if set("fix_mistral_regex") && faulty {
        let why = ", which changes how text is split and is not implemented; save the tokenizer anew with transformers \
                   (`AutoTokenizer.from_pretrained(DIR, fix_mistral_regex=True).save_pretrained(DIR)`), and take the key \
                   out";
        return Err(refuse("fix_mistral_regex", why.to_owned()));
    }
    let text = String::from_utf8_lossy(content);
    let pairs = text.contains("\"BPE\"") || text.contains("\"merges\"");
    if set("clean_up_tokenization_spaces") && (set(CORRUPTING) || !pairs) {
        let why = ", which takes blanks out of answers and is not implemented; take it out to have them as they are";
        return Err(refuse("clean_up_tokenization_spaces", why.to_owned()));
    }
    let named = named(config, &files.model);
    TokenizerClass::of(family, named, text.contains("\"ByteLevel\"")).map_err(
        |Unimplemented(name)| {
            let why = format!(
                " to {name}, which makes a tokenizer in a way of its own that is not implemented; set it to \
                 `TokenizersBackend` to go by tokenizer.json as it is written"
            );
            refuse("tokenizer_class", why)
        },
    )
}
