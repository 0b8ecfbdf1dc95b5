//! The one writer of YAML: what it writes, YAML 1.1 and 1.2 readers read alike.
use std::ops::Range;

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

/// The same text with every key and value that holds such a character escaped: readers would fold it differently, and a
/// terminal would show something else.
fn escaped(text: String, value: &Value) -> String {
    if !text.contains(misleads) {
        return text;
    }
    let Ok(places) = Places::read(&text, 0) else {
        return text;
    };
    let mut replaced: Vec<(Range<usize>, String)> = Vec::new();
    for (pointer, place) in &places.by_pointer {
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let key = last.replace("~1", "/").replace("~0", "~");
        let keyed = place.key.clone().zip(Some(key.as_str()));
        let held = value.pointer(pointer).and_then(Value::as_str);
        let written = keyed.into_iter().chain(Some(place.value.clone()).zip(held));
        replaced.extend(
            written
                .filter(|(_, held)| held.contains(misleads))
                .map(|(at, held)| (whole(&text, at), in_quotes(held))),
        );
    }
    let mut out = text;
    // From the end on, so that what is replaced leaves the places of the rest where they are.
    replaced.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    for (at, quoted) in replaced {
        out.replace_range(at, &quoted);
    }
    out
}

/// A text in quotes, with an escape for every character that misleads.
fn in_quotes(held: &str) -> String {
    let mut quoted = String::new();
    for c in Value::from(held).to_string().chars() {
        match u32::from(c) {
            _ if !misleads(c) => quoted.push(c),
            code @ ..=0xffff => quoted.extend(format!("\\u{code:04x}").chars()),
            code => quoted.extend(format!("\\U{code:08x}").chars()),
        }
    }
    quoted
}

/// All that a scalar is written with: of a block its mark too, which stands before it on the line above, and not the end
/// of its last line, over which it reaches to where the next begins.
fn whole(text: &str, at: Range<usize>) -> Range<usize> {
    let block = &text[at.clone()];
    let rest = block
        .rfind('\n')
        .filter(|&from| block[from..].trim().is_empty());
    let end = rest.map_or(at.end, |from| at.start + from);
    let head = text[..at.start].trim_end();
    let mark = head.trim_end_matches(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit());
    let start = if mark.ends_with(['|', '>']) {
        mark.len() - 1
    } else {
        at.start
    };
    start..end
}

/// Writes a value as canonical JSON (RFC 8785), the form that hashes are over: one line, keys in order.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json_canonicalizer::to_string(value).map_err(WriteError::Json)
}
