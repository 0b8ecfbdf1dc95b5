//! The bracket or quote that was still open where the parser gave up: what a person has to close often stands lines above.
use std::ops::Range;

use granit_parser::ScanError;

/// A text that the parser could not finish, and what its events told until then. Offsets are those of the whole source.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Why.
    pub(crate) error: ScanError,
    /// Where brackets opened that nothing had closed, outermost first.
    pub(crate) brackets: Vec<usize>,
    /// Where the last event ended: what stands from there on was read, and told by no event.
    pub(crate) told: usize,
}

/// A document whose places were not read to the end.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is no YAML.
    Broken(Box<Broken>),
    /// It holds more than is read.
    TooLarge {
        /// The first byte that is too much.
        at: usize,
        /// What it may hold.
        most: usize,
    },
    /// It is a list of more documents than are read.
    TooManyDocuments {
        /// The first that is too much.
        at: usize,
    },
}

/// What stands open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// A bracket that nothing closes as far as the document goes.
    Bracket(usize),
    /// A bracket that is closed further down.
    Closed(usize),
    /// A quote that ends on a later line, where another was to begin.
    Quote(usize),
}

/// What was open at `at` in a document that ends at `end`, where it opened on an earlier line.
pub(super) fn opened(broken: &Broken, text: &str, at: usize, end: usize) -> Option<Opened> {
    let mut reader = Reader {
        // The parser reads ahead: what it told may have opened behind the place that it complains of.
        brackets: broken
            .brackets
            .iter()
            .copied()
            .filter(|bracket| *bracket < at)
            .collect(),
        quoted: None,
    };
    reader.read(text, broken.told.min(at)..at);
    if let Some((opening, closing)) = reader.quoted
        && text[opening..closing].contains('\n')
        && text[closing..at].trim().is_empty()
    {
        return Some(Opened::Quote(opening));
    }
    let depth = reader.brackets.len();
    let innermost = *reader.brackets.last()?;
    reader.read(text, at..end);
    // Pushed and popped since: the bracket is closed when fewer stand open than did, however briefly.
    let closed =
        reader.brackets.len() < depth || reader.brackets.get(depth - 1) != Some(&innermost);
    let above = text[innermost..at].contains('\n');
    above.then_some(if closed {
        Opened::Closed(innermost)
    } else {
        Opened::Bracket(innermost)
    })
}

/// Follows brackets and quotes as far as they can be told without the parser.
struct Reader {
    brackets: Vec<usize>,
    /// The last quoted text: where it begins, and behind its end.
    quoted: Option<(usize, usize)>,
}

impl Reader {
    fn read(&mut self, text: &str, range: Range<usize>) {
        let bytes = text.as_bytes();
        let mut at = range.start;
        // Whether a value may begin here: behind a mark such as `: `, or on a new line.
        let mut fresh = true;
        while at < range.end {
            let byte = bytes[at];
            let spaced = at == 0 || bytes[at - 1].is_ascii_whitespace();
            let begins = fresh || !self.brackets.is_empty() && spaced;
            match byte {
                b'#' if spaced => {
                    at += text[at..range.end].find('\n').unwrap_or(range.end - at);
                    continue;
                }
                b'"' | b'\'' if begins => {
                    let closing = closing(bytes, at, range.end);
                    self.quoted = Some((at, closing));
                    at = closing;
                    fresh = false;
                    continue;
                }
                b'[' | b'{' if begins || !self.brackets.is_empty() => self.brackets.push(at),
                b']' | b'}' => {
                    self.brackets.pop();
                }
                _ => {}
            }
            fresh = match byte {
                b'\n' | b'[' | b'{' | b',' | b':' | b'-' | b'?' => true,
                b' ' | b'\t' | b'\r' => fresh,
                _ => false,
            };
            at += 1;
        }
    }
}

/// Behind the quote that ends the quoted text from `start` on; `end` where none does.
fn closing(bytes: &[u8], start: usize, end: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < end {
        if quote == b'"' && bytes[at] == b'\\'
            || quote == b'\'' && bytes[at..end].starts_with(b"''")
        {
            at += 2;
        } else if bytes[at] == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    end
}
