//! Sentences for text that is no YAML, or more of it than is read.
use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};

use super::{Lines, document};
use crate::diagnostic::{Diagnostic, catalog};

/// A document that the parser could not finish.
pub(super) fn broken(error: &ScanError, lines: &Lines<'_>, chunk: &Range<usize>) -> Diagnostic {
    let at = error
        .marker()
        .byte_offset()
        .map_or(chunk.start, |byte| byte + chunk.start);
    let span = lines.span(&one_character(lines, at));
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep().at(span);
    }
    Diagnostic::error(&catalog::MALFORMED, error.info()).at(span)
}

/// A document whose events are fine and whose value is not.
pub(super) fn unreadable(
    error: &serde_saphyr::Error,
    lines: &Lines<'_>,
    chunk: &Range<usize>,
) -> Diagnostic {
    let error = error.without_snippet();
    let span = lines.span(&one_character(lines, chunk.start));
    Diagnostic::error(&catalog::UNREADABLE_VALUE, error.to_string()).at(span)
}

fn too_deep() -> Diagnostic {
    Diagnostic::error(
        &catalog::TOO_LARGE,
        format!("nested deeper than {} levels", document::DEEPEST),
    )
    .help("no kind nests that deep; look for a bracket that is never closed")
}

/// The character at a byte offset; at the end of the text, the last one.
fn one_character(lines: &Lines<'_>, at: usize) -> Range<usize> {
    let text = lines.text();
    let mut start = at.min(text.trim_end().len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    start..start + length
}
