//! Cutting a text into documents, so that a broken one does not take the others with it.
use std::ops::Range;

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

/// Whether a line is this marker, whatever stands behind it.
pub(crate) fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}
