//! The one writer of YAML: what it writes, YAML 1.1 and 1.2 readers read alike.
use serde::Serialize;
use serde_json::Value;

use crate::{format, load::Places};

/// Why a value has no YAML form.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The value cannot be serialized, or holds what YAML cannot.
    #[error("writing a value as YAML")]
    Serialize(#[source] serde_yaml::Error),
    /// The value is no JSON, such as a map whose keys are no text.
    #[error("writing a value as JSON, for YAML")]
    Json(#[source] serde_json::Error),
}

/// Writes a value as one YAML document, text that YAML 1.1 readers take for something else in quotes.
pub fn to_yaml<T: Serialize + ?Sized>(value: &T) -> Result<String, WriteError> {
    let value = serde_json::to_value(value).map_err(WriteError::Json)?;
    let text = serde_yaml::to_string(&value).map_err(WriteError::Serialize)?;
    Ok(format::quoted(&escaped(text, &value)))
}

/// Line breaks that YAML 1.1 has and YAML 1.2 has not.
const OLD_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The same text with every value that holds such a line break escaped: readers would fold it differently.
fn escaped(text: String, value: &Value) -> String {
    if !text.contains(OLD_BREAKS) {
        return text;
    }
    let Ok(places) = Places::read(&text, 0) else {
        return text;
    };
    let mut out = text;
    let mut found: Vec<_> = places.by_pointer.iter().collect();
    found.sort_by_key(|(_, place)| std::cmp::Reverse(place.value.start));
    for (pointer, place) in found {
        let Some(held) = value.pointer(pointer).and_then(Value::as_str) else {
            continue;
        };
        if held.contains(OLD_BREAKS) {
            let quoted = Value::from(held).to_string();
            let quoted = quoted
                .replace('\u{85}', "\\u0085")
                .replace('\u{2028}', "\\u2028")
                .replace('\u{2029}', "\\u2029");
            out.replace_range(place.value.clone(), &quoted);
        }
    }
    out
}

/// Writes a value as canonical JSON (RFC 8785), the form that hashes are over: one line, keys in order.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json_canonicalizer::to_string(value).map_err(WriteError::Json)
}
