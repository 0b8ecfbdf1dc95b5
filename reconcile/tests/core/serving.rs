//! A plan carried out step by step on a machine that does what steps say: whoever counts who serves finds enough, while
//! running models are edited and their cards and workers fail.
use std::collections::BTreeSet;

use crd::{
    declaration::{Declaration, Declared},
    id::PciAddress,
    kind::{Connectivity, ModelRollout, ShardedModelSpec, SpreadOver},
    plan::{Plan, ReportReason},
    snapshot::{HardwareSnapshot, PresentWorker, WorkerState},
    step::{Action, Step, WorkerRequest},
};
use proptest::prelude::*;

use crate::{
    declare::{automatic, model as model_of, object, policy},
    intent::{any_rollout, declaration},
    properties::{config, settle},
    random::{build, world},
    simulate::{apply, carry_out_one, plan_of},
    turns::{batches, checked, declared, edited, running},
    twist::{Twist, apply_twist},
};

/// What happens to a running model.
#[derive(Clone, Debug)]
struct Edit {
    slots: u32,
    replicas: Option<u32>,
    rollout: Option<ModelRollout>,
    shards: Option<u32>,
    port: u16,
}

fn edit() -> impl Strategy<Value = Edit> {
    let replicas = proptest::option::weighted(0.3, 0_u32..4);
    let rollout = proptest::option::weighted(0.8, any_rollout());
    let shards = proptest::option::weighted(0.3, 1_u32..3);
    let parts = (0_u32..2, replicas, rollout, shards, 0_u16..4);
    parts.prop_map(|(slots, replicas, rollout, shards, port)| Edit {
        slots,
        replicas,
        rollout,
        shards,
        port,
    })
}

/// Models that run, with sets for some of them: nothing else is declared that could stand in the way.
fn models() -> impl Strategy<Value = Declaration> {
    let ports = proptest::option::of(Just(100_u16));
    let model = (1_u32..5, any::<bool>(), 1_u32..4, ports);
    let size = prop_oneof![Just(1_u32), Just(2), Just(4)];
    let models = proptest::collection::vec(model, 1..3);
    (models, proptest::option::weighted(0.8, size)).prop_map(|(models, size)| Declaration {
        policies: vec![object("CardPolicy", "cards", policy())],
        groups: size
            .map(|size| object("P2PGroup", "sets", automatic(size, SpreadOver::Card, None)))
            .into_iter()
            .collect(),
        builds: Vec::new(),
        models: (0..)
            .zip(models)
            .map(|(at, (shards, direct, replicas, port))| {
                let over = if direct {
                    Connectivity::P2P
                } else {
                    Connectivity::ThroughHost
                };
                let mut spec = model_of(shards, over);
                spec.replicas = replicas;
                spec.serving.port = port.map(|port| port + 10 * at);
                object("ShardedModel", &format!("model-{at}"), spec)
            })
            .collect(),
    })
}

/// Partitioning that is lost, and workers that are not ready.
fn trouble() -> impl Strategy<Value = Twist> {
    let state = prop_oneof![
        Just(WorkerState::Starting),
        Just(WorkerState::Draining),
        Just(WorkerState::Failed)
    ];
    prop_oneof![
        2 => (0_usize..64).prop_map(|at| Twist::Mdp(at, Some(false))),
        1 => (0_usize..8, state).prop_map(|(at, state)| Twist::Worker(at, state)),
        1 => Just(Twist::Qmonitor),
    ]
}

