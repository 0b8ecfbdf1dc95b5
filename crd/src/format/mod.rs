//! The canonical form of a declaration: key order of the schema, two spaces, quotes where readers disagree; every comment
//! stays.
//!
//! `build` makes a tree of entries with their comments from the parser's events, `order` sorts it by the schema, `print`
//! writes it. What comes out is read again: unless values and comments are the same, the document keeps its own layout
//! and only gets its quotes.
mod build;
mod order;
mod print;
mod quote;

use granit_parser::{Event, Parser};
use serde_json::Value;

use crate::{
    diagnostic::{Diagnostic, Severity},
    kind::{API_VERSION, Kind},
    load::{Lines, MOST_DOCUMENTS, SourceText, chunks, read, too_many_documents},
};

pub(crate) use quote::quoted;

/// Formats every document of a text. Documents that are not ours stay as they are.
///
/// A text with malformed YAML or a key given twice has no canonical form; the problems come back instead.
pub fn format(source: &SourceText) -> Result<String, Vec<Diagnostic>> {
    let unix = SourceText {
        label: source.label.clone(),
        text: source
            .text
            .trim_start_matches('\u{feff}')
            .replace("\r\n", "\n")
            .replace('\r', "\n"),
    };
    let lines = Lines::new(&unix);
    let mut diagnostics = Vec::new();
    let mut out = String::new();
    let chunks = chunks(&unix.text);
    if let Some(further) = chunks.get(MOST_DOCUMENTS) {
        let span = lines.span(&(further.start..further.start));
        return Err(vec![too_many_documents(span)]);
    }
    for chunk in chunks {
        let text = &unix.text[chunk.clone()];
        match read(&lines, chunk, &mut diagnostics) {
            Some(document) => out.push_str(&document_text(text, &document.value)),
            None => out.push_str(text),
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    // Places are those of the text as given, so problems are found again there.
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        let lines = Lines::new(source);
        let mut placed = Vec::new();
        for chunk in self::chunks(&source.text) {
            read(&lines, chunk, &mut placed);
        }
        return Err(placed);
    }
    Ok(out)
}

/// One document in its canonical form.
fn document_text(text: &str, value: &Value) -> String {
    let ours = value.get("apiVersion").and_then(Value::as_str) == Some(API_VERSION);
    let kind = value
        .get("kind")
        .and_then(Value::as_str)
        .and_then(Kind::from_name);
    let (true, Some(kind)) = (ours, kind) else {
        return text.to_owned();
    };
    let quoted = quoted(text);
    if !is_same(text, &quoted) {
        return text.to_owned();
    }
    arranged(&quoted, kind).unwrap_or(quoted)
}

/// How often a text is arranged before it has no form that stays: comments that move may meet others.
const MOST_ROUNDS: usize = 4;

/// A document in the order and layout of its kind; `None` where that would lose something, or never come to rest.
fn arranged(text: &str, kind: Kind) -> Option<String> {
    let mut current = text.to_owned();
    for _ in 0..MOST_ROUNDS {
        let mut tree = build::tree(&current)?;
        order::sort(&mut tree.root, order::schema(kind));
        let printed = print::document(&tree);
        if printed == current {
            return Some(printed);
        }
        if !is_same(&current, &printed) {
            return None;
        }
        current = printed;
    }
    None
}

/// Whether two texts hold the same value and the same comments.
fn is_same(before: &str, after: &str) -> bool {
    let value = |text: &str| {
        let source = SourceText::new("", text);
        let lines = Lines::new(&source);
        let mut chunks = chunks(text).into_iter();
        match (chunks.next(), chunks.next()) {
            (Some(chunk), None) => read(&lines, chunk, &mut Vec::new()).map(|read| read.value),
            _ => None,
        }
    };
    match (value(before), value(after)) {
        (Some(before_value), Some(after_value)) => {
            before_value == after_value && comments(before) == comments(after)
        }
        (None, _) | (_, None) => false,
    }
}

/// Every comment of a text, sorted.
fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<_> = Parser::new_from_str(text)
        .filter_map(|event| match event.ok()?.0 {
            Event::Comment(text, _) => Some(text.trim_end().to_owned()),
            _ => None,
        })
        .collect();
    comments.sort();
    comments
}
