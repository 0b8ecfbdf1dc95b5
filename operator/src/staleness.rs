//! A saved plan against what would be planned now: which step, and which fact, moved.
use std::collections::BTreeMap;

use crd::{
    plan::Plan,
    snapshot::HardwareSnapshot,
    step::{Precondition, Step},
};
use reconcile::{Inputs, NodeInput, judge};

use crate::{document::SavedPlan, exit::Exit, failure::Failure};

/// Refuses where the steps are not the saved ones, naming what moved.
pub fn refuse_stale(saved: &SavedPlan, now: &Plan, nodes: &[NodeInput]) -> Result<(), Failure> {
    refuse_edited(saved)?;
    let mut moved: Vec<String> = Vec::new();
    for node in &saved.plan.nodes {
        let boot = nodes.iter().find_map(|seen| match seen {
            NodeInput::Read(snapshot) if snapshot.metadata.name == node.node => {
                snapshot.boot_id.get()
            }
            NodeInput::Read(_) | NodeInput::Unreadable { .. } => None,
        });
        if !node.steps.is_empty() && node.boot_id.is_some() && node.boot_id.as_ref() != boot {
            let text = |boot: Option<&crd::id::BootId>| {
                boot.map_or_else(|| "unknown".to_owned(), ToString::to_string)
            };
            moved.push(format!(
                "{}: boot was {}, is {}",
                node.node,
                text(node.boot_id.as_ref()),
                text(boot)
            ));
        }
    }
    let same = steps(&saved.plan) == steps(now) && digests(&saved.plan) == digests(now);
    if same && moved.is_empty() {
        return Ok(());
    }
    moved.extend(facts(saved, nodes));
    moved.extend(differences(&saved.plan, now));
    moved.truncate(12);
    Err(Failure::said(
        Exit::Stale,
        format!(
            "the saved plan is not what would run now; nothing was touched\n  {}",
            moved.join("\n  ")
        ),
        "look at the plan again with `shardplane plan`, and save it anew",
    ))
}

/// Refuses a file whose steps are not what its own declaration and snapshots give: what somebody read and approved in it
/// is not what would run.
fn refuse_edited(saved: &SavedPlan) -> Result<(), Failure> {
    let nodes: Vec<NodeInput> = saved
        .snapshots
        .iter()
        .cloned()
        .map(NodeInput::Read)
        .collect();
    let again = reconcile::plan(&Inputs {
        declaration: &saved.declaration,
        nodes: &nodes,
        models: &BTreeMap::new(),
        scope: reconcile::Scope::Everything,
        unbuilt: &BTreeMap::new(),
        failed: &BTreeMap::new(),
    });
    let all = |plan: &Plan| -> Vec<Step> {
        plan.nodes
            .iter()
            .flat_map(|node| node.steps.clone())
            .collect()
    };
    let (said, given) = (all(&saved.plan), all(&again));
    if said == given && digests(&saved.plan) == digests(&again) {
        return Ok(());
    }
    let differs = said
        .iter()
        .find(|step| !given.contains(step))
        .or_else(|| given.iter().find(|step| !said.contains(step)))
        .map_or_else(
            || "their order or a digest differs".to_owned(),
            |step| format!("the first that differs is {}", step.id),
        );
    Err(Failure::said(
        Exit::Stale,
        format!(
            "the saved plan's steps are not what its own declaration and snapshots give ({differs}); nothing was touched"
        ),
        format!(
            "it was edited, or saved by another version ({}): save it anew with `shardplane plan --out FILE`",
            saved.tool
        ),
    ))
}

fn steps(plan: &Plan) -> Vec<&crd::id::StepId> {
    plan.nodes
        .iter()
        .flat_map(|node| &node.steps)
        .map(|step| &step.id)
        .collect()
}

fn digests(plan: &Plan) -> Vec<&str> {
    plan.nodes
        .iter()
        .map(|node| node.digest.0.as_str())
        .collect()
}

/// Facts that the saved steps expect and that read differently now than when the plan was saved.
fn facts(saved: &SavedPlan, nodes: &[NodeInput]) -> Vec<String> {
    let mut moved = Vec::new();
    for node in &saved.plan.nodes {
        let before = saved
            .snapshots
            .iter()
            .find(|snapshot| snapshot.metadata.name == node.node);
        let now = nodes.iter().find_map(|seen| match seen {
            NodeInput::Read(snapshot) if snapshot.metadata.name == node.node => Some(snapshot),
            NodeInput::Read(_) | NodeInput::Unreadable { .. } => None,
        });
        let (Some(before), Some(now)) = (before, now) else {
            continue;
        };
        for fact in node
            .steps
            .iter()
            .flat_map(|step: &Step| step.preconditions.iter().chain(&step.leaves))
        {
            if let Some(text) = fact_moved(fact, before, now)
                && !moved.contains(&text)
            {
                moved.push(text);
            }
        }
    }
    moved
}

fn fact_moved(
    fact: &Precondition,
    before: &HardwareSnapshot,
    now: &HardwareSnapshot,
) -> Option<String> {
    let (was, is) = (
        judge::read(&fact.subject, before),
        judge::read(&fact.subject, now),
    );
    let subject = serde_json::to_value(&fact.subject).ok()?;
    let words: Vec<String> = subject
        .as_object()?
        .values()
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned)
        })
        .collect();
    (was != is).then(|| {
        format!(
            "{}: {} was {was}, is {is}",
            now.metadata.name,
            words.join(" ")
        )
    })
}

fn differences(saved: &Plan, now: &Plan) -> Vec<String> {
    let (was, is) = (steps(saved), steps(now));
    let gone = was
        .iter()
        .filter(|id| !is.contains(id))
        .map(|id| format!("no longer needed: {id}"));
    let new = is
        .iter()
        .filter(|id| !was.contains(id))
        .map(|id| format!("needed now: {id}"));
    gone.chain(new).collect()
}
