//! Diagnostics as text for a person: the line, a caret under the exact key or value, and what to do.
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::{declaration::Span, load::SourceText};

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// ASCII without escapes: pipes, files, tests.
    Plain,
    /// ASCII with ANSI colours.
    Coloured,
}

/// Draws every diagnostic in order, each followed by an empty line. `sources` are those that were loaded.
pub fn render(diagnostics: &[Diagnostic], sources: &[SourceText], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&renderer.render(&report(diagnostic, sources)));
        out.push_str("\n\n");
    }
    out
}

fn report<'a>(diagnostic: &'a Diagnostic, sources: &'a [SourceText]) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(
        level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.id()),
    );
    let mut pieces = Vec::new();
    if let Some(span) = &diagnostic.span {
        pieces.push((span, diagnostic.label.as_str(), AnnotationKind::Primary));
    }
    if let Some(related) = &diagnostic.related {
        pieces.push((
            &related.span,
            related.label.as_str(),
            AnnotationKind::Context,
        ));
    }
    while let Some((span, ..)) = pieces.first().copied() {
        let Some(source) = sources.iter().find(|source| source.label == span.file) else {
            break;
        };
        let count = match pieces.get(1) {
            Some((other, ..)) if other.file == span.file => 2,
            Some(_) | None => 1,
        };
        let annotated: Vec<_> = pieces
            .drain(..count)
            .map(|(span, label, kind)| (covered(span, &source.text), label, kind))
            .collect();
        group = group.element(snippet(source, &annotated));
    }
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(diagnostic.help.as_str()));
    }
    vec![group]
}

/// The lines from the first place to the last, and no others: a text may have millions.
fn snippet<'a>(
    source: &'a SourceText,
    annotated: &[(Range<usize>, &'a str, AnnotationKind)],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = source.text.as_str();
    let first = annotated.iter().map(|(range, ..)| range.start).min();
    let last = annotated.iter().map(|(range, ..)| range.end).max();
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..]
        .find('\n')
        .map_or(text.len(), |newline| last + newline + 1);
    let above = text[..start].bytes().filter(|byte| *byte == b'\n').count();
    let shown = Snippet::source(&text[start..end])
        .path(source.label.as_str())
        .line_start(above + 1);
    annotated.iter().fold(shown, |shown, (range, label, kind)| {
        let annotation = kind.span(range.start - start..range.end - start);
        shown.annotation(match *label {
            "" => annotation,
            label => annotation.label(label),
        })
    })
}

/// The first line of the span: a caret under ten lines helps nobody.
fn covered(span: &Span, text: &str) -> Range<usize> {
    let start = (span.byte as usize).min(text.len());
    let end = (start + span.length as usize).min(text.len());
    let covered = text.get(start..end).unwrap_or_default();
    let first = covered.split(['\n', '\r']).next().unwrap_or_default();
    start..start + first.trim_end().len()
}
