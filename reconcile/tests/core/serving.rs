//! A plan carried out step by step on a machine that does what steps say: whoever counts who serves finds enough.
use std::collections::BTreeSet;

use crd::{
    declaration::{Declaration, Declared},
    kind::ShardedModelSpec,
    plan::Plan,
    snapshot::{HardwareSnapshot, WorkerState},
    step::{Action, Step},
};
use proptest::prelude::*;

use crate::simulate::carry_out_one;

/// No step leaves fewer replicas of a model than its rollout asks for, where it allows no downtime. Steps run as `up` runs
/// them: cards first, then workers batch by batch, of a batch those first that only stop. Whoever starts is ready at once,
/// so that a batch that stops too many shows only while it stops them: all of its stops are counted before its starts.
pub fn serves_throughout(
    declaration: &Declaration,
    nodes: &[HardwareSnapshot],
    plan: &Plan,
) -> Result<(), TestCaseError> {
    let mut nodes = nodes.to_vec();
    let work = || plan.nodes.iter().flat_map(|node| &node.work);
    for node in &plan.nodes {
        for step in &node.steps {
            do_one(declaration, &mut nodes, node.node.as_str(), step)?;
        }
    }
    let batches: BTreeSet<u32> = work().map(|step| step.batch).collect();
    for batch in batches {
        if batch > 0 {
            // What was starting has become ready: nobody goes on before.
            for worker in nodes.iter_mut().flat_map(|node| &mut node.workers) {
                if worker.state == WorkerState::Starting {
                    worker.state = WorkerState::Ready;
                }
            }
        }
        let steps = |node: &crd::plan::NodePlan| -> Vec<Step> {
            let steps = node.work.iter().filter(|step| step.batch == batch);
            steps.cloned().collect()
        };
        for node in &plan.nodes {
            for step in steps(node) {
                let stopped = match &step.action {
                    Action::ReplaceWorker { worker } => worker.id.clone(),
                    Action::StopWorker { worker } => worker.clone(),
                    _ => continue,
                };
                let stop = Step {
                    action: Action::StopWorker { worker: stopped },
                    ..step
                };
                do_one(declaration, &mut nodes, node.node.as_str(), &stop)?;
            }
        }
        for node in &plan.nodes {
            for step in steps(node) {
                if !matches!(step.action, Action::StopWorker { .. }) {
                    do_one(declaration, &mut nodes, node.node.as_str(), &step)?;
                }
            }
        }
    }
    Ok(())
}

fn do_one(
    declaration: &Declaration,
    nodes: &mut [HardwareSnapshot],
    node: &str,
    step: &Step,
) -> Result<(), TestCaseError> {
    let count = |model, nodes: &[HardwareSnapshot]| serving(model, nodes);
    let models = &declaration.models;
    let before: Vec<usize> = models.iter().map(|model| count(model, nodes)).collect();
    let snapshot = nodes.iter_mut().find(|s| s.metadata.name.as_str() == node);
    if let Some(snapshot) = snapshot {
        carry_out_one(step, snapshot);
    }
    for (model, before) in models.iter().zip(before) {
        let after = count(model, nodes);
        let rollout = model.spec.rollout.clone().unwrap_or_default();
        let missing = rollout.max_unavailable.unwrap_or(1);
        let least = rollout.min_available.unwrap_or(0);
        let must = least.max(model.spec.replicas.saturating_sub(missing)) as usize;
        prop_assert!(
            after >= before || after >= must || rollout.allow_downtime == Some(true),
            "{}: {after} serve after {} and {must} must",
            model.object,
            step.id
        );
    }
    Ok(())
}

/// Declared replicas of a model that are ready on SoCs that are there, and its surplus one.
fn serving(model: &Declared<ShardedModelSpec>, nodes: &[HardwareSnapshot]) -> usize {
    let stem = format!("default/{}-", model.object.name);
    let counts = |id: &str| {
        id.strip_prefix(&stem).is_some_and(|end| {
            end == "surplus"
                || end
                    .parse()
                    .is_ok_and(|index: u32| index < model.spec.replicas)
        })
    };
    let mut serving = BTreeSet::new();
    for node in nodes {
        let there = |soc| node.socs.iter().any(|found| found.address == soc);
        for worker in &node.workers {
            let whole = worker.socs.iter().all(|soc| there(*soc));
            if counts(worker.id.as_str()) && whole && worker.state == WorkerState::Ready {
                serving.insert(worker.id.clone());
            }
        }
    }
    serving.len()
}
