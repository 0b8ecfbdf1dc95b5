//! Quotes around text that YAML 1.1 readers would take for something else.
use std::{collections::BTreeSet, ops::Range};

use serde_json::Value;

use crate::load::{Lines, Notation, Places, SourceText, chunks, read, retyped_by_yaml_1_1};

/// The same text with every such scalar in double quotes. Broken documents stay as they are.
pub(crate) fn quoted(text: &str) -> String {
    // `50E41963` is a number too large for any reader: quoted first, or the document could not be read at all.
    let endless = |text: &str| {
        let digits = text
            .trim_start_matches(['+', '-'])
            .starts_with(|c: char| c.is_ascii_digit() || c == '.');
        digits && text.parse::<f64>().is_ok_and(f64::is_infinite)
    };
    let text = quote(text, |_, range| endless(&text[range.clone()]));
    let source = SourceText::new("", text.as_str());
    let lines = Lines::new(&source);
    let mut text_at = BTreeSet::new();
    for chunk in chunks(&text) {
        let Some(document) = read(&lines, chunk, &mut Vec::new()) else {
            continue;
        };
        for (pointer, place) in &document.places.by_pointer {
            text_at.extend(place.key.as_ref().map(|key| key.start));
            if document
                .value
                .pointer(pointer)
                .is_some_and(Value::is_string)
            {
                text_at.insert(place.value.start);
            }
        }
    }
    quote(&text, |text, range| {
        text_at.contains(&range.start) && retyped_by_yaml_1_1(&text[range.clone()]).is_some()
    })
}

/// Quotes the plain scalars that are `wanted`.
fn quote(text: &str, wanted: impl Fn(&str, &Range<usize>) -> bool) -> String {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for chunk in chunks(text) {
        let Ok(places) = Places::read(&text[chunk.clone()], chunk.start) else {
            continue;
        };
        for place in places.by_pointer.into_values() {
            ranges.extend(place.key);
            if place.notation == Notation::Plain {
                ranges.push(place.value);
            }
        }
    }
    // Where nothing is written there is nothing to quote, and the place is that of whatever comes next.
    ranges.retain(|range| !range.is_empty() && wanted(text, range));
    ranges.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len() + 2 * ranges.len());
    let mut at = 0;
    for range in ranges {
        // Text that is taken for something else holds neither quotes nor backslashes.
        out.push_str(&text[at..range.start]);
        out.push('"');
        out.push_str(&text[range.clone()]);
        out.push('"');
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}
