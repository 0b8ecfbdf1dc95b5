//! Goals that `up` finds blocked, and those that are met again: each is told once.
use std::collections::BTreeMap;

use crd::plan::{Plan, ReportKind, ReportLine, ReportReason};

use super::Up;
use crate::{console::Tone, supervise::Trouble};

/// What each blocked goal is known by, with its line of the report.
pub(super) type Blocked = BTreeMap<String, ReportLine>;

/// The blocked goals of a plan, but builds that failed: those are told when they fail.
pub(super) fn blocked(plan: &Plan) -> Blocked {
    plan.report
        .iter()
        .filter(|line| matches!(line.kind, ReportKind::Blocked | ReportKind::Error))
        .filter(|line| line.reason != ReportReason::BuildFailed)
        .map(|line| (subject(line), line.clone()))
        .collect()
}

/// What `status` says of them; what steps failed on is told where they are tried again.
pub(super) fn troubles(blocked: &Blocked) -> impl Iterator<Item = Trouble> + '_ {
    blocked
        .iter()
        .filter(|(_, line)| line.reason != ReportReason::StepFailed)
        .map(|(subject, line)| Trouble {
            why: format!("blocked: {subject}: {}", line.message),
            next_try: None,
        })
}

impl Up<'_> {
    /// Tells what became blocked since the last look, why and what to do, and what is blocked no more.
    pub(super) fn goals(&mut self, plan: &Plan) {
        let now = blocked(plan);
        let paint = self.console.err_paint();
        for (subject, line) in &now {
            if self
                .blocked
                .get(subject)
                .is_some_and(|before| before.message == line.message)
            {
                continue;
            }
            self.console.note(&format!(
                "{} {subject}: {}",
                paint.tone(Tone::Delete, "blocked:"),
                line.message
            ));
            if !line.hint.is_empty() {
                self.console.note(&format!(
                    "  {} {}",
                    paint.tone(Tone::Read, "help:"),
                    line.hint
                ));
            }
        }
        for subject in self.blocked.keys().filter(|key| !now.contains_key(*key)) {
            self.console.note(&format!(
                "{} {subject}",
                paint.tone(Tone::Create, "no longer blocked:")
            ));
        }
        self.blocked = now;
    }
}

fn subject(line: &ReportLine) -> String {
    let object = line.object.as_ref().map(ToString::to_string);
    let node = line.node.as_ref().map(|node| format!("on {node}"));
    let reason = format!("({:?})", line.reason);
    let words: Vec<String> = [object, node, Some(reason)].into_iter().flatten().collect();
    words.join(" ")
}