proptest! {
    #![proptest_config(config(2_500))]

    #[test]
    fn edits_and_trouble_leave_enough_serving(
        world in world(),
        first in prop_oneof![1 => declaration(), 4 => models().boxed()],
        edits in proptest::collection::vec(edit(), 3),
        size in proptest::option::weighted(0.3, prop_oneof![Just(1_u32), Just(2), Just(4)]),
        troubles in proptest::collection::vec(trouble(), 0..5),
    ) {
        let mut nodes = vec![build(&world, "node-a")];
        settle(&first, &mut nodes, true)?;
        let mut second = first;
        for (model, edit) in second.models.iter_mut().zip(edits) {
            let Edit { slots, replicas, rollout, shards, port } = edit;
            model.spec.serving.port = model.spec.serving.port.map(|from| from + port - 2);
            model.spec.serving.slots += slots;
            model.spec.replicas = replicas.unwrap_or(model.spec.replicas);
            model.spec.rollout = rollout;
            model.spec.shards = shards.unwrap_or(model.spec.shards);
        }
        for (group, size) in second.groups.iter_mut().zip(size) {
            group.spec.size = size;
        }
        for trouble in troubles {
            apply_twist(&mut nodes[0], trouble);
        }
        settle(&second, &mut nodes, true)?;
        // Whoever was not ready is, and what waited for that goes on.
        for worker in &mut nodes[0].workers {
            worker.state = WorkerState::Ready;
        }
        settle(&second, &mut nodes, true)?;
        let surplus = |id: &str| id.ends_with("-surplus");
        let waits = plan_of(&second, &nodes).report.iter().any(|line| line.reason == ReportReason::TooFewServing);
        prop_assert!(waits || !nodes[0].workers.iter().any(|worker| surplus(worker.id.as_str())));
    }
}

#[test]
fn a_surplus_replica_that_starts_has_its_own_turn_later() {
    let before = declared(1, (Some(1), None, None));
    let mut nodes = running(&before);
    let after = edited(before);
    let mut first = checked(&after, &nodes);
    first.nodes[0].work.retain(|step| step.batch == 0);
    assert!(apply(&first, &mut nodes, true).is_empty());
    let surplus = nodes[0].workers.iter_mut();
    let mut surplus = surplus.filter(|worker| worker.id.as_str() == "default/tiny-surplus");
    surplus.next().unwrap().state = WorkerState::Starting;
    let expected: [&[&str]; 3] = [&[], &["replace 0"], &["stop surplus"]];
    assert_eq!(batches(&checked(&after, &nodes)), expected);
}

/// No step leaves fewer replicas of a model than its rollout asks for, where it allows no downtime. Steps run as `up` runs
/// them: cards first, then workers batch by batch, of a batch those first that only stop. Whoever starts is ready at once,
/// so that a batch that stops too many shows only while it stops them: all of its stops are counted before its starts.
pub fn serves_throughout(
    declaration: &Declaration,
    nodes: &[HardwareSnapshot],
    plan: &Plan,
) -> Result<(), TestCaseError> {
    let models = declaration.models.iter();
    let counted: Vec<u32> = models.map(|model| counted(model, nodes, plan)).collect();
    let counted = counted.as_slice();
    let mut nodes = nodes.to_vec();
    let work = || plan.nodes.iter().flat_map(|node| &node.work);
    for node in &plan.nodes {
        for step in &node.steps {
            do_one((declaration, counted), &mut nodes, node.node.as_str(), step)?;
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
                do_one(
                    (declaration, counted),
                    &mut nodes,
                    node.node.as_str(),
                    &stop,
                )?;
            }
        }
        for node in &plan.nodes {
            for step in steps(node) {
                if !matches!(step.action, Action::StopWorker { .. }) {
                    do_one(
                        (declaration, counted),
                        &mut nodes,
                        node.node.as_str(),
                        &step,
                    )?;
                }
            }
        }
    }
    Ok(())
}

/// The replicas that are asked for: whoever is ready comes first, then whoever runs, then the first numbers; where a port goes by
/// number, these alone.
fn named(model: &Declared<ShardedModelSpec>, nodes: &[HardwareSnapshot]) -> Vec<String> {
    let stem = format!("default/{}-", model.object.name);
    let name = |index: u32| format!("{stem}{index}");
    // No more than this ever ran.
    let most = if model.spec.serving.port.is_some() {
        model.spec.replicas
    } else {
        16
    };
    let worth = |index: u32| {
        let mut workers = nodes.iter().flat_map(|node| &node.workers);
        let found = workers.find(|worker| worker.id.as_str() == name(index));
        found.map_or(2, |worker| u8::from(worker.state != WorkerState::Ready))
    };
    let mut all: Vec<u32> = (0..most).collect();
    if model.spec.serving.port.is_none() {
        all.sort_by_key(|index| (worth(*index), *index));
    }
    let first = all.into_iter().take(model.spec.replicas as usize);
    first.map(name).collect()
}

