//! In which order nodes are worked on, and when a rollout goes no further: canaries first, then batches, and up to the
//! failures that are allowed.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::NodeName,
    plan::{Governance, NodePlan, Plan},
    step::{Action, Step},
};

/// The most nodes that a sentence names one by one.
const NAMED: usize = 3;

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its steps are being carried out.
    Working,
    /// Every step was verified.
    Converged,
    /// A step failed, whatever became of the others.
    Failed,
}

/// What may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These nodes may begin; empty while nodes at work have to end first.
    Begin(Vec<NodeName>),
    /// Nothing more is begun, and some nodes never were.
    Stop {
        /// Why, as the end of a sentence: `it is a canary, so aic-02 was not begun`.
        why: String,
    },
    /// Every node was begun.
    Done,
}

/// Whether a node has something to run: its own steps or builds; worker steps are not a rollout's.
pub fn has_work(node: &NodePlan) -> bool {
    let builds = |step: &Step| matches!(step.action, Action::Build { .. });
    !node.steps.is_empty() || node.work.iter().any(builds)
}

/// The nodes that have something to run, in the order in which they are worked on: canaries, then the others, by name.
pub fn order(nodes: &[NodePlan]) -> Vec<NodeName> {
    let mut order: Vec<&NodePlan> = nodes.iter().filter(|node| has_work(node)).collect();
    order.sort_by_key(|node| (!node.governance.canary, &node.node));
    order.into_iter().map(|node| node.node.clone()).collect()
}

/// Decides what may begin, from what was begun so far and which nodes wait for something of their own, as for leave;
/// failures of an earlier round count.
///
/// Others wait until every canary of their policies has converged. Failures count together, for whoever has a policy in common
/// with those that failed, against the smallest threshold of theirs; nodes at work count against the smallest limit among them
/// and the one that would join.
pub fn next(plan: &Plan, begun: &BTreeMap<NodeName, Progress>, waits: &BTreeSet<NodeName>) -> Next {
    let nodes = plan.nodes.iter();
    let governed = nodes.map(|node| (&node.node, &node.governance)).collect();
    let open = |name: &NodeName| matches!(begun.get(name), None | Some(Progress::Working));
    let later = later(&plan.order, &governed, open);
    let order = without_waiting(&plan.order, &governed, begun, |name| waits.contains(name));
    next_of(&order, &governed, begun, &later)
}

/// Whether a canary of one of a node's policies is among these.
fn is_after<'a>(
    governance: &Governance,
    mut canaries: impl Iterator<Item = &'a Governance>,
) -> bool {
    canaries.any(|canary| canary.canary && share(governance, canary))
}

/// Whether two nodes have a policy in common.
fn share(one: &Governance, other: &Governance) -> bool {
    let mut policies = one.policies.iter();
    policies.any(|policy| other.policies.contains(policy))
}

/// Why a node is not begun though its turn came: others failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The rule, as a sentence without its end: `the rollout stops at the first failed node`.
    pub why: String,
    /// Who failed.
    pub failed: Vec<NodeName>,
}

/// The nodes of an order that were not begun and that failures hold.
pub fn held(
    order: &[NodeName],
    governed: &BTreeMap<&NodeName, &Governance>,
    begun: &BTreeMap<NodeName, Progress>,
) -> BTreeMap<NodeName, Held> {
    let waiting = order.iter().filter(|name| !begun.contains_key(*name));
    waiting
        .filter_map(|name| {
            let held = stopped(governed.get(name)?, governed, begun)?;
            Some((name.clone(), held))
        })
        .collect()
}

/// An order without the nodes that wait and were not begun. Nobody goes before a canary of a policy of its own, whatever that one
/// waits for.
pub fn without_waiting(
    order: &[NodeName],
    governed: &BTreeMap<&NodeName, &Governance>,
    begun: &BTreeMap<NodeName, Progress>,
    waits: impl Fn(&NodeName) -> bool,
) -> Vec<NodeName> {
    let left = |name: &&NodeName| !begun.contains_key(*name);
    let waiting = order.iter().filter(left).filter(|name| waits(name));
    let waiting: Vec<&Governance> = waiting
        .filter_map(|name| governed.get(name).copied())
        .collect();
    let held = |name: &NodeName| {
        let governance = governed.get(name);
        governance.is_some_and(|of| !of.canary && is_after(of, waiting.iter().copied()))
    };
    let may = |name: &NodeName| !waits(name) && !held(name);
    order
        .iter()
        .filter(|name| !left(name) || may(name))
        .cloned()
        .collect()
}

