//! Sentences for text that is no YAML, or more of it than is read.
use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};
use serde_saphyr::{Error, budget::BudgetBreach};

use super::{
    Lines,
    limits::{too_deep, too_many_nodes},
    opened::{Broken, Opened, opened},
};
use crate::diagnostic::{Diagnostic, catalog};

/// A document that the parser could not finish.
pub(super) fn broken(broken: &Broken, lines: &Lines<'_>, chunk: &Range<usize>) -> Diagnostic {
    let error = &broken.error;
    let offset = error.marker().byte_offset().unwrap_or_default();
    let at = (chunk.start + offset).min(chunk.end);
    let opened = opened(broken, lines.text(), at, chunk.end);
    if let Some(diagnostic) = never_closed(opened, error.kind(), lines, at) {
        return diagnostic;
    }
    let diagnostic = told(error, lines, chunk, at);
    match opened {
        Some(Opened::Bracket(opening) | Opened::Closed(opening)) => diagnostic.related(
            lines.span(&one_character(lines, opening)),
            "inside this bracket",
        ),
        Some(Opened::Quote(_)) | None => diagnostic,
    }
}

/// What is wrong where the parser gave up.
fn told(error: &ScanError, lines: &Lines<'_>, chunk: &Range<usize>, at: usize) -> Diagnostic {
    if *error.kind() == ErrorKind::MappingValueNotAllowed
        && let Some(line) = line_without_colon(lines, chunk.start, at)
    {
        return Diagnostic::error(&catalog::MALFORMED, "this line is no field: it has no `:`")
            .at(lines.span(&line))
            .help("write `name: value`");
    }
    let diagnostic = match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(),
        kind => {
            let (message, help) = sentence(kind, error, &lines.text()[at..chunk.end]);
            Diagnostic::error(&catalog::MALFORMED, message).help(help)
        }
    };
    let found = match error.kind() {
        kind if is_about_tabs(kind) => tab_from(lines, chunk, at),
        // The parser stands where the value begins that holds it.
        ErrorKind::UnexpectedCharacter { character } => {
            let further = lines.text()[at..chunk.end].find(*character);
            further.map(|further| at + further)
        }
        _ => None,
    };
    let at = found.unwrap_or(at);
    diagnostic.at(lines.span(&one_character(lines, at)))
}

/// An opening bracket or quote on an earlier line, where that is what the parser stumbled over.
fn never_closed(
    opened: Option<Opened>,
    kind: &ErrorKind,
    lines: &Lines<'_>,
    at: usize,
) -> Option<Diagnostic> {
    let (opening, message, help, until, label) = match opened? {
        Opened::Closed(_) => return None,
        Opened::Bracket(_) if has_a_cause_of_its_own(kind) => return None,
        Opened::Bracket(opening) => (
            opening,
            format!(
                "this `{}` is never closed",
                &lines.text()[opening..=opening]
            ),
            CLOSE_BRACKET,
            at,
            "what stands here cannot be part of it",
        ),
        Opened::Quote(opening) => (
            opening,
            "this quote is not closed on its line".to_owned(),
            CLOSE_QUOTE,
            lines.text()[..at].trim_end().len().saturating_sub(1),
            "so it goes on to this one",
        ),
    };
    let diagnostic = Diagnostic::error(&catalog::MALFORMED, message);
    Some(
        diagnostic
            .at(lines.span(&one_character(lines, opening)))
            .related(lines.span(&one_character(lines, until)), label)
            .help(help),
    )
}

/// Whether an error is one whatever brackets stand around it, or names its bracket itself.
fn has_a_cause_of_its_own(kind: &ErrorKind) -> bool {
    is_about_tabs(kind)
        || matches!(
            kind,
            ErrorKind::UnclosedQuotedScalar
                | ErrorKind::UnclosedFlowCollection { .. }
                | ErrorKind::MismatchedFlowCollectionEnd { .. }
                | ErrorKind::MisplacedFlowCollectionEnd
                | ErrorKind::UnknownAnchor
                | ErrorKind::UnexpectedCharacter { .. }
                | ErrorKind::UnknownQuotedScalarEscape
                | ErrorKind::InvalidQuotedScalarHexEscape
                | ErrorKind::InvalidUnicodeEscape
                | ErrorKind::RecursionLimitExceeded
        )
}

