//! Where a rollout stands, and what it does next: a function of the plan for now, the `ChangePlan` at hand and the nodes.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crd::{
    declaration::Declaration,
    id::{Digest, NodeName},
    kind::{ChangePlan, ChangePlanSpec, NodeOutcome, NodeProgress},
    plan::NodeDigest,
};
use kube_client::ResourceExt;
use machine::Timestamp;
use reconcile::{
    rollout::{self, Held, Next, Progress},
    window,
};

use super::{
    declared,
    departing::{Rules, rules},
    in_hand::{is_at_it, is_ending},
    leave::{is_shut, leave},
    opening::opened,
    progress::outcomes,
    sheet::Sheet,
    survey::Survey,
    verdict::listed,
    world::World,
};

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nothing is left to do.
    Converged,
    /// Its steps are being carried out.
    Working,
    /// Its steps may begin now.
    Begins,
    /// Its turn comes.
    Queued,
    /// Somebody has to approve its steps.
    Approval(String),
    /// A policy of this name pauses its rollout.
    Paused(String),
    /// Its steps are disruptive, and no window is open before then; `None` where none ever is.
    Window(Option<Timestamp>),
    /// Kubernetes says that its Node is not there to work on.
    Away(String),
    /// A step failed; nothing more is tried.
    Failed(String),
    /// The rollout goes no further.
    Stopped(String),
}

/// What becomes of rollouts now.
#[derive(Debug, Default)]
pub struct Course {
    /// The rollout at hand.
    pub current: Option<Arc<ChangePlan>>,
    /// How its nodes stand, as its status is to say.
    pub outcomes: Vec<NodeOutcome>,
    /// A rollout to be opened.
    pub open: Option<ChangePlanSpec>,
    /// Where each node of the plan stands.
    pub stands: BTreeMap<NodeName, Stand>,
}

impl Course {
    /// Whether what a node was granted has ended, or is taken back.
    pub fn is_over(&self, name: &NodeName) -> bool {
        let mut outcomes = self.outcomes.iter();
        outcomes.any(|of| of.node == *name && of.outcome != NodeProgress::Applying)
    }
}

/// Decides.
pub fn course(world: &World, survey: &Survey, declaration: &Declaration) -> Course {
    let current = world.plans.last().cloned();
    let declared = declared::digest(declaration);
    let declared_for = |name: &NodeName| {
        let node = world.nodes.get(name)?;
        declared::digest(&declared::for_node(declaration, node.labels()))
    };
    let outcomes = current
        .as_ref()
        .map(|current| outcomes(world, survey, declaration, current))
        .unwrap_or_default();
    let known = Known::of(world, current.as_deref(), &outcomes);
    // Whoever is given up in this very turn has a step in hand as much as who was before.
    let given_up = |name: &NodeName| {
        let now = known.now.get(name).map(|outcome| outcome.outcome);
        now == Some(NodeProgress::Stale) && is_at_it(world, name)
    };
    let ending: BTreeSet<&NodeName> = world
        .card_nodes
        .keys()
        .filter(|name| is_ending(world, name) || given_up(name))
        .collect();
    let mut stands = BTreeMap::new();
    let mut left: BTreeMap<&NodeName, &Sheet> = BTreeMap::new();
    for (name, sheet) in &survey.sheets {
        let working = known.now.get(name).map(|outcome| outcome.outcome);
        // What its agent told before the step that it ends says nothing of what that leaves.
        let stand = if working == Some(NodeProgress::Applying) || ending.contains(name) {
            Stand::Working
        } else if sheet.steps == 0 {
            Stand::Converged
        } else if let Some(why) = known.failed(declared.as_ref(), declared_for, name) {
            Stand::Failed(why)
        } else {
            left.insert(name, sheet);
            Stand::Queued
        };
        stands.insert(name.clone(), stand);
    }
    let mut open = None;
    if let Some(current) = current
        .as_deref()
        .filter(|current| known.covers(current, &left))
    {
        let failed: BTreeMap<NodeName, String> = stands
            .iter()
            .filter_map(|(name, stand)| match stand {
                Stand::Failed(why) => Some((name.clone(), why.clone())),
                _ => None,
            })
            .collect();
        let next = next(
            world,
            survey,
            declaration,
            current,
            (&outcomes, &failed, &ending),
            &left,
            |name| known.came_to_nothing(name),
        );
        stands.extend(next);
    } else if !left.is_empty()
        && ending.is_empty()
        && !stands.values().any(|stand| *stand == Stand::Working)
        && !left.keys().any(|name| world.has_grant(name))
    {
        // Where nodes are at work for a rollout that no longer fits, they end first; and what was granted is taken back
        // first, or a rollout of the same steps would take how that ended for its own.
        open = Some(opened(survey, &left, declared, declared_for));
    }
    Course {
        current,
        outcomes,
        open,
        stands,
    }
}