/// The same of a plan of which only the order and what governs each node are at hand, and which nodes' batch has not come.
pub fn next_of(
    order: &[NodeName],
    governed: &BTreeMap<&NodeName, &Governance>,
    begun: &BTreeMap<NodeName, Progress>,
    later: &BTreeSet<NodeName>,
) -> Next {
    let waiting: Vec<(&NodeName, &Governance)> = order
        .iter()
        .filter(|name| !begun.contains_key(*name))
        .filter_map(|name| Some((name, *governed.get(name)?)))
        .collect();
    if waiting.is_empty() {
        return Next::Done;
    }
    let held = held(order, governed, begun);
    if let Some(first) = held.values().next().filter(|_| held.len() == waiting.len()) {
        let names: Vec<&NodeName> = waiting.iter().map(|(name, _)| *name).collect();
        return Next::Stop {
            why: format!("{}, so {}", first.why, left(&names)),
        };
    }
    let mut busy: Vec<&Governance> = governed
        .iter()
        .filter(|(name, _)| begun.get(**name) == Some(&Progress::Working))
        .map(|(_, governance)| *governance)
        .collect();
    let first: Vec<&Governance> = (busy.iter().copied())
        .chain(waiting.iter().map(|(_, governance)| *governance))
        .filter(|governance| governance.canary)
        .collect();
    let mut may = Vec::new();
    let free = waiting.iter().filter(|(name, _)| !held.contains_key(*name));
    for (name, governance) in free.copied() {
        let after = !governance.canary && is_after(governance, first.iter().copied());
        if after || later.contains(name) {
            continue;
        }
        busy.push(governance);
        let limit = busy
            .iter()
            .map(|governance| governance.max_unavailable_nodes);
        if busy.len() > limit.min().unwrap_or(1) as usize {
            break;
        }
        may.push(name.clone());
    }
    Next::Begin(may)
}

/// The nodes whose batch has not come: of one of their policies, a node of an earlier batch is `open`, to begin or at work.
///
/// Canaries are in no batch. Places are counted over the whole order, whatever a node came to.
pub fn later(
    order: &[NodeName],
    governed: &BTreeMap<&NodeName, &Governance>,
    open: impl Fn(&NodeName) -> bool,
) -> BTreeSet<NodeName> {
    let mut later = BTreeSet::new();
    for batches in batches(order, governed).into_values() {
        let mut waits = false;
        for batch in batches {
            if waits {
                later.extend(batch.iter().map(|name| (*name).clone()));
            }
            waits |= batch.iter().any(|name| open(name));
        }
    }
    later
}

/// The batches of each policy that has some, by its name; a batch that no node is left for is not there.
pub fn batches<'a>(
    order: &'a [NodeName],
    governed: &BTreeMap<&NodeName, &'a Governance>,
) -> BTreeMap<&'a str, Vec<Vec<&'a NodeName>>> {
    let mut sizes: BTreeMap<&str, &[u32]> = BTreeMap::new();
    let mut nodes: BTreeMap<&str, Vec<&NodeName>> = BTreeMap::new();
    for name in order {
        let governance = governed.get(name).filter(|governance| !governance.canary);
        for (policy, stated) in governance.iter().flat_map(|of| &of.batches) {
            sizes.insert(policy, stated);
            nodes.entry(policy).or_default().push(name);
        }
    }
    nodes
        .into_iter()
        .map(|(policy, nodes)| {
            let mut left = nodes.as_slice();
            let mut batches = Vec::new();
            for size in sizes.get(policy).copied().unwrap_or_default() {
                let (batch, others) = left.split_at((*size as usize).min(left.len()));
                batches.push(batch.to_vec());
                left = others;
            }
            batches.push(left.to_vec());
            batches.retain(|batch| !batch.is_empty());
            (policy, batches)
        })
        .collect()
}

/// Why a node that is governed so is not begun, where that is so.
fn stopped(
    waits: &Governance,
    governed: &BTreeMap<&NodeName, &Governance>,
    begun: &BTreeMap<NodeName, Progress>,
) -> Option<Held> {
    // What nobody governs is put back for all of them; and a node that the plan does not have any more failed all the same.
    let concerns = |failed: &Governance| {
        share(waits, failed) || waits.policies.is_empty() && failed.policies.is_empty()
    };
    let failed: Vec<&NodeName> = begun
        .iter()
        .filter(|(_, progress)| **progress == Progress::Failed)
        .map(|(name, _)| name)
        .filter(|name| governed.get(name).is_none_or(|failed| concerns(failed)))
        .collect();
    let nodes = || {
        let known = failed.iter();
        known.filter_map(|name| Some((*name, *governed.get(*name)?)))
    };
    if let Some((canary, _)) = nodes().find(|(_, governance)| governance.canary) {
        return Some(Held {
            why: format!("{canary} is a canary"),
            failed: vec![canary.clone()],
        });
    }
    let threshold = nodes()
        .map(|(_, governance)| governance.failure_threshold)
        .min();
    let reached = !failed.is_empty() && failed.len() >= threshold.unwrap_or(1) as usize;
    reached.then(|| Held {
        why: match failed.len() {
            1 => "the rollout stops at the first failed node".to_owned(),
            count => format!("the rollout stops at {count} failed nodes"),
        },
        failed: failed.into_iter().cloned().collect(),
    })
}

/// `aic-02 and aic-03 were not begun`.
fn left(waiting: &[&NodeName]) -> String {
    let mut names: Vec<String> = waiting
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect();
    let more = waiting.len() - names.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let verb = if waiting.len() == 1 { "was" } else { "were" };
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() {
        last
    } else {
        format!("{} and {last}", names.join(", "))
    };
    format!("{names} {verb} not begun")
}
