//! The tokenizer of a model: text to token ids and back.

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;

use super::class::TokenizerClass;
use super::least::{Budget, Least};
use super::rebuild::{NotPairs, rebuild};
use super::tokens::{Files, Tokens};
use super::{TextError, files, options};
use crate::model::Architecture;

/// Whether encoding adds the tokens that the tokenizer puts around every text, such as BOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialTokens {
    /// A plain prompt: the tokenizer frames it.
    Add,
    /// A rendered chat template has framed it already.
    Present,
}

/// A tokenizer as its class makes it of `tokenizer.json`.
#[derive(Debug)]
pub struct Vocabulary {
    tokenizer: Tokenizer,
    class: TokenizerClass,
    /// Tokens that only the class knows of, none of the files.
    assumed: Vec<String>,
    bytes: ByteTokens,
    least: Least,
    /// Where it was read, for whoever finds that it does not fit.
    path: PathBuf,
}

/// How a decoder treats tokens that stand for one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteTokens {
    /// `<0x41>` tokens are decoded as runs: one bad byte spoils the whole run.
    Runs,
    /// Bytes are decoded one character at a time, or there are no such tokens.
    Free,
}

impl Vocabulary {
    /// Reads `tokenizer.json` from a folder, for a model of that family; returns the special tokens too.
    ///
    /// Truncation and padding stored in the file are training leftovers: they would cut or
    /// stuff a prompt silently, so they are dropped.
    pub(super) fn load(
        directory: &Path,
        family: Architecture,
        files: &Files,
    ) -> Result<(Self, Tokens), TextError> {
        let path = directory.join("tokenizer.json");
        let content = files::bytes(directory, "tokenizer.json")?
            .ok_or_else(|| TextError::NoTokenizer { path: path.clone() })?;
        let class = options::class(directory, family, files, &content)?;
        Self::parse(&content, class, files, &path).map_err(|source| {
            match source.downcast::<NotPairs>() {
                Ok(other) => TextError::Tokenizing {
                    path,
                    key: "model",
                    detail: format!(
                        " to another type than BPE, and {}, by which transformers reads this checkpoint, makes no other; give it \
                         a tokenizer.json of that type, or, where tokenizer_config.json names the class, name \
                         `TokenizersBackend` there to go by tokenizer.json as it is written",
                        other.class
                    ),
                },
                Err(source) => TextError::Tokenizer { path, source },
            }
        })
    }

    fn parse(
        content: &[u8],
        class: TokenizerClass,
        files: &Files,
        path: &Path,
    ) -> Result<(Self, Tokens), Box<dyn std::error::Error + Send + Sync>> {
        let mut file: serde_json::Value = serde_json::from_slice(content)?;
        let tokens = Tokens::gather(files, &file, class);
        let mut tokenizer = if class == TokenizerClass::AsWritten {
            Tokenizer::from_bytes(content)?
        } else {
            rebuild(&mut file, class, &files.tokenizer)?;
            Tokenizer::from_bytes(serde_json::to_vec(&file)?)?
        };
        tokenizer.with_truncation(None)?;
        tokenizer.with_padding(None);
        tokens.add_to(&mut tokenizer, class)?;
        tokenizer.set_encode_special_tokens(
            files.tokenizer.get("split_special_tokens") == Some(&true.into()),
        );
        // The library keeps its decoder's parts private; the file says the same in the open.
        let bytes = if mentions_byte_fallback(&file["decoder"]) {
            ByteTokens::Runs
        } else {
            ByteTokens::Free
        };
        file["added_tokens"] = serde_json::to_value(
            tokenizer
                .get_added_tokens_decoder()
                .into_values()
                .collect::<Vec<_>>(),
        )?;
        let vocabulary = Self {
            class,
            assumed: tokens.assumed().to_vec(),
            bytes,
            least: Least::of(&file),
            path: path.to_owned(),
            tokenizer,
        };
        Ok((vocabulary, tokens))
    }

    /// Whose rules it follows.
    pub fn class(&self) -> TokenizerClass {
        self.class
    }

