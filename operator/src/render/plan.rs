//! A plan as text for people: the same bytes for the same plan, in the order in which its steps run.
use std::fmt::Write as _;

use crd::{
    kind::{ApprovalMode, Enforcement},
    plan::{NodePlan, ObjectStatus, Plan},
    step::{Cause, DisruptionClass, IsolationChange, Step},
};

use super::{report, words};
use crate::console::{Paint, Tone};

/// Where the places of declared lines begin.
const PLACE_COLUMN: usize = 84;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What a reviewer reads.
    Normal,
    /// Facts, rules, inverses and unchanged objects as well.
    Wide,
}

/// What stands around a plan's steps.
pub struct Frame<'a> {
    /// What was looked at: `rack quickstart`, `this machine`, `1 recorded snapshot`.
    pub observed: &'a str,
    /// The command that carries out exactly this plan, where there is one.
    pub next: Option<&'a str>,
}

/// The whole plan.
pub fn text(plan: &Plan, frame: &Frame<'_>, paint: Paint, detail: Detail) -> String {
    let mut out = String::new();
    let nodes = words::counted(plan.nodes.len(), "node");
    let title = format!(
        "shardplane {} · plan for {nodes} · {}",
        env!("CARGO_PKG_VERSION"),
        frame.observed
    );
    line(&mut out, &paint.tone(Tone::Strong, title));
    for node in &plan.nodes {
        if !node.steps.is_empty() || !node.work.is_empty() || detail == Detail::Wide {
            out.push('\n');
            node_text(&mut out, node, paint, detail);
        }
    }
    out.push_str(&report::text(&plan.report, paint));
    objects(&mut out, plan, detail, paint);
    totals(&mut out, plan, frame, paint);
    out
}

fn node_text(out: &mut String, node: &NodePlan, paint: Paint, detail: Detail) {
    let boot = node.boot_id.as_ref().map_or_else(
        || "boot unknown".to_owned(),
        |boot| format!("boot {}", boot.as_str().get(..8).unwrap_or(boot.as_str())),
    );
    let policies = if node.governance.policies.is_empty() {
        "no policy".to_owned()
    } else {
        let names: Vec<String> = node
            .governance
            .policies
            .iter()
            .map(|name| format!("CardPolicy/{name}"))
            .collect();
        format!(
            "{}: {}, approval {}",
            names.join(", "),
            enforcement(node.governance.enforcement),
            approval(node.governance.approval)
        )
    };
    line(
        out,
        &format!(
            "{}   {boot}   {policies}",
            paint.tone(Tone::Strong, format_args!("Node {}", node.node))
        ),
    );
    let (builds, workers): (Vec<&Step>, Vec<&Step>) =
        node.work.iter().partition(|step| is_build(step));
    section(out, "before the cards are touched", &builds, paint, detail);
    let mut at = 0;
    while at < node.steps.len() {
        let batch = node.steps[at].batch;
        let end = node.steps[at..]
            .iter()
            .position(|step| step.batch != batch)
            .map_or(node.steps.len(), |n| at + n);
        let steps: Vec<&Step> = node.steps[at..end].iter().collect();
        let batches = node.steps.iter().map(|step| step.batch).max().unwrap_or(0) + 1;
        let title = if batches == 1 {
            "card and machine steps, in this order".to_owned()
        } else {
            format!("card and machine steps, batch {} of {batches}", batch + 1)
        };
        section(out, &title, &steps, paint, detail);
        at = end;
    }
    section(
        out,
        "deferred to `shardplane up`, which owns the workers",
        &workers,
        paint,
        detail,
    );
}

fn is_build(step: &Step) -> bool {
    matches!(step.action, crd::step::Action::Build { .. })
}

fn section(out: &mut String, title: &str, steps: &[&Step], paint: Paint, detail: Detail) {
    if steps.is_empty() {
        return;
    }
    line(out, &paint.tone(Tone::Dim, format_args!("  # {title}")));
    let mut at = 0;
    while at < steps.len() {
        let run = steps[at..]
            .iter()
            .take_while(|step| same_story(steps[at], step))
            .count();
        for step in &steps[at..at + run] {
            step_line(out, step, paint);
            if let Some(isolation) = &step.disruption.isolation {
                isolation_lines(out, isolation, paint);
            }
        }
        story(out, &steps[at..at + run], paint, detail);
        at += run;
    }
}

