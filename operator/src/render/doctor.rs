//! A diagnosis as text: one line a finding, and below what is not as it should be, what to do.
use std::fmt::Write as _;

use crd::{
    diagnosis::{Diagnosis, Finding, Mender, NodeDiagnosis, Verdict, VerdictCounts},
    id::PciAddress,
};

use super::plan::Detail;
use crate::console::{Paint, Tone};

/// Functions that are named on a line; more are counted.
const NAMED: usize = 8;

/// The whole diagnosis.
pub fn text(diagnosis: &Diagnosis, detail: Detail, paint: Paint) -> String {
    let mut out = String::new();
    for node in &diagnosis.nodes {
        one(&mut out, node, detail, paint);
    }
    out.push_str(&summary(&diagnosis.summary, paint));
    out
}

fn one(out: &mut String, node: &NodeDiagnosis, detail: Detail, paint: Paint) {
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "{}",
        paint.tone(Tone::Strong, format_args!("Node {}", node.node))
    );
    let widest = node.findings.iter().map(|found| found.title.len()).max();
    for finding in &node.findings {
        line(out, finding, widest.unwrap_or(0), detail, paint);
    }
    out.push('\n');
}

fn line(out: &mut String, finding: &Finding, width: usize, detail: Detail, paint: Paint) {
    let (word, tone) = match finding.verdict {
        Verdict::Pass => ("pass", Tone::Create),
        Verdict::Warn => ("warn", Tone::Update),
        Verdict::Fail => ("FAIL", Tone::Delete),
        Verdict::Unknown => ("?", Tone::Read),
    };
    let _ = writeln!(
        out,
        "  {}  {:width$}  {}",
        paint.tone(tone, format_args!("{word:<4}")),
        finding.title,
        finding.fact,
    );
    let below = |out: &mut String, text: String| {
        let _ = writeln!(out, "        {:width$}  {text}", "");
    };
    let everything = detail == Detail::Wide;
    if (finding.verdict != Verdict::Pass || everything) && !finding.functions.is_empty() {
        below(
            out,
            paint.tone(Tone::Dim, functions(&finding.functions, detail)),
        );
    }
    if !finding.fix.is_empty() {
        let who = match finding.mender {
            Some(Mender::Apply) => "apply:",
            Some(Mender::Person) | None => "fix:",
        };
        below(
            out,
            format!("{} {}", paint.tone(Tone::Strong, who), finding.fix),
        );
    }
    if everything || matches!(finding.verdict, Verdict::Fail | Verdict::Unknown) {
        let source = format!("from {} [{}]", finding.source, finding.id);
        below(out, paint.tone(Tone::Dim, source));
    }
}

fn functions(functions: &[PciAddress], detail: Detail) -> String {
    let shown = match detail {
        Detail::Wide => functions.len(),
        Detail::Normal => functions.len().min(NAMED),
    };
    let mut names: Vec<String> = functions[..shown].iter().map(ToString::to_string).collect();
    if functions.len() > shown {
        names.push(format!("and {} more", functions.len() - shown));
    }
    names.join(" ")
}

fn summary(counts: &VerdictCounts, paint: Paint) -> String {
    let VerdictCounts {
        pass,
        warn,
        fail,
        mended_by_apply,
        unknown,
    } = counts;
    let mended = match (fail, mended_by_apply) {
        (_, 0) => String::new(),
        (all, some) if all == some => ", which `shardplane apply` mends".to_owned(),
        (_, some) => format!(", {some} of them mended by `shardplane apply`"),
    };
    let tone = if *fail > 0 {
        Tone::Delete
    } else {
        Tone::Create
    };
    let failed = paint.tone(tone, format_args!("{fail} fail{mended}"));
    format!("{pass} pass, {warn} warn, {failed}, {unknown} unknown.\n")
}
