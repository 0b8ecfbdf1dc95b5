//! A plan as text for people: the same bytes for the same plan, in the order in which its steps run.
use crd::{
    kind::{ApprovalMode, Enforcement},
    plan::{NodePlan, ObjectStatus, Plan, ReportKind},
    step::{DisruptionClass, Step},
};
use reconcile::rollout;

use super::{block, report, turns, words};
use crate::console::{Paint, Tone};

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
    for node in in_order(plan) {
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

/// Nodes as they are worked on, then those with nothing to run.
fn in_order(plan: &Plan) -> Vec<&NodePlan> {
    let mut nodes: Vec<&NodePlan> = plan.nodes.iter().collect();
    nodes.sort_by_key(|node| {
        let place = plan.order.iter().position(|name| *name == node.node);
        (place.unwrap_or(usize::MAX), &node.node)
    });
    nodes
}

/// Which node goes first, and when the rollout stops; empty where there is only one.
fn order(plan: &Plan) -> Option<String> {
    let nodes: Vec<&NodePlan> = (in_order(plan).into_iter())
        .filter(|node| plan.order.contains(&node.node))
        .collect();
    let threshold = nodes.iter().map(|node| node.governance.failure_threshold);
    let threshold = threshold.min().filter(|_| nodes.len() > 1)?;
    let canary = nodes.iter().any(|node| node.governance.canary);
    let names: Vec<String> = nodes
        .iter()
        .map(|node| {
            let role = if node.governance.canary {
                " (canary)"
            } else {
                ""
            };
            format!("{}{role}", node.node)
        })
        .collect();
    let canary = if canary { "a failed canary, or " } else { "" };
    Some(format!(
        "Order: {}{}; stops at {canary}{}.",
        names.join(", "),
        batches(plan),
        words::counted(threshold as usize, "failed node")
    ))
}

/// Which nodes are a batch, where a policy makes more than one of them.
fn batches(plan: &Plan) -> String {
    let nodes = plan.nodes.iter();
    let governed = nodes.map(|node| (&node.node, &node.governance)).collect();
    let said: Vec<String> = rollout::batches(&plan.order, &governed)
        .into_iter()
        .filter(|(_, batches)| batches.len() > 1)
        .map(|(policy, batches)| {
            let each = batches.iter().map(|batch| {
                let names: Vec<String> = batch.iter().map(ToString::to_string).collect();
                names.join(" and ")
            });
            let each: Vec<String> = each.collect();
            format!("; batches of CardPolicy/{policy}: {}", each.join(", then "))
        })
        .collect();
    said.concat()
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
    block::section(out, "before the cards are touched", &builds, paint, detail);
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
        block::section(out, &title, &steps, paint, detail);
        at = end;
    }
    turns::section(out, &workers, paint, detail);
}

fn is_build(step: &Step) -> bool {
    matches!(step.action, crd::step::Action::Build { .. })
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
        let observed = plan
            .report
            .iter()
            .any(|line| line.kind == ReportKind::Observed);
        let verdict = if sum.blocked > 0 {
            "Nothing can run now"
        } else if observed {
            "Nothing will run: the policy only observes, and the machine is not as declared"
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
        turns::lines(out, &plan.turns);
        if by_workers(plan) > DisruptionClass::None {
            disruption(out, plan);
        }
        return;
    }
    let counts = [
        (sum.change, format!("{} to change", sum.change)),
        (sum.resets, words::counted(sum.resets as usize, "reset")),
        (sum.builds, words::counted(sum.builds as usize, "build")),
        (sum.gates, words::counted(sum.gates as usize, "check")),
        (sum.blocked, format!("{} blocked", sum.blocked)),
    ];
    let mut parts: Vec<String> = counts
        .into_iter()
        .filter_map(|(count, text)| (count > 0).then_some(text))
        .collect();
    if parts.is_empty() {
        let steps = plan.nodes.iter().map(|node| node.steps.len()).sum();
        parts.push(format!(
            "{} in our own books, none on the machine",
            words::counted(steps, "step")
        ));
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
    turns::lines(out, &plan.turns);
    disruption(out, plan);
    if let Some(order) = order(plan) {
        line(out, &order);
    }
    for node in plan.nodes.iter().filter(|node| !node.steps.is_empty()) {
        line(out, &format!("Digest: {}   {}", node.digest.0, node.node));
    }
    line(out, &format!("Digest: {}", plan.digest.0));
    if let Some(next) = frame.next {
        line(out, "Carry it out:");
        line(out, &paint.tone(Tone::Strong, format_args!("  {next}")));
    }
}

/// What the steps of cards and settings disturb, which is what approval is about; and what worker steps do beyond that.
fn disruption(out: &mut String, plan: &Plan) {
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
    let workers = match by_workers(plan) {
        more if more > worst => format!(
            "; {} by what is deferred, which needs no approval",
            class(more)
        ),
        _ => String::new(),
    };
    line(
        out,
        &format!("Disruption: {} ({asks}){workers}.", class(worst)),
    );
}

/// What worker steps disturb.
fn by_workers(plan: &Plan) -> DisruptionClass {
    let steps = plan.nodes.iter().flat_map(|node| &node.work);
    steps
        .map(|step| step.disruption.class)
        .max()
        .unwrap_or_default()
}

fn deferred(out: &mut String, count: u32) {
    if count > 0 {
        line(
            out,
            &format!(
                "Deferred: {} for `shardplane up` to carry out.",
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

pub(super) fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
