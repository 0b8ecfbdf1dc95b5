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

/// Whether a character is shown as none, or as another text than it stands in: it breaks a line for YAML 1.1 alone, turns
/// the direction of writing around, or has no width.
fn misleads(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The same text with every value that holds such a character escaped: readers would fold it differently, and a terminal
/// would show something else.
fn escaped(text: String, value: &Value) -> String {
    if !text.contains(misleads) {
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
        if held.contains(misleads) {
            let mut quoted = String::new();
            for c in Value::from(held).to_string().chars() {
                match u32::from(c) {
                    _ if !misleads(c) => quoted.push(c),
                    code @ ..=0xffff => quoted.extend(format!("\\u{code:04x}").chars()),
                    code => quoted.extend(format!("\\U{code:08x}").chars()),
                }
            }
            // A block reaches over its last line's end to where the next line begins.
            let block = &out[place.value.clone()];
            let rest = block
                .rfind('\n')
                .filter(|&at| block[at..].trim().is_empty());
            let end = rest.map_or(place.value.end, |at| place.value.start + at);
            // Its mark stands before it, on the line above.
            let head = out[..place.value.start].trim_end();
            let mark =
                head.trim_end_matches(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit());
            let start = if mark.ends_with(['|', '>']) {
                mark.len() - 1
            } else {
                place.value.start
            };
            out.replace_range(start..end, &quoted);
        }
    }
    out
}

/// Writes a value as canonical JSON (RFC 8785), the form that hashes are over: one line, keys in order.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json_canonicalizer::to_string(value).map_err(WriteError::Json)
}
