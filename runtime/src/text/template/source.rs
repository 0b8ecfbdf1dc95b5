//! Where a chat template and the names of special tokens are found in a checkpoint.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::text::{TextError, files};

/// Special tokens by the names that templates use: `bos_token`, `eos_token`, ... What has none stays undefined, as
/// templates test for that.
#[derive(Debug, Clone, Default)]
pub(in crate::text) struct SpecialNames(Map<String, Value>);

impl<'a> FromIterator<(&'a str, &'a str)> for SpecialNames {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(names: I) -> Self {
        Self(
            names
                .into_iter()
                .map(|(name, token)| (name.to_owned(), token.into()))
                .collect(),
        )
    }
}

impl SpecialNames {
    pub(in crate::text) fn eos(&self) -> Option<&str> {
        self.0.get("eos_token").and_then(Value::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// A template as published.
#[derive(Debug)]
pub(in crate::text) struct Found {
    pub(in crate::text) text: String,
    /// The file that holds it.
    pub(in crate::text) path: PathBuf,
}

/// The template: the file of its own wins over the tokenizer's configuration.
pub(in crate::text) fn find(
    directory: &Path,
    tokenizer: &Map<String, Value>,
) -> Result<Option<Found>, TextError> {
    const FILE: &str = "chat_template.jinja";
    let path = directory.join(FILE);
    if let Some(content) = files::bytes(directory, FILE)? {
        return match String::from_utf8(content) {
            Ok(text) => Ok(Some(Found { text, path })),
            Err(error) => Err(TextError::TemplateText {
                path,
                source: error.utf8_error(),
            }),
        };
    }
    let path = directory.join("tokenizer_config.json");
    let shape = || TextError::TemplateShape { path: path.clone() };
    let text = match tokenizer.get("chat_template") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(named)) => pick(named, shape)?,
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => return Err(shape()),
    };
    Ok(text.map(|text| Found { text, path }))
}

/// Of several named templates, `default`, or none where no one is called that; of a single one, that. An error where
/// the list is not made of names and templates.
fn pick(named: &[Value], shape: impl Fn() -> TextError) -> Result<Option<String>, TextError> {
    let templates: Vec<(&str, &str)> = named
        .iter()
        .map(|entry| Some((entry["name"].as_str()?, entry["template"].as_str()?)))
        .collect::<Option<_>>()
        .ok_or_else(shape)?;
    let default = templates.iter().find(|(name, _)| *name == "default");
    let only = if let [only] = templates.as_slice() {
        Some(only)
    } else {
        None
    };
    Ok(default.or(only).map(|(_, template)| (*template).to_owned()))
}

/// `{% generation %}` blocks mark the assistant's words for training and print nothing themselves.
pub(super) fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let Some(length) = rest[open..].find("%}") else {
            break;
        };
        let (tag, after) = rest.split_at(open + length + 2);
        let inner = &tag[open + 2..tag.len() - 2];
        let word = inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace());
        if matches!(word, "generation" | "endgeneration") {
            // An empty condition keeps the tag's own whitespace control.
            let (left, right) = (inner.starts_with('-'), inner.ends_with('-'));
            out.push_str(&rest[..open]);
            out.push_str(if left { "{%- " } else { "{% " });
            out.push_str(if word == "generation" {
                "if true"
            } else {
                "endif"
            });
            out.push_str(if right { " -%}" } else { " %}" });
        } else {
            out.push_str(tag);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A message as templates are given it: nothing that is null, and what was thought under every name it goes by.
pub(super) fn plain_message(message: &Value) -> Value {
    const THOUGHTS: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];
    let Value::Object(fields) = message else {
        return message.clone();
    };
    let mut plain: Map<String, Value> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(thought) = THOUGHTS.iter().find_map(|name| plain.get(*name)).cloned() {
        plain.entry("thinking").or_insert_with(|| thought.clone());
        plain.insert("reasoning_content".to_owned(), thought);
    }
    Value::Object(plain)
}