const CLOSE_BRACKET: &str = "add the closing bracket, or write one entry a line without brackets";
const CLOSE_QUOTE: &str = "add the closing quote at the end of the value";

fn is_about_tabs(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

/// The first tab that indents a line, from the line of `at` on: the parser stands beside it, or where it looked last.
fn tab_from(lines: &Lines<'_>, chunk: &Range<usize>, at: usize) -> Option<usize> {
    let text = &lines.text()[..chunk.end];
    let mut start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    for line in text[start..].split_inclusive('\n') {
        let filled = line.trim_start_matches([' ', '\t']);
        let indentation = &line[..line.len() - filled.len()];
        if let (Some(tab), false) = (indentation.find('\t'), filled.trim().is_empty()) {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// What is wrong and what to do, for a person who does not know the parser's states.
fn sentence(kind: &ErrorKind, error: &ScanError, rest: &str) -> (String, &'static str) {
    let word = || {
        rest.split([' ', '\t', '\r', '\n', ',', ']', '}'])
            .next()
            .unwrap_or_default()
    };
    match kind {
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("this quote is never closed".to_owned(), CLOSE_QUOTE)
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("this `{open}` is never closed"), CLOSE_BRACKET)
        }
        ErrorKind::MisplacedFlowCollectionEnd => (
            "this bracket closes nothing".to_owned(),
            "remove it, or add the bracket that opens it",
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => (
            format!("`{open}` is closed by `{close}`"),
            "close each bracket by its own kind",
        ),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => (
            "entries between brackets are separated by `,`".to_owned(),
            "add the comma before this entry, or the closing bracket",
        ),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a `:` cannot stand here".to_owned(),
            "put text that holds `: ` in quotes; or the line above lacks its own `:`, or this one its indentation",
        ),
        ErrorKind::MappingKeyNotAllowed
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey => (
            "a field is expected here, `name: value`".to_owned(),
            "add the `:` after the field's name, or indent the line to belong to the value above",
        ),
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidBlockScalarIndent => (
            "the indentation fits nothing above".to_owned(),
            "indent all fields of one mapping, and all `- ` of one list, by the same number of spaces",
        ),
        kind if is_about_tabs(kind) => (
            "a tab cannot indent YAML".to_owned(),
            "replace the tab by spaces, two for each level",
        ),
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => (
            "a list entry `- ` cannot stand here".to_owned(),
            "begin each entry on a line of its own, or write the list as [a, b]",
        ),
        ErrorKind::UnknownAnchor => {
            let name = word().trim_start_matches('*');
            (
                format!("`*{name}` repeats a value, but no `&{name}` stands before it"),
                "put text that begins with `*` in quotes, or name the value to be repeated with `&`",
            )
        }
        ErrorKind::UnexpectedCharacter { character: '\0' } => (
            "a NUL character cannot stand in text".to_owned(),
            "save the file as UTF-8 (a NUL beside each letter is UTF-16), or remove it",
        ),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => (
            format!(
                "the control character U+{:04X} cannot stand here",
                u32::from(*character)
            ),
            "remove it, or write it as an escape in double quotes, such as \"\\x07\"",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a value cannot begin with `{character}`"),
            "put it in quotes",
        ),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => (
            "a `\\` in double quotes begins an escape, and this is none".to_owned(),
            "write `\\\\` for the character itself, or use single quotes",
        ),
        ErrorKind::CommentNotSeparated | ErrorKind::CommentInterceptedScalar => (
            "a comment cannot stand here".to_owned(),
            "put a space before `#`, or the text in quotes",
        ),
        ErrorKind::MissingDocumentEndBeforeDirective => (
            "a line that begins with `%` is a directive, which stands before `---` only".to_owned(),
            "put the text in quotes, or end the document above with `...`",
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "nothing may follow the closing quote".to_owned(),
            "put the whole value inside the quotes; in single quotes write `''` for one",
        ),
        // The rest is rare: tags, directives, marks in odd places. The parser's own words say what it is.
        _ => (
            error.info(),
            "remove it, or put the text that it belongs to in quotes",
        ),
    }
}

/// The line above, where the one at hand is an ordinary field and that one should have been: the parser reads both as one.
fn line_without_colon(lines: &Lines<'_>, first: usize, at: usize) -> Option<Range<usize>> {
    let text = &lines.text()[first..at];
    let (above, line) = text.rsplit_once('\n')?;
    if line.contains(": ") || line.trim_start().starts_with(['"', '\'']) {
        return None;
    }
    let start = above.rfind('\n').map_or(0, |newline| newline + 1);
    let culprit = above[start..].trim();
    if culprit.is_empty() || culprit.contains(':') || culprit.starts_with(['#', '-']) {
        return None;
    }
    let start = first + start + (above[start..].len() - above[start..].trim_start().len());
    Some(start..start + culprit.len())
}

/// A document whose events are fine and whose value is not.
pub(super) fn unreadable(
    error: &Error,
    most: usize,
    lines: &Lines<'_>,
    chunk: &Range<usize>,
) -> Diagnostic {
    let at = error.location().map_or(chunk.start, |location| {
        let text = &lines.text()[chunk.clone()];
        let line = text
            .split_inclusive('\n')
            .take((location.line() as usize).saturating_sub(1));
        let start: usize = line.map(str::len).sum();
        let column = (location.column() as usize).saturating_sub(1);
        let inside: usize = text[start..].chars().take(column).map(char::len_utf8).sum();
        chunk.start + start + inside
    });
    reason(error, most).at(lines.span(&one_character(lines, at)))
}

/// `most` is how many values the document may hold.
fn reason(error: &Error, most: usize) -> Diagnostic {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => reason(error, most),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => too_deep(),
        Error::Budget {
            breach: BudgetBreach::Events { .. } | BudgetBreach::Nodes { .. },
            ..
        }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => too_many_nodes(most),
        // Anchors, aliases, and the bytes that they repeat.
        Error::Budget { .. } | Error::AliasReplayStackDepthExceeded { .. } => Diagnostic::error(
            &catalog::TOO_LARGE,
            "the document names and repeats more with `&name` and `*name` than is read",
        )
        .help("write the values out instead of repeating them"),
        Error::RecursiveReferencesRequireWeakTypes { .. } => Diagnostic::error(
            &catalog::UNREADABLE_VALUE,
            "this `*name` stands inside the value that it repeats",
        )
        .help("write the value out here"),
        Error::NonFiniteFloat { .. } => Diagnostic::error(
            &catalog::UNREADABLE_VALUE,
            "no field takes a number without end",
        )
        .help("write a number, or put the text in quotes"),
        Error::UnsupportedTag { .. } => Diagnostic::error(
            &catalog::UNREADABLE_VALUE,
            "tags such as `!name` are not read",
        )
        .help("remove the tag, or put the text in quotes if it begins with `!`"),
        other => Diagnostic::error(
            &catalog::UNREADABLE_VALUE,
            format!("this value cannot be read: {}", brief(other)),
        )
        .help("write plain text, a number, a list or a mapping"),
    }
}

/// The reader's own words without the place, which the caret shows.
fn brief(error: &Error) -> String {
    let text = error.to_string();
    text.split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The character at a byte offset; at the end of the text, the last one.
fn one_character(lines: &Lines<'_>, at: usize) -> Range<usize> {
    let text = lines.text();
    let last = text
        .trim_end()
        .char_indices()
        .next_back()
        .map_or(0, |(at, _)| at);
    let mut start = at.min(last);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    start..start + length
}
