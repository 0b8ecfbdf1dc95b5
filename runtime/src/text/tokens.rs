//! The special and the added tokens of a checkpoint, gathered from its files as transformers 5 gathers them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::class::TokenizerClass;
use super::{TextError, files};

/// What the small files beside `tokenizer.json` say; empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// `config.json`.
    pub(super) model: Map<String, Value>,
    /// `tokenizer_config.json`.
    pub(super) tokenizer: Map<String, Value>,
    /// `special_tokens_map.json`.
    pub(super) special: Map<String, Value>,
    /// `added_tokens.json`.
    pub(super) added: Map<String, Value>,
}

impl Files {
    /// Reads them; what is absent is empty.
    pub(super) fn read(directory: &Path) -> Result<Self, TextError> {
        let read = |name| Ok(files::object(directory, name)?.unwrap_or_default());
        Ok(Self {
            model: read("config.json")?,
            tokenizer: read("tokenizer_config.json")?,
            special: read("special_tokens_map.json")?,
            added: read("added_tokens.json")?,
        })
    }
}

/// A token with what is said of it.
#[derive(Debug, Clone, PartialEq)]
struct Declared {
    content: String,
    /// What the files say; a mere name is special and nothing else.
    said: Option<Said>,
}

#[derive(Debug, Clone, PartialEq)]
struct Said {
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: Option<bool>,
    special: bool,
}

/// The tokens of one checkpoint.
#[derive(Debug)]
pub(super) struct Tokens {
    /// By id, in that order.
    added: BTreeMap<u64, Declared>,
    /// By the names that templates use.
    named: Vec<(String, Declared)>,
    /// Special without a name.
    extra: Vec<Declared>,
    /// Of the named, those that only the class knows of.
    assumed: Vec<String>,
}

/// The names that every tokenizer has, in the order in which their tokens are added.
const NAMES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];
const EXTRA: &str = "extra_special_tokens";
/// What `extra_special_tokens` was called before.
const ADDITIONAL: &str = "additional_special_tokens";

impl Declared {
    fn name(content: &str) -> Self {
        Self {
            content: content.to_owned(),
            said: None,
        }
    }

    /// A name, or an object that says more.
    fn read(value: &Value) -> Option<Self> {
        if let Some(name) = value.as_str() {
            return Some(Self::name(name));
        }
        let flag = |key: &str| value.get(key).and_then(Value::as_bool);
        Some(Self {
            content: value.get("content")?.as_str()?.to_owned(),
            said: Some(Said {
                single_word: flag("single_word").unwrap_or_default(),
                lstrip: flag("lstrip").unwrap_or_default(),
                rstrip: flag("rstrip").unwrap_or_default(),
                normalized: flag("normalized"),
                special: flag("special").unwrap_or_default(),
            }),
        })
    }

    fn special(mut self) -> Self {
        if let Some(said) = &mut self.said {
            said.special = true;
        }
        self
    }

    fn added(&self) -> AddedToken {
        let Some(said) = &self.said else {
            return AddedToken::from(self.content.clone(), true);
        };
        AddedToken::from(self.content.clone(), said.special)
            .single_word(said.single_word)
            .lstrip(said.lstrip)
            .rstrip(said.rstrip)
            .normalized(said.normalized.unwrap_or(!said.special))
    }
}