    /// Counts text, without making tokens of it, until it is certain to have more than so many.
    pub fn budget(&self, tokens: u32) -> Budget<'_> {
        self.least.budget(tokens)
    }

    /// Token ids of a text.
    pub fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>, TextError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, special == SpecialTokens::Add)
            .map_err(|source| TextError::Encode { source })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of token ids, special tokens left out. Unknown ids have no text.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        self.tokenizer
            .decode(ids, true)
            .map_err(|source| TextError::Decode {
                count: ids.len(),
                source,
            })
    }

    /// One token as text for people, special tokens included; broken characters as U+FFFD.
    pub fn token_text(&self, id: u32) -> String {
        let shown = self.tokenizer.decode(&[id], false).unwrap_or_default();
        if shown.is_empty() {
            self.tokenizer.id_to_token(id).unwrap_or_default()
        } else {
            shown
        }
    }

    /// The id of a token by its spelling in the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// How many ids there are, added tokens included.
    pub fn size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Refuses a model that has no row for an id which text can become: the first question with that token would fail.
    ///
    /// What only the class knows of is no mistake of the files: most models were never shown it.
    pub fn fits(&self, rows: u32) -> Result<(), TextError> {
        let vocab = self.tokenizer.get_vocab(true);
        let declared = vocab
            .into_iter()
            .filter(|(token, _)| !self.assumed.contains(token));
        match declared.max_by_key(|(_, id)| *id) {
            Some((token, id)) if id >= rows => Err(TextError::Rows {
                path: self.path.clone(),
                id,
                token,
                rows,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// What a token does to the text around it.
    pub(super) fn effect(&self, id: u32) -> Effect {
        match self.tokenizer.id_to_token(id) {
            None => Effect::Silent,
            Some(token)
                if self
                    .tokenizer
                    .get_added_vocabulary()
                    .is_special_token(&token) =>
            {
                Effect::Silent
            }
            Some(token) if self.bytes == ByteTokens::Runs && is_byte_token(&token) => Effect::Open,
            Some(_) => Effect::Closed,
        }
    }
}

/// What a token does to the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// No text, and its neighbours meet as if it were not there.
    Silent,
    /// Its text depends on tokens that have not come yet.
    Open,
    /// Whatever came before it is settled, up to an unfinished character.
    Closed,
}

/// `<0x00>` to `<0xFF>`, as sentencepiece spells them.
fn is_byte_token(token: &str) -> bool {
    token
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

fn mentions_byte_fallback(decoder: &serde_json::Value) -> bool {
    decoder["type"] == "ByteFallback"
        || decoder["decoders"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(mentions_byte_fallback))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// GPT-2's reversible spelling of bytes: printable ones stand for themselves, the rest
    /// follow from U+0100 on.
    fn spelling(byte: u8) -> char {
        let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        if printable(byte) {
            char::from(byte)
        } else {
            let rank = (0..byte).filter(|b| !printable(*b)).count();
            char::from_u32(256 + rank as u32).unwrap()
        }
    }

    /// A byte-level vocabulary: ids 0–255 are bytes, 256 is `<|end|>`, 257 `<|user|>`, both
    /// special, 258 is an ordinary added token.
    pub(crate) fn byte_level_file() -> Value {
        let vocab: serde_json::Map<String, Value> = (0..=255u8)
            .map(|byte| (spelling(byte).to_string(), json!(byte)))
            .collect();
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [
                added(256, "<|end|>", true), added(257, "<|user|>", true), added(258, "<tool>", false),
            ],
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            "post_processor": null,
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocab, "merges": []},
        })
    }

    fn added(id: u32, content: &str, special: bool) -> Value {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": special})
    }

    /// A sentencepiece vocabulary as Llama 2 has it: 0–2 special, 3–258 bytes, then words.
    pub(crate) fn byte_fallback_file() -> Value {
        let mut vocab = serde_json::Map::new();
        for (id, token) in ["<unk>", "<s>", "</s>"].iter().enumerate() {
            vocab.insert((*token).to_owned(), json!(id));
        }
        for byte in 0..=255u8 {
            vocab.insert(format!("<0x{byte:02X}>"), json!(3 + u32::from(byte)));
        }
        for (at, word) in ["▁", "▁Hello", "▁world", "!", "é", "a", "b"]
            .iter()
            .enumerate()
        {
            vocab.insert((*word).to_owned(), json!(259 + at));
        }
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true)],
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
            "pre_tokenizer": null,
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
            "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": vocab, "merges": []},
        })
    }

    /// As newer conversions of sentencepiece models have it.
    pub(crate) fn metaspace_file() -> Value {
        let mut file = byte_fallback_file();
        file["normalizer"] = Value::Null;
        file["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
        file["decoder"] = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
        file
    }

    pub(crate) fn vocabulary(file: &Value) -> Vocabulary {
        Vocabulary::parse(
            &serde_json::to_vec(file).unwrap(),
            TokenizerClass::AsWritten,
            &Files::default(),
            Path::new("tokenizer.json"),
        )
        .unwrap()
        .0
    }

    pub(crate) fn byte_level() -> Vocabulary {
        vocabulary(&byte_level_file())
    }

    #[test]
    fn text_survives_the_way_there_and_back() {
        for file in [byte_level_file(), byte_fallback_file()] {
            let vocabulary = vocabulary(&file);
            for text in ["Hello world!", "héllo ☃ 🦀\n", "", "  two  spaces"] {
                let ids = vocabulary.encode(text, SpecialTokens::Add).unwrap();
                assert_eq!(vocabulary.decode(&ids).unwrap(), text, "{ids:?}");
            }
        }
    }

    #[test]
    fn framing_is_added_only_when_asked() {
        let vocabulary = vocabulary(&byte_fallback_file());
        let check = |special, expected: &[u32]| {
            assert_eq!(vocabulary.encode("a", special).unwrap(), expected);
        };
        check(SpecialTokens::Add, &[1, 259, 264]);
        check(SpecialTokens::Present, &[259, 264]);
    }

    #[test]
    fn only_byte_runs_wait_for_what_follows() {
        let check = |file: &Value, id, expected| {
            assert_eq!(vocabulary(file).effect(id), expected);
        };
        check(&byte_fallback_file(), 3, Effect::Open);
        check(&byte_fallback_file(), 260, Effect::Closed);
        check(&byte_fallback_file(), 2, Effect::Silent);
        check(&byte_fallback_file(), 9999, Effect::Silent);
        check(&metaspace_file(), 3, Effect::Closed);
        check(&byte_level_file(), 3, Effect::Closed);
        check(&byte_level_file(), 258, Effect::Closed);
    }

    #[test]
    fn truncation_in_the_file_never_cuts_a_prompt() {
        let mut file = byte_level_file();
        file["truncation"] =
            json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
        let ids = vocabulary(&file)
            .encode("abcdef", SpecialTokens::Add)
            .unwrap();
        assert_eq!(ids.len(), 6);
    }
}
