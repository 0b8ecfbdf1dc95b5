//! Cutting a text into documents, so that a broken one does not take the others with it.
use std::ops::Range;

use granit_parser::{Event, Parser, StructureStyle};

/// The byte range of every document of a text.
///
/// A line that begins with `---` starts a document wherever it stands: YAML allows it inside no other construct. Lines
/// before it that hold only directives and comments belong to it.
pub(crate) fn chunks(text: &str) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut begun = false;
    for line in text.split_inclusive('\n') {
        let marker = line.trim_start_matches('\u{feff}');
        if is_marker(marker, "---") {
            if begun {
                chunks.push(start..at);
                start = at;
            }
            begun = true;
        } else if is_marker(marker, "...") {
            chunks.push(start..at + line.len());
            start = at + line.len();
            begun = false;
        } else if !marker.trim().is_empty() && !marker.starts_with('%') {
            begun |= !marker.trim_start().starts_with('#');
        }
        at += line.len();
    }
    if start < text.len() {
        chunks.push(start..text.len());
    }
    chunks
}

/// The entries of a document that is a list in brackets, `[{…}, {…}]`, as programs write several objects in JSON; of any
/// other, the document itself.
pub(crate) fn entries(text: &str, chunk: Range<usize>) -> Vec<Range<usize>> {
    let document = &text[chunk.clone()];
    if !document
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('[')
    {
        return vec![chunk];
    }
    in_brackets(document, chunk.start)
        .filter(|entries| !entries.is_empty())
        .unwrap_or_else(|| vec![chunk])
}

/// The mappings of a list in brackets; `None` where it holds anything else, or names what could be repeated elsewhere.
fn in_brackets(document: &str, origin: usize) -> Option<Vec<Range<usize>>> {
    let options = granit_parser::options! { emit_comments: false };
    let (mut entries, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for event in Parser::new_from_str_with_options(document, options) {
        let (event, span) = event.ok()?;
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::SequenceStart(StructureStyle::Flow, 0, None) if depth != 1 => depth += 1,
            Event::MappingStart(StructureStyle::Flow, 0, None) if depth > 0 => {
                if depth == 1 {
                    start = origin + range.start;
                }
                depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.checked_sub(1)?;
                if depth == 1 {
                    entries.push(start..origin + range.end);
                }
            }
            Event::Scalar(_, _, 0, None) if depth > 1 => {}
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            _ => return None,
        }
    }
    Some(entries)
}

/// Whether a line is this marker, whatever stands behind it.
pub(crate) fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}