/// How many replicas of a model the numbers are about: all, but where the plan frees SoCs for one that did not run there,
/// only those that run or start elsewhere; and none that starts where a sibling listens.
fn counted(model: &Declared<ShardedModelSpec>, nodes: &[HardwareSnapshot], plan: &Plan) -> u32 {
    let declared = named(model, nodes);
    let there = |id: &str| {
        let mut workers = nodes.iter().flat_map(|node| &node.workers);
        workers.find(|worker| worker.id.as_str() == id)
    };
    let mut starts = Vec::new();
    for node in &plan.nodes {
        let drains = |soc: &PciAddress| {
            let mut steps = node.steps.iter();
            steps.any(
                |step| matches!(&step.action, Action::Drain { socs, .. } if socs.contains(soc)),
            )
        };
        for step in &node.work {
            if let Action::StartWorker { worker } | Action::ReplaceWorker { worker } = &step.action
                && declared.contains(&worker.id.0)
            {
                starts.push((worker, worker.socs.iter().any(drains)));
            }
        }
    }
    let moves = starts.iter().any(|(worker, freed)| {
        *freed && there(worker.id.as_str()).is_none_or(|before| before.socs != worker.socs)
    });
    let is_shut_out = |worker: &WorkerRequest| {
        let mut others = nodes.iter().flat_map(|node| &node.workers);
        let has_it = |other: &PresentWorker| {
            declared.contains(&other.id.0) && other.id != worker.id && other.port == worker.port
        };
        worker.port.is_some() && there(worker.id.as_str()).is_none() && others.any(has_it)
    };
    let shut_out = starts.iter().filter(|(worker, _)| is_shut_out(worker));
    let shut_out = shut_out.count() as u32;
    if !moves {
        return model.spec.replicas - shut_out;
    }
    let counts = |id: &&String| {
        there(id).is_some()
            || starts
                .iter()
                .any(|(worker, freed)| worker.id.0 == **id && !freed)
    };
    (declared.iter().filter(counts).count() as u32).saturating_sub(shut_out)
}

fn do_one(
    (declaration, counted): (&Declaration, &[u32]),
    nodes: &mut [HardwareSnapshot],
    node: &str,
    step: &Step,
) -> Result<(), TestCaseError> {
    let count = |model, nodes: &[HardwareSnapshot]| serving(model, nodes);
    let models = &declaration.models;
    let before: Vec<usize> = models.iter().map(|model| count(model, nodes)).collect();
    let snapshot = nodes.iter_mut().find(|s| s.metadata.name.as_str() == node);
    if let Some(snapshot) = snapshot {
        if let Action::StartWorker { worker } | Action::ReplaceWorker { worker } = &step.action
            && worker.port.is_some()
        {
            let mut others = snapshot.workers.iter();
            let other = others.find(|other| {
                let listens = other.state == WorkerState::Ready && other.port == worker.port;
                listens && other.id != worker.id
            });
            prop_assert!(
                other.is_none(),
                "{} finds its port taken: {other:?}",
                step.id
            );
        }
        carry_out_one(step, snapshot);
    }
    for ((model, before), counted) in models.iter().zip(before).zip(counted) {
        let after = count(model, nodes);
        let rollout = model.spec.rollout.clone().unwrap_or_default();
        let missing = rollout.max_unavailable.unwrap_or(1);
        let least = rollout.min_available.unwrap_or(0);
        let must = least.max(counted.saturating_sub(missing)) as usize;
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
    let surplus = format!("default/{}-surplus", model.object.name);
    let declared = named(model, nodes);
    let counts = |id: &str| id == surplus || declared.iter().any(|name| name == id);
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
