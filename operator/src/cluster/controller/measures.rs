//! What a turn comes to in numbers: how much is planned, where nodes stand, and what waits since when.
use std::collections::BTreeMap;

use crd::{id::NodeName, kind::Condition, plan::Summary};
use kube_client::ResourceExt;

use super::{
    rollout::{Course, Stand},
    survey::Survey,
    world::World,
};

/// Where nodes may stand, as a label says it.
pub const STANDS: [&str; 11] = [
    SILENT,
    "converged",
    "working",
    "begins",
    "queued",
    "approval",
    "paused",
    "window",
    AWAY,
    FAILED,
    "stopped",
];

/// Where a node stands of which nothing is known yet: it is in nobody's rollout.
const SILENT: &str = "silent";
/// Where a node stands that is not there to work on, whatever is to be done on it.
const AWAY: &str = "away";
/// Where a node stands on which a step failed.
const FAILED: &str = "failed";

/// Something that is so since a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lasting {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its name, behind its namespace and a slash where it has one: whoever scrapes has a label `namespace` of its own.
    pub name: String,
    /// Reason of the condition that says it.
    pub reason: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
}

/// Numbers of one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Nodes by where they stand, each once; every word of [`STANDS`] is there.
    pub nodes: BTreeMap<&'static str, i64>,
    /// Effects that are planned and not carried out.
    pub effects: i64,
    /// Gates that are planned and not passed.
    pub gates: i64,
    /// SoC resets among the effects.
    pub resets: i64,
    /// Nodes that may be at work at once: the smallest limit of the nodes that have steps.
    pub limit: i64,
    /// Policies and groups that are not Ready.
    pub waiting: Vec<Lasting>,
    /// Nodes that are not as they were left.
    pub drifted: Vec<Lasting>,
}

/// Measures.
pub fn measures(world: &World, survey: &Survey, course: &Course) -> Measures {
    let mut nodes: BTreeMap<&'static str, i64> = STANDS.iter().map(|word| (*word, 0)).collect();
    let standing = course.stands.iter();
    let standing = standing.map(|(name, stand)| (name, word(stand)));
    let silent = world.card_nodes.iter().filter(|(name, card_node)| {
        let reported = (card_node.status.as_ref()).is_some_and(|status| status.snapshot.is_some());
        !reported && world.nodes.contains_key(*name) && !course.stands.contains_key(*name)
    });
    for (name, word) in standing.chain(silent.map(|(name, _)| (name, SILENT))) {
        *nodes.entry(present(world, name, word)).or_default() += 1;
    }
    let busy = || survey.sheets.values().filter(|sheet| sheet.steps > 0);
    let sum =
        |of: fn(&Summary) -> u32| -> i64 { busy().map(|sheet| i64::from(of(&sheet.counts))).sum() };
    let limit = busy()
        .map(|sheet| sheet.governance.max_unavailable_nodes)
        .min();
    let policies = world.policies.iter().map(|policy| {
        let status = policy.status.as_ref();
        let said = status.map(|status| status.conditions.as_slice());
        ("CardPolicy", policy.name_any(), said)
    });
    let groups = world.groups.iter().map(|group| {
        let status = group.status.as_ref();
        let said = status.map(|status| status.conditions.as_slice());
        ("P2PGroup", group.name_any(), said)
    });
    let waiting = policies
        .chain(groups)
        .filter_map(|(kind, name, said)| since(kind, name, said?, "Ready", "False"))
        .collect();
    let drifted = world
        .card_nodes
        .iter()
        .filter_map(|(name, card_node)| {
            let said = &card_node.status.as_ref()?.conditions;
            since("CardNode", name.to_string(), said, "Drifted", "True")
        })
        .collect();
    Measures {
        nodes,
        effects: sum(|counts| counts.change),
        gates: sum(|counts| counts.gates),
        resets: sum(|counts| counts.resets),
        limit: limit.map_or(0, i64::from),
        waiting,
        drifted,
    }
}

/// Since when a condition of an object has had a status, where it has it.
pub fn since(
    kind: &'static str,
    name: String,
    said: &[Condition],
    type_: &str,
    status: &str,
) -> Option<Lasting> {
    let condition = said
        .iter()
        .find(|condition| condition.type_ == type_ && condition.status == status)?;
    Some(Lasting {
        kind,
        name,
        reason: condition.reason.clone(),
        since: condition.last_transition_time.0.as_second(),
    })
}

/// Where a node stands, unless it is not there to work on, which is as true of one on which nothing is to be done. Where a step
/// failed it stands failed all the same: somebody is to look at it, and is not to be told the less because it went away of that.
fn present(world: &World, name: &NodeName, word: &'static str) -> &'static str {
    if word != FAILED && world.away(name).is_some() {
        return AWAY;
    }
    word
}

fn word(stand: &Stand) -> &'static str {
    match stand {
        Stand::Converged => "converged",
        Stand::Working => "working",
        Stand::Begins => "begins",
        Stand::Queued => "queued",
        Stand::Approval(_) => "approval",
        Stand::Paused(_) => "paused",
        Stand::Window(_) => "window",
        Stand::Away(_) => AWAY,
        Stand::Failed(_) => FAILED,
        Stand::Stopped(_) => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_stand_is_told_before_a_node_stands_there() {
        let why = String::new;
        let stands = [
            Stand::Converged,
            Stand::Working,
            Stand::Begins,
            Stand::Queued,
            Stand::Approval(why()),
            Stand::Paused(why()),
            Stand::Window(None),
            Stand::Away(why()),
            Stand::Failed(why()),
            Stand::Stopped(why()),
        ];
        let words = stands.iter().map(word).chain([SILENT]);
        assert_eq!(words.collect::<BTreeSet<&str>>(), BTreeSet::from(STANDS));
    }
}
