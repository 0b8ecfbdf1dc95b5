//! Report lines as text: what is blocked and what to do about it, what drifted, what is worth knowing.
use std::fmt::Write as _;

use crd::plan::{ReportKind, ReportLine};

use super::words;
use crate::console::{Paint, Tone};

/// Every line of the report under a heading for its kind; empty when there is none.
pub fn text(lines: &[ReportLine], paint: Paint) -> String {
    const KINDS: [(ReportKind, &str, &str, Tone); 5] = [
        (ReportKind::Error, "Cannot be used", "x", Tone::Delete),
        (ReportKind::Blocked, "Blocked", "x", Tone::Delete),
        (ReportKind::Drift, "Drift", "?", Tone::Update),
        (
            ReportKind::Observed,
            "Observed only: Enforce would do this",
            ".",
            Tone::Dim,
        ),
        (ReportKind::Advice, "Worth knowing", "i", Tone::Read),
    ];
    let mut out = String::new();
    for (kind, title, sign, tone) in KINDS {
        let mut of_kind = lines.iter().filter(|line| line.kind == kind).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        out.push('\n');
        out.push_str(&paint.tone(Tone::Strong, title));
        out.push('\n');
        for line in of_kind {
            one(&mut out, line, &paint.tone(tone, sign), paint);
        }
    }
    out
}

fn one(out: &mut String, line: &ReportLine, sign: &str, paint: Paint) {
    let node = line
        .node
        .as_ref()
        .map_or_else(String::new, |node| format!(" on {node}"));
    let subject = line
        .object
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let place = line.span.as_ref().map_or_else(String::new, |span| {
        format!("   {}:{}", span.file, span.line)
    });
    let reason = format!("{:?}", line.reason);
    let head = format!("{subject}{node}");
    let head = if head.is_empty() {
        String::new()
    } else {
        format!("{}: ", head.trim_start())
    };
    let _ = writeln!(
        out,
        "  {sign} {head}{}{place}",
        paint.tone(Tone::Strong, &reason)
    );
    let _ = writeln!(out, "      {}", line.message);
    if !line.functions.is_empty()
        && !line
            .functions
            .iter()
            .any(|at| line.message.contains(&at.to_string()))
    {
        let _ = writeln!(out, "      {}", words::list(&line.functions));
    }
    if !line.hint.is_empty() {
        let _ = writeln!(
            out,
            "      {} {}",
            paint.tone(Tone::Read, "help:"),
            line.hint
        );
    }
}
