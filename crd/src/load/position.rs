//! From byte offsets to lines and columns as an editor counts them.
use std::ops::Range;

use super::SourceText;
use crate::declaration::Span;

/// A text and where its lines begin.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    source: &'a SourceText,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    pub(crate) fn new(source: &'a SourceText) -> Self {
        let breaks = source.text.bytes().enumerate();
        let starts = breaks
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        Self {
            source,
            starts: std::iter::once(0).chain(starts).collect(),
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> &'a str {
        &self.source.text
    }

    /// The text's label.
    pub(crate) fn label(&self) -> &'a str {
        &self.source.label
    }

    /// The place of a byte range. A byte-order mark counts as no column.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        let text = self.text();
        let mut start = range.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line = self.starts.partition_point(|&first| first <= start).max(1);
        let first = self.starts[line - 1];
        let before = text[first..start].trim_start_matches('\u{feff}');
        Span {
            file: self.source.label.clone(),
            line: line as u32,
            column: before.chars().count() as u32 + 1,
            byte: start as u64,
            length: range.end.min(text.len()).saturating_sub(start) as u64,
        }
    }
}
