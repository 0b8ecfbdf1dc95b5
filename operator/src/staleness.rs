//! A saved plan against what would be planned now: which step, and which fact, moved.
use std::collections::BTreeMap;

use crd::{
    id::NodeName,
    plan::{Governance, Plan},
    snapshot::HardwareSnapshot,
    step::{DisruptionClass, Precondition, Step},
};
use reconcile::{
    FailedSteps, Inputs, NodeInput, SpentResets, failed::leave_spent, judge, misstated,
};

use crate::{document::SavedPlan, exit::Exit, failure::Failure};

/// Refuses where the steps are not the saved ones, naming what moved.
pub fn refuse_stale(
    saved: &SavedPlan,
    now: &Plan,
    (nodes, spent): (&[NodeInput], &SpentResets),
) -> Result<(), Failure> {
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
    moved.extend(resets(&saved.spent_resets, spent));
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
    let mut failed = FailedSteps::new();
    leave_spent(&mut failed, &saved.spent_resets, &nodes);
    let again = reconcile::plan(&Inputs {
        declaration: &saved.declaration,
        nodes: &nodes,
        models: &BTreeMap::new(),
        scope: reconcile::Scope::Everything,
        unbuilt: &BTreeMap::new(),
        sources: reconcile::Sources::Paths,
        failed: &failed,
    });
    let all = |plan: &Plan| -> Vec<Step> {
        plan.nodes
            .iter()
            .flat_map(|node| node.steps.clone())
            .collect()
    };
    let refused = |what: String| {
        Failure::said(
            Exit::Stale,
            format!("{what}; nothing was touched"),
            format!(
                "it was edited, or saved by another version ({}): save it anew with `shardplane plan --out FILE`",
                saved.tool
            ),
        )
    };
    let (said, given) = (all(&saved.plan), all(&again));
    if said == given && digests(&saved.plan) == digests(&again) {
        let key = misstated(&saved.plan)
            .or_else(|| (nodes_say(&saved.plan) != nodes_say(&again)).then_some("nodes"));
        return match key {
            None => Ok(()),
            Some(key) => Err(refused(format!(
                "what the saved plan says in its `{key}` is not what its own steps give"
            ))),
        };
    }
    let differs = said
        .iter()
        .find(|step| !given.contains(step))
        .or_else(|| given.iter().find(|step| !said.contains(step)))
        .map_or_else(
            || "their order or a digest differs".to_owned(),
            |step| format!("the first that differs is {}", step.id),
        );
    Err(refused(format!(
        "the saved plan's steps are not what its own declaration and snapshots give ({differs})"
    )))
}

/// What is said of each node beside its steps.
fn nodes_say(plan: &Plan) -> Vec<(&NodeName, &Governance, DisruptionClass, bool)> {
    let nodes = plan.nodes.iter();
    nodes
        .map(|node| {
            (
                &node.node,
                &node.governance,
                node.disruption,
                node.disruptive,
            )
        })
        .collect()
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

/// SoCs that were reset in vain for the last time since the plan was saved, and those that may be reset again.
fn resets(was: &SpentResets, is: &SpentResets) -> Vec<String> {
    let only = |here: &SpentResets, there: &SpentResets, what: &str| -> Vec<String> {
        let socs = here.iter().flat_map(|(node, socs)| {
            let known = there.get(node);
            let new = socs
                .keys()
                .filter(move |soc| known.is_none_or(|known| !known.contains_key(soc)));
            new.map(move |soc| format!("{node}: {soc} {what}"))
        });
        socs.collect()
    };
    let spent = only(is, was, "had all the resets that a boot is given, in vain");
    let free = only(was, is, "may be reset again");
    spent.into_iter().chain(free).collect()
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
