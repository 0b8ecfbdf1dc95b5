//! What a plan's document tells programs beyond the wire's plan: derived fields that spare every consumer the derivation.
use crd::{
    plan::{Plan, ReportKind},
    step::{Action, Step, Symbol},
};
use serde_json::{Map, Value, json};

use crate::{console::Paint, render::words};

/// The document with its derived fields: mode, counts by symbol, drift and checks; each step's node, target, scope,
/// write and exactness; each object's address and changes.
pub fn plan(mut document: Map<String, Value>, plan: &Plan) -> Map<String, Value> {
    document.insert("mode".to_owned(), json!("normal"));
    if let Some(Value::Object(summary)) = document.get_mut("summary") {
        summary.extend(counts(plan));
    }
    let lines = |kind: ReportKind| -> Value {
        plan.report
            .iter()
            .filter(|line| line.kind == kind)
            .map(|line| json!(line))
            .collect()
    };
    document.insert("drift".to_owned(), lines(ReportKind::Drift));
    document.insert("diagnostics".to_owned(), lines(ReportKind::Error));
    // A plan that breaks a rule is never printed, so each rule named here was held.
    let checks: Value = reconcile::check::RULES
        .iter()
        .map(|(rule, says)| json!({ "rule": rule, "says": says, "held": true }))
        .collect();
    document.insert("checks".to_owned(), checks);
    for (node, wire) in plan
        .nodes
        .iter()
        .zip(document.get_mut("nodes").map(items).into_iter().flatten())
    {
        for key in ["steps", "work"] {
            let steps = if key == "steps" {
                &node.steps
            } else {
                &node.work
            };
            for (step, wire) in steps
                .iter()
                .zip(wire.get_mut(key).map(items).into_iter().flatten())
            {
                if let Value::Object(fields) = wire {
                    fields.insert("node".to_owned(), json!(node.node));
                    annotate(step, fields);
                }
            }
        }
    }
    for (object, wire) in plan
        .objects
        .iter()
        .zip(document.get_mut("objects").map(items).into_iter().flatten())
    {
        let steps = plan
            .nodes
            .iter()
            .flat_map(|node| node.steps.iter().chain(&node.work));
        let changes: Value = steps
            .filter(|step| object.step_ids.contains(&step.id))
            .flat_map(changes)
            .collect();
        if let Value::Object(fields) = wire {
            fields.insert("address".to_owned(), json!(object.object.to_string()));
            fields.insert("changes".to_owned(), changes);
        }
    }
    document
}

fn items(value: &mut Value) -> std::slice::IterMut<'_, Value> {
    match value {
        Value::Array(items) => items.iter_mut(),
        _ => [].iter_mut(),
    }
}

/// How many steps each symbol stands before, under the names that readers of plans know.
fn counts(plan: &Plan) -> Map<String, Value> {
    let steps = || {
        plan.nodes
            .iter()
            .flat_map(|node| node.steps.iter().chain(&node.work))
    };
    let of = |symbol: Symbol| steps().filter(|step| step.symbol == symbol).count();
    let unchanged = plan
        .objects
        .iter()
        .filter(|object| object.status == crd::plan::ObjectStatus::Unchanged)
        .count();
    [
        ("create", of(Symbol::Create)),
        ("update", of(Symbol::Update)),
        ("delete", of(Symbol::Delete)),
        ("replace", of(Symbol::Replace)),
        ("reset", of(Symbol::Reset)),
        ("resetAll", of(Symbol::ResetAll)),
        (
            "compile",
            steps()
                .filter(|step| matches!(step.action, Action::Build { .. }))
                .count(),
        ),
        (
            "restartWorkers",
            steps()
                .filter(|step| matches!(step.action, Action::ReplaceWorker { .. }))
                .count(),
        ),
        ("noop", unchanged),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), json!(count)))
    .collect()
}

fn annotate(step: &Step, fields: &mut Map<String, Value>) {
    fields.insert(
        "target".to_owned(),
        json!(words::of(step, Paint::Plain).target),
    );
    // A reset has a scope of its own on the wire: one SoC, or all of the machine's.
    fields
        .entry("scope")
        .or_insert_with(|| json!(scope(&step.action)));
    if let Some(write) = write(&step.action) {
        fields.insert("write".to_owned(), write);
    }
    let exactness = match &step.action {
        Action::Build { program } if program.key.is_none() => "unknown-until-apply",
        Action::StartWorker { worker } | Action::ReplaceWorker { worker }
            if worker.program.key.is_none() =>
        {
            "unknown-until-apply"
        }
        _ => "exact",
    };
    fields.insert("exactness".to_owned(), json!(exactness));
}

/// What sort of thing a step acts on.
fn scope(action: &Action) -> &'static str {
    match action {
        Action::Taint { .. } | Action::Untaint { .. } | Action::StartQmonitor {} => "node",
        Action::Drain { .. }
        | Action::RequestMdp { .. }
        | Action::Reset { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. } => "soc",
        Action::ClearAcs { .. } | Action::RestoreAcs { .. } => "port",
        Action::SetDriver { .. } | Action::SetSysctl { .. } | Action::WriteFile { .. } => "setting",
        Action::VerifyP2P { .. } | Action::AssignGroup { .. } => "group",
        Action::AssignEntry { .. } => "ledger",
        Action::Build { .. } => "program",
        Action::StartWorker { .. } | Action::StopWorker { .. } | Action::ReplaceWorker { .. } => {
            "worker"
        }
    }
}

/// The register or setting that a step writes, as value and mask where it is a register.
fn write(action: &Action) -> Option<Value> {
    let acs = |value: u16, mask: u16| json!({ "register": "ecap_acs+6.w", "value": format!("0x{value:04x}"), "mask": format!("0x{mask:04x}") });
    match action {
        Action::ClearAcs { mask, .. } => Some(acs(0, mask.0)),
        Action::RestoreAcs {
            pre_image, mask, ..
        } => Some(acs(pre_image.0 & mask.0, mask.0)),
        Action::SetDriver { name, after, .. } | Action::SetSysctl { name, after, .. } => {
            Some(json!({ "setting": name, "value": after }))
        }
        Action::WriteFile { file, after, .. } => {
            Some(json!({ "path": file.path(), "value": after }))
        }
        Action::Taint { .. }
        | Action::Drain { .. }
        | Action::StartQmonitor {}
        | Action::RequestMdp { .. }
        | Action::Reset { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. }
        | Action::VerifyP2P { .. }
        | Action::Untaint { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => None,
    }
}

/// A step's changes of facts: what stood there, what will, and the declared line that asks for it.
fn changes(step: &Step) -> Vec<Value> {
    let cause = step.causes.iter().find(|cause| cause.object.is_some());
    step.leaves
        .iter()
        .filter_map(|after| {
            let before = step
                .preconditions
                .iter()
                .find(|before| before.subject == after.subject)?;
            (before.equals != after.equals).then(|| {
                json!({
                    "path": cause.and_then(|cause| cause.path.as_deref()),
                    "op": "update",
                    "fact": after.subject,
                    "before": before.equals,
                    "after": after.equals,
                    "source": cause.and_then(|cause| cause.span.as_ref()),
                    "stepId": step.id,
                })
            })
        })
        .collect()
}