/// Whether two neighbouring steps are there for the same reason, so that it need be told once.
fn same_story(one: &Step, other: &Step) -> bool {
    let told = |step: &Step| -> Vec<_> {
        step.causes
            .iter()
            .filter(|c| c.object.is_some())
            .map(|c| (c.object.clone(), c.path.clone(), c.span.clone()))
            .collect()
    };
    std::mem::discriminant(&one.action) == std::mem::discriminant(&other.action)
        && one.reason == other.reason
        && told(one) == told(other)
}

fn step_line(out: &mut String, step: &Step, paint: Paint) {
    let words = words::of(step, paint);
    let (symbol, tone) = words::symbol(step.symbol);
    let lead = paint.tone(tone, format_args!("{symbol:<3}{:<15}", words.verb));
    let target = format!("{:<28}", words.target);
    line(
        out,
        format!("  {lead} {target} {}{}", words.change, disruption(step)).trim_end(),
    );
}

fn disruption(step: &Step) -> String {
    let class = match step.disruption.class {
        DisruptionClass::None | DisruptionClass::Isolation => return String::new(),
        DisruptionClass::Worker => "stops work",
        DisruptionClass::Device => "the SoC stops answering",
        DisruptionClass::Group => "the whole group stops answering",
        DisruptionClass::Node => "every SoC of the node stops answering",
    };
    let time = match (
        step.estimate.likely_ms / 1000,
        step.estimate.limit_ms / 1000,
    ) {
        (_, 0) => String::new(),
        (likely, limit) => format!(
            ", about {likely} s, at most {}",
            words::seconds(u32::try_from(limit).unwrap_or(u32::MAX))
        ),
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
    format!("; {class}{stopped}{time}")
}

fn isolation_lines(out: &mut String, isolation: &IsolationChange, paint: Paint) {
    let kernel: Vec<String> = isolation
        .kernel
        .iter()
        .map(|set| {
            let number = set
                .group
                .map_or_else(|| "none".to_owned(), |group| group.to_string());
            format!("{number} ({})", words::list(&set.functions))
        })
        .collect();
    if !kernel.is_empty() {
        line(
            out,
            &paint.tone(
                Tone::Dim,
                format_args!(
                    "        IOMMU groups the kernel believes in: {}",
                    kernel.join(", ")
                ),
            ),
        );
    }
    let joined: Vec<String> = isolation
        .after
        .iter()
        .map(|set| format!("{{{}}}", words::list(set)))
        .collect();
    if !joined.is_empty() {
        line(
            out,
            &format!(
                "        really isolated afterwards: {}",
                joined.join(" from ")
            ),
        );
    }
    if !isolation.neighbours.is_empty() {
        let text = format!(
            "        loses isolation, though no member: {}",
            words::list(&isolation.neighbours)
        );
        line(out, &paint.tone(Tone::Reset, text));
    }
}

fn story(out: &mut String, steps: &[&Step], paint: Paint, detail: Detail) {
    let Some(step) = steps.first() else { return };
    let declared: Vec<&Cause> = step
        .causes
        .iter()
        .filter(|cause| cause.object.is_some())
        .collect();
    let mut because = format!("      because {}", words::reason(step.reason));
    for cause in &declared {
        let object = cause
            .object
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        let path = cause.path.as_deref().filter(|path| !path.is_empty());
        let what = path.map_or(object.clone(), |path| format!("{object} {path}"));
        let place = cause.span.as_ref().map_or_else(
            || "no longer declared".to_owned(),
            |span| format!("{}:{}", span.file, span.line),
        );
        if because.is_empty() {
            because = format!("          and {what}");
        } else if because.len() + what.len() < PLACE_COLUMN {
            let _ = write!(because, " · {what}");
        } else {
            line(out, &paint.tone(Tone::Dim, &because));
            because = format!("              {what}");
        }
        line(
            out,
            &format!(
                "{}{}",
                paint.tone(Tone::Dim, format_args!("{because:<PLACE_COLUMN$}  ")),
                place
            ),
        );
        because.clear();
    }
    if !because.is_empty() {
        line(out, &paint.tone(Tone::Dim, &because));
    }
    if detail == Detail::Wide {
        for step in steps {
            for fact in step.causes.iter().filter_map(|cause| cause.fact.as_ref()) {
                line(out, &format!("      found {} = {}", fact.fact, fact.value));
            }
            line(out, &format!("      rule {}   step {}", step.rule, step.id));
            if let crd::step::Inverse::Impossible { why } = &step.inverse {
                line(out, &format!("      cannot be undone: {why}"));
            }
        }
    }
}

fn objects(out: &mut String, plan: &Plan, detail: Detail, paint: Paint) {
    let unchanged = plan
        .objects
        .iter()
        .filter(|object| object.status == ObjectStatus::Unchanged)
        .count();
    if detail == Detail::Wide && !plan.objects.is_empty() {
        out.push('\n');
        line(out, &paint.tone(Tone::Strong, "Objects"));
        for object in &plan.objects {
            let status = match object.status {
                ObjectStatus::Unchanged => "=  unchanged",
                ObjectStatus::Changed => "~  changed",
                ObjectStatus::Blocked => "x  blocked",
                ObjectStatus::Deleted => "-  deleted",
            };
            let place = object
                .source
                .as_ref()
                .map_or_else(String::new, |span| format!("{}:{}", span.file, span.line));
            line(
                out,
                format!("  {status:<13} {:<44} {place}", object.object.to_string()).trim_end(),
            );
        }
    } else if unchanged > 0 && plan.applyable {
        out.push('\n');
        line(
            out,
            &paint.tone(
                Tone::Dim,
                format_args!(
                    "{} unchanged (-o wide lists them).",
                    words::counted(unchanged, "object")
                ),
            ),
        );
    }
}

fn totals(out: &mut String, plan: &Plan, frame: &Frame<'_>, paint: Paint) {
    let sum = &plan.summary;
    out.push('\n');
    if !plan.applyable {
        let verdict = if sum.blocked > 0 {
            "Nothing can run now"
        } else {
            "No changes: the machine is as declared"
        };
        let blocked = if sum.blocked > 0 {
            format!(
                "; {} blocked, see above",
                words::counted(sum.blocked as usize, "goal")
            )
        } else {
            String::new()
        };
        line(
            out,
            &format!("{}{blocked}.", paint.tone(Tone::Strong, verdict)),
        );
        deferred(out, sum.deferred);
        return;
    }
    let mut parts = vec![
        format!("{} to change", sum.change),
        words::counted(sum.resets as usize, "reset"),
        words::counted(sum.builds as usize, "build"),
        words::counted(sum.gates as usize, "check"),
    ];
    if sum.blocked > 0 {
        parts.push(format!("{} blocked", sum.blocked));
    }
    line(
        out,
        &format!(
            "{} {}.",
            paint.tone(Tone::Strong, "Plan:"),
            parts.join(", ")
        ),
    );
    deferred(out, sum.deferred);
    let worst = plan
        .nodes
        .iter()
        .map(|node| node.disruption)
        .max()
        .unwrap_or_default();
    let asks = if plan.nodes.iter().any(|node| node.disruptive) {
        "disruptive"
    } else {
        "not disruptive"
    };
    line(out, &format!("Disruption: {} ({asks}).", class(worst)));
    for node in plan.nodes.iter().filter(|node| !node.steps.is_empty()) {
        line(out, &format!("Digest: {}   {}", node.digest.0, node.node));
    }
    line(out, &format!("Digest: {}", plan.digest.0));
    if let Some(next) = frame.next {
        line(out, "Carry out exactly this plan:");
        line(out, &paint.tone(Tone::Strong, format_args!("  {next}")));
    }
}

fn deferred(out: &mut String, count: u32) {
    if count > 0 {
        line(
            out,
            &format!(
                "Deferred: {} wait for `shardplane up`.",
                words::counted(count as usize, "worker step")
            ),
        );
    }
}

/// A class of disruption as a word.
pub fn class(class: DisruptionClass) -> &'static str {
    match class {
        DisruptionClass::None => "none",
        DisruptionClass::Isolation => "isolation",
        DisruptionClass::Worker => "worker",
        DisruptionClass::Device => "device",
        DisruptionClass::Group => "group",
        DisruptionClass::Node => "node",
    }
}

fn enforcement(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Observe => "Observe",
        Enforcement::Enforce => "Enforce",
    }
}

fn approval(mode: ApprovalMode) -> &'static str {
    match mode {
        ApprovalMode::Automatic => "Automatic",
        ApprovalMode::AutomaticIfNotDisruptive => "AutomaticIfNotDisruptive",
        ApprovalMode::Manual => "Manual",
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