impl Tokens {
    /// What the files say, and what the class assumes where they say nothing.
    pub(super) fn gather(files: &Files, file: &Value, class: TokenizerClass) -> Self {
        let mut said = files.tokenizer.clone();
        let is_set = |value: Option<&Value>| match value {
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(entries)) => !entries.is_empty(),
            Some(Value::Null) | None => false,
            Some(_) => true,
        };
        if !is_set(said.get(EXTRA))
            && let Some(list) = said.remove(ADDITIONAL)
        {
            said.insert(EXTRA.to_owned(), list);
        }
        // Names of the model's own come last, whatever file has them.
        let mut own: Vec<(String, Declared)> = Vec::new();
        let mut take_own = |said: &mut Map<String, Value>| {
            if said.get(EXTRA).is_some_and(Value::is_object)
                && let Some(Value::Object(entries)) = said.remove(EXTRA)
            {
                let read = entries.iter();
                own.extend(
                    read.filter_map(|(key, token)| Some((key.clone(), Declared::read(token)?))),
                );
            }
        };
        take_own(&mut said);
        let mut added = BTreeMap::new();
        if let Some(Value::Object(listed)) = said.get("added_tokens_decoder") {
            let read = listed.iter();
            added.extend(
                read.filter_map(|(id, token)| Some((id.parse().ok()?, Declared::read(token)?))),
            );
        } else {
            for (key, value) in &files.special {
                merge(&mut said, key, value);
            }
            take_own(&mut said);
            let special: HashSet<&str> = NAMES
                .iter()
                .filter_map(|name| said.get(*name))
                .chain(
                    said.get(EXTRA)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten(),
                )
                .filter_map(|token| token.as_str().or_else(|| token["content"].as_str()))
                .collect();
            for (token, id) in &files.added {
                let Some(id) = id.as_u64() else { continue };
                let is_special = special.contains(token.as_str());
                let said = Said {
                    single_word: false,
                    lstrip: false,
                    rstrip: false,
                    normalized: Some(!is_special),
                    special: is_special,
                };
                added.insert(
                    id,
                    Declared {
                        content: token.clone(),
                        said: Some(said),
                    },
                );
            }
            for token in file["added_tokens"].as_array().into_iter().flatten() {
                if let (Some(id), Some(token)) = (token["id"].as_u64(), Declared::read(token)) {
                    added.insert(id, token);
                }
            }
        }
        if !said.contains_key(EXTRA)
            && let Some(list) = said.remove(ADDITIONAL)
        {
            said.insert(EXTRA.to_owned(), list);
        }
        let mut named = Vec::new();
        let mut assumed = Vec::new();
        for name in NAMES {
            let token = match said.get(name) {
                Some(value) => Declared::read(value).map(|token| {
                    let known = added.values().find(|other| other.content == token.content);
                    known.cloned().unwrap_or(token)
                }),
                None => class
                    .assumed()
                    .iter()
                    .find(|(assumed, _)| *assumed == name)
                    .map(|(_, content)| {
                        assumed.push((*content).to_owned());
                        Declared::name(content)
                    }),
            };
            named.extend(token.map(|token| (name.to_owned(), token)));
        }
        for (key, value) in &said {
            let own_name = key.ends_with("_token") && !NAMES.contains(&key.as_str());
            if let (true, Some(token)) = (own_name, Declared::read(value)) {
                named.push((key.clone(), token));
            }
        }
        named.extend(own);
        let extra = said
            .get(EXTRA)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Self {
            extra: extra.filter_map(Declared::read).collect(),
            added,
            named,
            assumed,
        }
    }

    /// Names and tokens, as templates are given them.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named
            .iter()
            .map(|(name, token)| (name.as_str(), token.content.as_str()))
    }

    /// Tokens that no file has, only the class: a model may have no row for them.
    pub(super) fn assumed(&self) -> &[String] {
        &self.assumed
    }

    /// Adds what the tokenizer has not yet, in transformers' order, which new ids come from.
    pub(super) fn add_to(
        &self,
        tokenizer: &mut Tokenizer,
        class: TokenizerClass,
    ) -> tokenizers::Result<()> {
        let present = tokenizer.get_added_tokens_decoder();
        let mut adding: Vec<Declared> = self
            .added
            .values()
            .filter(|token| !present.values().any(|other| *other == token.added()))
            .cloned()
            .collect();
        let known: HashSet<String> = present
            .into_values()
            .map(|token| token.content)
            .chain(adding.iter().map(|token| token.content.clone()))
            .collect();
        let special = || self.named.iter().map(|(_, token)| token).chain(&self.extra);
        for token in special() {
            if !known.contains(&token.content) && !adding.contains(token) {
                adding.push(token.clone());
            }
        }
        let is_named = |token: &Declared| {
            self.named
                .iter()
                .any(|(_, named)| named.content == token.content)
        };
        tokenizer.add_tokens(adding.into_iter().map(|token| {
            let token = if is_named(&token) {
                token.special()
            } else {
                token
            };
            token.added()
        }))?;
        if class == TokenizerClass::Qwen2 {
            tokenizer
                .add_tokens(special().map(|token| AddedToken::from(token.content.clone(), true)))?;
        }
        Ok(())
    }
}

/// One entry of `special_tokens_map.json` over what is said already.
fn merge(said: &mut Map<String, Value>, key: &str, value: &Value) {
    let special = |token: &Value| {
        let mut token = token.clone();
        if let Some(entries) = token.as_object_mut() {
            entries.insert("special".to_owned(), Value::Bool(true));
        }
        token
    };
    let value = match value {
        Value::Object(_) if key != EXTRA => special(value),
        Value::Array(list) if key == EXTRA => {
            let before = said.get(EXTRA).and_then(Value::as_array);
            let mut all = before.cloned().unwrap_or_default();
            for token in list.iter().map(special) {
                if !all.contains(&token) {
                    all.push(token);
                }
            }
            Value::Array(all)
        }
        other => other.clone(),
    };
    said.insert(key.to_owned(), value);
}