/// How nodes stand, by node.
type Outcomes<'a> = BTreeMap<&'a NodeName, &'a NodeOutcome>;

/// How nodes came out of rollouts.
struct Known<'a> {
    /// Of the one at hand, as it stands now.
    now: Outcomes<'a>,
    /// Of all of them, newest first.
    all: Vec<(&'a ChangePlan, Outcomes<'a>)>,
}

impl<'a> Known<'a> {
    fn of(world: &'a World, current: Option<&ChangePlan>, outcomes: &'a [NodeOutcome]) -> Self {
        let by_node = |outcomes: &'a [NodeOutcome]| -> Outcomes<'a> {
            outcomes
                .iter()
                .map(|outcome| (&outcome.node, outcome))
                .collect()
        };
        let all = world.plans.iter().rev().map(|plan| {
            let is_current =
                current.is_some_and(|current| current.metadata.uid == plan.metadata.uid);
            let said = plan.status.as_ref().map(|status| status.nodes.as_slice());
            let said = if is_current { Some(outcomes) } else { said };
            (plan.as_ref(), by_node(said.unwrap_or_default()))
        });
        Self {
            now: by_node(outcomes),
            all: all.collect(),
        }
    }

    /// Whether the steps of all of these nodes are those that the rollout planned for them, and none has begun.
    fn covers(&self, current: &ChangePlan, left: &BTreeMap<&NodeName, &Sheet>) -> bool {
        let planned = current.spec.nodes.iter();
        let planned: BTreeMap<&NodeName, &NodeDigest> = planned
            .map(|planned| (&planned.node, &planned.digest))
            .collect();
        left.iter().all(|(name, sheet)| {
            planned.get(name) == Some(&&sheet.digest) && !self.now.contains_key(name)
        })
    }

    /// How many rollouts from the oldest a node's last turn was, where that came to nothing or failed.
    fn came_to_nothing(&self, node: &NodeName) -> Option<usize> {
        let mut newest_first = self.all.iter().enumerate();
        let (at, outcome) =
            newest_first.find_map(|(at, (_, outcomes))| Some((at, outcomes.get(node)?)))?;
        let went_well = matches!(
            outcome.outcome,
            NodeProgress::Converged | NodeProgress::Applying
        );
        (!went_well).then(|| self.all.len() - at)
    }

    /// Why a node's steps are not tried again: some failed, whatever is left of them, and nothing else was declared for it
    /// since. The newest rollout that began on the node says it.
    fn failed(
        &self,
        declared: Option<&Digest>,
        declared_for: impl Fn(&NodeName) -> Option<Digest>,
        node: &NodeName,
    ) -> Option<String> {
        let mut all = self.all.iter();
        let (plan, outcome) =
            all.find_map(|(plan, outcomes)| Some((*plan, *outcomes.get(node)?)))?;
        let ended_badly = matches!(
            outcome.outcome,
            NodeProgress::Halted | NodeProgress::RolledBack
        );
        let same = || {
            let mut nodes = plan.spec.nodes.iter();
            match nodes
                .find(|planned| planned.node == *node)?
                .declared
                .as_ref()
            {
                Some(then) => Some(declared_for(node).as_ref() == Some(then)),
                None => Some(plan.spec.declared.as_ref() == declared),
            }
        };
        (ended_badly && same().unwrap_or(false)).then(|| {
            let name = plan.metadata.name.as_deref().unwrap_or_default();
            format!(
                "{}; look at the card, then `kubectl delete changeplan {name}` tries again",
                outcome.why.as_deref().unwrap_or("a step failed")
            )
        })
    }
}

