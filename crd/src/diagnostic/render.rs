//! Diagnostics as text for a person: the line, a caret under the exact key or value, and what to do.
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
    while let Some((span, label, kind)) = pieces.first().copied() {
        let Some(source) = sources.iter().find(|source| source.label == span.file) else {
            break;
        };
        let mut snippet = Snippet::source(source.text.as_str()).path(source.label.as_str());
        snippet = snippet.annotation(annotation(span, label, kind, &source.text));
        pieces.remove(0);
        if let Some((other, label, kind)) = pieces.first().copied()
            && other.file == span.file
        {
            snippet = snippet.annotation(annotation(other, label, kind, &source.text));
            pieces.remove(0);
        }
        group = group.element(snippet);
    }
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(diagnostic.help.as_str()));
    }
    vec![group]
}

/// The first line of the span: a caret under ten lines helps nobody.
fn annotation<'a>(
    span: &Span,
    label: &'a str,
    kind: AnnotationKind,
    text: &str,
) -> annotate_snippets::Annotation<'a> {
    let start = (span.byte as usize).min(text.len());
    let end = (start + span.length as usize).min(text.len());
    let covered = text.get(start..end).unwrap_or_default();
    let first = covered.split(['\n', '\r']).next().unwrap_or_default();
    let annotation = kind.span(start..start + first.trim_end().len());
    match label {
        "" => annotation,
        label => annotation.label(label),
    }
}
