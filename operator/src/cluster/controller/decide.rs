//! One turn: the cluster as it is goes in, what is to be written comes out. No effect, and the same for the same: notes of
//! earlier turns spare work, and decide nothing.
use std::sync::Arc;

use crd::{
    declaration::Declaration,
    id::NodeName,
    kind::{ChangePlan, NodeProgress},
};
use kube_client::ResourceExt;

use super::{
    declared,
    drains::{self, Victim},
    events::{Told, events},
    fleet,
    grants::grants,
    leaving::leaving,
    maintenance::requests,
    measures::{Measures, measures},
    progress::outcomes,
    rollout::{Course, course},
    survey::{Notes, Survey},
    verdict::{Seen, verdicts},
    world::{World, number},
    writes::Write,
};

/// Rollouts that ended well and are kept to be read.
const HISTORY: usize = 10;
/// Letters of a digest that a rollout's name has.
const LETTERS: usize = 10;

/// What a turn comes to.
#[derive(Debug, Default)]
pub struct Decision {
    /// What is to be written; nothing where all is as it should be.
    pub writes: Vec<Write>,
    /// What is to be told.
    pub events: Vec<Told>,
    /// Pods that are to be evicted.
    pub evict: Vec<Victim>,
    /// Whether a drain goes on, so that its pods are to be looked at again soon.
    pub drains: bool,
    /// What it comes to in numbers.
    pub measures: Measures,
    /// The safety rule that the plan breaks, where it does: nothing new begins.
    pub unsafe_plan: Option<String>,
}

/// Decides.
pub fn decide(world: &World, notes: &mut Notes) -> Decision {
    let declaration = declared::declaration(world);
    let survey = Survey::of(world, &declaration, notes);
    let unsafe_plan = survey.unsafe_plan.clone();
    let course = match unsafe_plan {
        // The plan is of half of what is declared: only what has begun is followed to its end.
        None if !world.unread.is_empty() => begun(world, &survey, &declaration),
        None => course(world, &survey, &declaration),
        // Nothing of it begins; what is at work was decided on another plan, and ends.
        Some(_) => Course {
            current: world.plans.last().cloned(),
            outcomes: world
                .plans
                .last()
                .and_then(|plan| plan.status.clone())
                .map(|status| status.nodes)
                .unwrap_or_default(),
            ..Course::default()
        },
    };
    let mut waiting = drains::waiting(world, notes);
    // Nobody is evicted for a grant that is taken back in this turn.
    waiting.retain(|name, _| !course.is_over(name));
    let drains = drains::drains(world, &survey, &waiting);
    let mut writes = fleet::fleet(world);
    // One write a turn and object: the next turn sees what this one wrote.
    let marked = |write: &Write| match write {
        Write::CardNode(to) => writes
            .iter()
            .any(|earlier| matches!(earlier, Write::CardNode(first) if first.node == to.node)),
        _ => false,
    };
    let granted: Vec<Write> = match unsafe_plan {
        None => grants(world, &survey, &course, &waiting, &drains)
            .into_iter()
            .filter(|write| !marked(write))
            .collect(),
        Some(_) => Vec::new(),
    };
    writes.extend(granted);
    writes.extend(rollouts(world, &course));
    writes.extend(requests(world, &survey, &waiting));
    let kept = leaving(world, &survey);
    let verdicts = verdicts(&Seen {
        world,
        survey: &survey,
        course: &course,
        drains: &drains,
        unsafe_plan: unsafe_plan.as_deref(),
    });
    // What goes is told nothing more: either write would be on a version that the other has changed.
    let goes = |verdict: &Write| match verdict {
        Write::PlanStatus { plan, status: _ } => writes
            .iter()
            .any(|write| matches!(write, Write::DeletePlan(gone) if gone.uid() == plan.uid())),
        Write::PolicyStatus { policy, status: _ } => kept.iter().any(
            |write| matches!(write, Write::Keep { policy: of, .. } if of.uid() == policy.uid()),
        ),
        _ => false,
    };
    let verdicts: Vec<Write> = verdicts
        .into_iter()
        .filter(|verdict| !goes(verdict))
        .collect();
    writes.extend(verdicts);
    writes.extend(kept);
    Decision {
        events: events(&survey, &course, &writes),
        writes,
        evict: drains
            .values()
            .flat_map(|drain| drain.evict.clone())
            .collect(),
        drains: drains.values().any(|drain| !drain.done),
        measures: measures(world, &survey, &course),
        unsafe_plan,
    }
}

/// The rollout at hand with the nodes that have begun, and nothing that begins.
fn begun(world: &World, survey: &Survey, declaration: &Declaration) -> Course {
    let Some(current) = world.plans.last() else {
        return Course::default();
    };
    let known = current.status.as_ref().map(|status| &status.nodes);
    let is_known =
        |name: &NodeName| known.is_some_and(|all| all.iter().any(|one| one.node == *name));
    let mut outcomes = outcomes(world, survey, declaration, current);
    outcomes.retain(|outcome| is_known(&outcome.node));
    Course {
        current: Some(current.clone()),
        outcomes,
        ..Course::default()
    }
}

/// Rollouts that are opened, and those that are forgotten: one that was replaced before it began, and old ones.
fn rollouts(world: &World, course: &Course) -> Vec<Write> {
    let mut writes = Vec::new();
    let begun = |plan: &ChangePlan| {
        plan.status
            .as_ref()
            .is_some_and(|status| !status.nodes.is_empty())
    };
    // All of them and not the last alone: one that was to go may still be there.
    let last = course.open.is_none().then(|| world.plans.last()).flatten();
    let replaced = world
        .plans
        .iter()
        .filter(|plan| !begun(plan) && last.is_none_or(|last| last.uid() != plan.uid()));
    writes.extend(replaced.cloned().map(Write::DeletePlan));
    if let Some(spec) = &course.open {
        writes.push(Write::OpenPlan {
            name: name(world, &spec.digest.0),
            spec: spec.clone(),
        });
    }
    let ended_well = |plan: &&Arc<ChangePlan>| {
        let nodes = plan.status.as_ref().map(|status| status.nodes.as_slice());
        nodes.unwrap_or_default().iter().all(|outcome| {
            matches!(
                outcome.outcome,
                NodeProgress::Converged | NodeProgress::Stale
            )
        })
    };
    let past: Vec<&Arc<ChangePlan>> = world
        .plans
        .iter()
        .rev()
        .skip(1)
        .filter(|plan| begun(plan) && ended_well(plan))
        .collect();
    writes.extend(
        past.into_iter()
            .skip(HISTORY)
            .map(|plan| Write::DeletePlan(plan.clone())),
    );
    writes
}

/// `rollout-0007-1f0c9e77ab`: the next number, of as many figures that the newest stands last in a list for years, and the
/// digest's first letters.
fn name(world: &World, digest: &str) -> String {
    let letters: String = digest
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .chars()
        .take(LETTERS)
        .collect();
    let last = world
        .plans
        .iter()
        .map(|plan| number(&plan.name_any()))
        .max();
    format!("rollout-{:04}-{letters}", last.unwrap_or_default() + 1)
}
