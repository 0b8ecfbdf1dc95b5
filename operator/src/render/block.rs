//! Blocks of steps: neighbours that the same declared lines ask for are told together, with each reason once.
use crd::{
    declaration::Span,
    id::ObjectRef,
    step::{DisruptionClass, Inverse, IsolationChange, Step},
};

use super::{
    plan::{Detail, line},
    reasons, words,
};
use crate::console::{Paint, Tone};

/// Where the places of declared lines begin.
const PLACE_COLUMN: usize = 72;

/// Steps under a heading, block by block; nothing where there are none.
pub(super) fn section(
    out: &mut String,
    title: &str,
    steps: &[&Step],
    paint: Paint,
    detail: Detail,
) {
    if steps.is_empty() {
        return;
    }
    line(out, &paint.tone(Tone::Dim, format_args!("  # {title}")));
    for block in steps.chunk_by(|one, other| told(one) == told(other)) {
        for step in block {
            step_line(out, step, paint);
            if detail == Detail::Wide {
                proof(out, step);
            }
        }
        isolation(out, block, paint);
        reasons(out, block, paint);
        declared(out, block, paint);
    }
}

/// What a step's story is made of: the declared lines that ask for it.
fn told(step: &Step) -> Vec<(Option<&ObjectRef>, Option<&str>, Option<&Span>)> {
    let mut told = Vec::new();
    for cause in step.causes.iter().filter(|cause| cause.object.is_some()) {
        let line = (
            cause.object.as_ref(),
            cause.path.as_deref(),
            cause.span.as_ref(),
        );
        if !told.contains(&line) {
            told.push(line);
        }
    }
    told
}

fn step_line(out: &mut String, step: &Step, paint: Paint) {
    let words = words::of(step, paint);
    let (symbol, tone) = words::symbol(step.symbol);
    let lead = format!("{symbol:<2} {}", words.verb);
    let lead = paint.tone(tone, format_args!("{lead:<18}"));
    line(
        out,
        &format!(
            "  {lead} {:<24}  {}{}",
            words.target,
            words.change,
            disruption(step)
        ),
    );
}

fn disruption(step: &Step) -> String {
    let class = match step.disruption.class {
        DisruptionClass::None | DisruptionClass::Isolation => return String::new(),
        DisruptionClass::Worker => "stops work",
        DisruptionClass::Device => "it stops answering",
        DisruptionClass::Group => "the whole group stops answering",
        DisruptionClass::Node => "every SoC of the node stops answering",
    };
    let workers: Vec<&str> = step
        .disruption
        .workers
        .iter()
        .map(crd::id::WorkerId::as_str)
        .collect();
    let stopped = if workers.is_empty() {
        String::new()
    } else {
        format!(", with {}", workers.join(", "))
    };
    format!("; {class}{stopped}")
}

/// Isolation that a block's steps take away, told once where they take the same.
fn isolation(out: &mut String, block: &[&Step], paint: Paint) {
    let mut told: Vec<&IsolationChange> = Vec::new();
    for change in block
        .iter()
        .filter_map(|step| step.disruption.isolation.as_ref())
    {
        if told.contains(&change) {
            continue;
        }
        told.push(change);
        let group = |function| {
            let set = change
                .kernel
                .iter()
                .find(|set| set.functions.contains(function));
            set.and_then(|set| set.group).map_or_else(
                || format!("{function} (no IOMMU group)"),
                |group| format!("{function} (IOMMU group {group})"),
            )
        };
        for set in change.after.iter().filter(|set| set.len() > 1) {
            let members: Vec<String> = set.iter().map(group).collect();
            let text = format!(
                "      isolation: one domain afterwards, whatever the kernel's groups still say: {}",
                members.join(", ")
            );
            line(out, &paint.tone(Tone::Reset, text));
        }
        if !change.neighbours.is_empty() {
            let text = format!(
                "      isolation: loses it without being a member: {}",
                words::list(&change.neighbours)
            );
            line(out, &paint.tone(Tone::Delete, text));
        }
    }
}

/// Each reason once; the verbs that it is about where a block has several.
fn reasons(out: &mut String, block: &[&Step], paint: Paint) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for step in block {
        let (reason, verb) = (
            reasons::reason(step.reason),
            words::of(step, Paint::Plain).verb,
        );
        match reasons.iter_mut().find(|(told, _)| *told == reason) {
            Some((_, verbs)) if !verbs.contains(&verb) => verbs.push(verb),
            Some(_) => {}
            None => reasons.push((reason, vec![verb])),
        }
    }
    for (reason, verbs) in &reasons {
        let about = if reasons.len() > 1 {
            format!("{}: ", verbs.join(", "))
        } else {
            String::new()
        };
        line(
            out,
            &paint.tone(Tone::Dim, format_args!("      because {about}{reason}")),
        );
    }
}

/// The declared lines that ask for a block.
fn declared(out: &mut String, block: &[&Step], paint: Paint) {
    let causes = block.first().map(|step| told(step)).unwrap_or_default();
    for (at, (object, path, span)) in causes.into_iter().enumerate() {
        let object = object.map_or_else(String::new, ToString::to_string);
        let path = path.unwrap_or_default();
        let lead = if at == 0 {
            "declared by"
        } else {
            "        and"
        };
        let place = span.map_or_else(
            || "(declared no more)".to_owned(),
            |span| format!("{}:{}", span.file, span.line),
        );
        let what = format!("      {lead} {object} {path}");
        line(
            out,
            &format!(
                "{} {place}",
                paint.tone(
                    Tone::Dim,
                    format_args!("{:<PLACE_COLUMN$}", what.trim_end())
                )
            ),
        );
    }
}

/// Facts, rule and inverse of a step, for who wants everything.
fn proof(out: &mut String, step: &Step) {
    for fact in step.causes.iter().filter_map(|cause| cause.fact.as_ref()) {
        line(
            out,
            &format!("        found {} = {}", fact.fact, fact.value),
        );
    }
    line(
        out,
        &format!("        rule {}   step {}", step.rule, step.id),
    );
    match &step.inverse {
        Inverse::Impossible { why } => line(out, &format!("        cannot be undone: {why}")),
        Inverse::Action { .. } | Inverse::NothingChanged => {}
    }
}
