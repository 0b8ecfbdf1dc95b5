//! The canonical form of a declaration: key order of the schema, two spaces, quotes where readers disagree; every comment
//! stays.
//!
//! `build` makes a `tree` of entries with their comments from the parser's events, `order` sorts it by the schema, `print`
//! writes it. What comes out is read again: unless values and comments are the same, the document keeps its own layout
//! and only gets its quotes, and `kept` says why.
mod build;
mod kept;
mod order;
mod print;
mod quote;
mod tree;

use std::ops::Range;

use granit_parser::{Event, Parser, ScanError, Span};
use serde_json::Value;

use crate::{
    diagnostic::{Diagnostic, Severity, catalog},
    kind::{API_VERSION, Kind},
    load::{Lines, MOST_DOCUMENTS, SourceText, chunks, read, too_many_documents},
};

pub(crate) use quote::quoted;

/// A text in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatted {
    /// The text.
    pub text: String,
    /// A note for each document of ours that keeps its own layout, with what stands in the way.
    pub kept: Vec<Diagnostic>,
}

/// Formats every document of a text. Documents that are not ours stay as they are.
///
/// A text with malformed YAML or a key given twice has no canonical form; the problems come back instead.
pub fn format(source: &SourceText) -> Result<Formatted, Vec<Diagnostic>> {
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
    let mut kept = Vec::new();
    let chunks = chunks(&unix.text);
    if let Some(further) = chunks.get(MOST_DOCUMENTS) {
        let span = lines.span(&(further.start..further.start));
        return Err(vec![too_many_documents(span)]);
    }
    for (index, chunk) in chunks.into_iter().enumerate() {
        let text = &unix.text[chunk.clone()];
        match read(&lines, chunk, &mut diagnostics) {
            Some(document) => match form(text, &document.value) {
                Form::Canonical(text) => out.push_str(&text),
                Form::Kept(text) => {
                    kept.push((index, name(&document.value)));
                    out.push_str(&text);
                }
            },
            None => out.push_str(text),
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    // Places are those of the text as given, so problems are found again there.
    let lines = Lines::new(source);
    let chunks = self::chunks(&source.text);
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        let mut placed = Vec::new();
        for chunk in chunks {
            read(&lines, chunk, &mut placed);
        }
        return Err(placed);
    }
    let kept = kept.into_iter().map(|(index, name)| {
        let chunk = chunks.get(index).cloned().unwrap_or_default();
        note(&name, &lines, chunk)
    });
    Ok(Formatted {
        text: out,
        kept: kept.collect(),
    })
}

/// What became of a document.
enum Form {
    /// What it is to look like, or another tool's.
    Canonical(String),
    /// Ours, in its own layout.
    Kept(String),
}

/// That a document keeps its own layout.
fn note(name: &str, lines: &Lines<'_>, chunk: Range<usize>) -> Diagnostic {
    let (place, why) = kept::reason(&lines.text()[chunk.clone()]);
    let place = place.start + chunk.start..place.end + chunk.start;
    Diagnostic::note(
        &catalog::LEFT_AS_WRITTEN,
        format!("{name} keeps its own order and layout: {why}"),
    )
    .at(lines.span(&place))
    .help("nothing has to be done; write it as plain fields, one a line, to have it arranged")
}

/// A document as people call it.
fn name(value: &Value) -> String {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    match (text("/kind"), text("/metadata/name")) {
        (Some(kind), Some(name)) => format!("{kind}/{name}"),
        (Some(kind), None) => format!("this {kind}"),
        (None, _) => "this list".to_owned(),
    }
}

/// One document in its canonical form.
fn form(text: &str, value: &Value) -> Form {
    let kind = |value: &Value| {
        let ours = value.get("apiVersion").and_then(Value::as_str) == Some(API_VERSION);
        let name = value.get("kind").and_then(Value::as_str);
        name.filter(|_| ours).and_then(Kind::from_name)
    };
    let entries = value.get("items").unwrap_or(value).as_array();
    let listed = entries.is_some_and(|entries| entries.iter().any(|entry| kind(entry).is_some()));
    let kind = kind(value);
    if kind.is_none() && !listed {
        return Form::Canonical(text.to_owned());
    }
    let quoted = quoted(text);
    if !is_same(text, &quoted) {
        return Form::Kept(text.to_owned());
    }
    match kind.and_then(|kind| arranged(&quoted, kind)) {
        Some(arranged) => Form::Canonical(arranged),
        None => Form::Kept(quoted),
    }
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

/// What a parser tells of a text, however many comments stand in a row.
fn events(text: &str) -> impl Iterator<Item = Result<(Event<'_>, Span), ScanError>> {
    let options = granit_parser::options! { max_buffered_comment_events: usize::MAX };
    Parser::new_from_str_with_options(text, options)
}

/// Every comment of a text, sorted.
fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<_> = events(text)
        .filter_map(|event| match event.ok()?.0 {
            Event::Comment(text, _) => Some(text.trim_end().to_owned()),
            _ => None,
        })
        .collect();
    comments.sort();
    comments
}