/// Which of the nodes that are left begin, and what the others wait for.
fn next(
    world: &World,
    survey: &Survey,
    declaration: &Declaration,
    current: &ChangePlan,
    (outcomes, failed, ending): (
        &[NodeOutcome],
        &BTreeMap<NodeName, String>,
        &BTreeSet<&NodeName>,
    ),
    left: &BTreeMap<&NodeName, &Sheet>,
    came_to_nothing: impl Fn(&NodeName) -> Option<usize>,
) -> BTreeMap<NodeName, Stand> {
    // A failure that stands holds the others, whichever rollout it was in: none of them goes on where one canary failed.
    let ended_badly = failed.keys().map(|name| (name.clone(), Progress::Failed));
    // Nor are there more at work at once because one is at work for a rollout that is gone.
    let ending = ending.iter().copied();
    let ending = ending.map(|name| (name.clone(), Progress::Working));
    let begun: BTreeMap<NodeName, Progress> = outcomes
        .iter()
        .map(|outcome| {
            let progress = match outcome.outcome {
                NodeProgress::Applying => Progress::Working,
                // What no longer fits is planned anew: it is not this rollout's any more.
                NodeProgress::Converged | NodeProgress::Stale => Progress::Converged,
                NodeProgress::Halted | NodeProgress::RolledBack => Progress::Failed,
            };
            (outcome.node.clone(), progress)
        })
        .chain(ended_badly)
        .chain(ending)
        .collect();
    let mut stands: BTreeMap<NodeName, Stand> = left
        .iter()
        .map(|(name, sheet)| {
            let stand = waits(world, declaration, current, name, sheet);
            ((*name).clone(), stand.unwrap_or(Stand::Queued))
        })
        .collect();
    let rules: BTreeMap<&NodeName, Rules<'_>> = (survey.sheets.iter())
        .map(|(name, sheet)| (name, rules(world, declaration, name, sheet)))
        .collect();
    let governed = rules
        .iter()
        .map(|(name, rules)| (*name, rules.governance.as_ref()));
    let governed = governed.collect();
    let concerned = |name: &&NodeName| begun.contains_key(*name) || stands.contains_key(*name);
    let mut order: Vec<NodeName> = current
        .spec
        .order
        .iter()
        .filter(concerned)
        .cloned()
        .collect();
    let held = rollout::held(&order, &governed, &begun);
    // Whoever had a turn that came to nothing, for its pods do not go, lets the others have theirs before it tries again.
    order.sort_by_key(|name| came_to_nothing(name));
    let order = rollout::without_waiting(&order, &governed, &begun, |name| {
        stands.get(name) != Some(&Stand::Queued)
    });
    // Whatever a node of an earlier batch waits for, the next one waits for it too; but not for one that is not there.
    let open = |name: &NodeName| match stands.get(name) {
        Some(Stand::Away(_)) => false,
        Some(_) => true,
        None => begun.get(name) == Some(&Progress::Working),
    };
    let later = rollout::later(&current.spec.order, &governed, open);
    match rollout::next_of(&order, &governed, &begun, &later) {
        Next::Begin(names) => {
            for name in names {
                if let Some(stand) = stands.get_mut(&name)
                    && *stand == Stand::Queued
                {
                    *stand = Stand::Begins;
                }
            }
        }
        // Each of those that are held is told why.
        Next::Stop { why: _ } | Next::Done => {}
    }
    for (name, held) in held {
        if let Some(stand) = stands.get_mut(&name) {
            *stand = Stand::Stopped(stopped(&held, outcomes, failed));
        }
    }
    stands
}

/// Which failure holds others, and what became of it.
fn stopped(held: &Held, outcomes: &[NodeOutcome], failed: &BTreeMap<NodeName, String>) -> String {
    let why = |name: &NodeName| {
        let mut outcomes = outcomes.iter();
        let here = || {
            outcomes
                .find(|outcome| outcome.node == *name)?
                .why
                .as_deref()
        };
        failed.get(name).map(String::as_str).or_else(here)
    };
    let first = held.failed.iter().find_map(|name| Some((name, why(name)?)));
    let names: Vec<&NodeName> = held.failed.iter().collect();
    first.map_or_else(
        || format!("{}: {}", held.why, listed(&names)),
        |(name, why)| format!("{}; {name}: {why}", held.why),
    )
}

/// What a node waits for before its turn can come; `None` where that is all.
fn waits(
    world: &World,
    declaration: &Declaration,
    current: &ChangePlan,
    name: &NodeName,
    sheet: &Sheet,
) -> Option<Stand> {
    if let Some(why) = leave(world, current, name, sheet) {
        return Some(Stand::Approval(why));
    }
    let rules = rules(world, declaration, name, sheet);
    if let Some(policy) = window::paused(&rules.declaration, &rules.governance) {
        return Some(Stand::Paused(policy.to_owned()));
    }
    if is_shut(world, &rules, sheet) {
        let opens = window::opens(&rules.declaration, &rules.governance, world.now.0);
        return Some(Stand::Window(opens.map(Timestamp)));
    }
    world.away(name).map(Stand::Away)
}
