//! Steps that an agent has in hand when its grant is taken back: none is cut short, so the node is at work until its agent
//! says how that ended, whatever became of the rollout.
use std::time::Duration;

use crd::{
    id::NodeName,
    kind::{CardNode, ChangePlan, Grant, GrantProgress, GrantState, NodeOutcome, NodeProgress},
    plan::NodePlan,
};
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{progress::SLACK, world::World};
use crate::cluster::{names::IN_HAND_UNTIL, packed};

/// When a node is waited for no longer whose agent has a step of a grant in hand that is taken back, now or before; `None`
/// where that is over, and where it never was so. The agent's first word after a boot, of whichever boot, is that it has none.
pub fn until(world: &World, name: &NodeName) -> Option<Timestamp> {
    taken_back(world, name).map(|taken| match taken {
        TakenBack::Now(grant) => world.now.plus(longest(grant).saturating_add(SLACK)),
        TakenBack::Before { until } => until,
    })
}

/// Whether a node's agent ends a step of a grant that is taken back.
pub fn is_ending(world: &World, name: &NodeName) -> bool {
    taken_back(world, name).is_some()
}

/// Whether a node's agent works on the grant that lies there: where that is about to be taken back, it has a step in hand.
pub fn is_at_it(world: &World, name: &NodeName) -> bool {
    let card_node = world.card_nodes.get(name);
    let grant = card_node.and_then(|card_node| card_node.spec.grant.as_ref());
    let said = card_node.and_then(|card_node| at_work(world, name, card_node));
    grant
        .zip(said)
        .is_some_and(|(grant, said)| is_of(said, grant))
}

/// Whether a node's agent may be at work: on a grant whose end its rollout does not know, or on the rest of one that is taken
/// back.
pub fn works(world: &World, name: &NodeName) -> bool {
    let card_node = world.card_nodes.get(name);
    let granted = card_node.and_then(|card_node| card_node.spec.grant.as_ref());
    let goes_on = granted.is_some_and(|grant| {
        let plan = world.plans.last().map(AsRef::as_ref);
        matches!(
            recorded(plan, name, grant),
            Recorded::As(None | Some(NodeProgress::Applying))
        )
    });
    goes_on || is_ending(world, name)
}

/// Whether a node has a grant of which its agent has not said a word.
pub fn is_untaken(world: &World, name: &NodeName) -> bool {
    let card_node = world.card_nodes.get(name);
    let grant = card_node.and_then(|card_node| card_node.spec.grant.as_ref());
    let status = card_node.and_then(|card_node| card_node.status.as_ref());
    let said = status.and_then(|status| status.grant.as_ref());
    grant.is_some_and(|grant| !said.is_some_and(|said| is_of(said, grant)))
}

/// A grant that is taken back, of which its agent has a step in hand.
enum TakenBack<'a> {
    /// It is there still.
    Now(&'a Grant),
    /// It says nothing more of itself: the write that took it back noted until when its step is waited for.
    Before { until: Timestamp },
}

fn taken_back<'a>(world: &'a World, name: &NodeName) -> Option<TakenBack<'a>> {
    let card_node = world.card_nodes.get(name)?;
    let working = at_work(world, name, card_node)?;
    let Some(grant) = &card_node.spec.grant else {
        let until = Timestamp::printed(card_node.annotations().get(IN_HAND_UNTIL)?)?;
        return (world.now < until).then_some(TakenBack::Before { until });
    };
    (is_of(working, grant) && goes(world, name, grant)).then_some(TakenBack::Now(grant))
}

/// What a node's agent says of the grant that it works on; the word of an agent on another Node of that name is none.
fn at_work<'a>(
    world: &World,
    name: &NodeName,
    card_node: &'a CardNode,
) -> Option<&'a GrantProgress> {
    let status = card_node.status.as_ref()?;
    let node = world.nodes.get(name)?;
    let same = status.node_uid == node.metadata.uid;
    let said = status.grant.as_ref().filter(|_| same)?;
    (said.state == GrantState::Working).then_some(said)
}

/// Whether an agent's word is about this very grant.
pub fn is_of(progress: &GrantProgress, grant: &Grant) -> bool {
    progress.decided_on == grant.decided_on
        && progress.lease_epoch == grant.lease_epoch
        && progress.digest == grant.digest
}

/// Whether a grant goes that nobody has waited for yet. Where its rollout is given up for its silence, all of its steps would
/// have failed by their own deadlines.
fn goes(world: &World, name: &NodeName, grant: &Grant) -> bool {
    match recorded(world.plans.last().map(AsRef::as_ref), name, grant) {
        Recorded::NoMore => true,
        Recorded::As(outcome) => {
            outcome.is_some_and(|of| !matches!(of, NodeProgress::Applying | NodeProgress::Halted))
        }
    }
}

/// What the rollout at hand has of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing: the grant is of a rollout that is no more.
    NoMore,
    /// How its node stands there; `None` before that is written.
    As(Option<NodeProgress>),
}

/// What the rollout at hand has of a node's grant.
pub fn recorded(current: Option<&ChangePlan>, name: &NodeName, grant: &Grant) -> Recorded {
    let Some(current) = current.filter(|current| current.spec.digest == grant.rollout) else {
        return Recorded::NoMore;
    };
    let mut nodes = current.status.iter().flat_map(|status| &status.nodes);
    let known: Option<&NodeOutcome> = nodes.find(|outcome| outcome.node == *name);
    Recorded::As(known.map(|known| known.outcome))
}

/// How long the longest step of a grant may take: the agent begins no other after it.
fn longest(grant: &Grant) -> Duration {
    // One that cannot be read, an agent of this version would not have taken up.
    let plan: Option<NodePlan> = packed::unpack(&grant.plan).ok();
    let steps = plan.iter().flat_map(|plan| &plan.steps);
    Duration::from_millis(steps.map(|step| step.estimate.limit_ms).max().unwrap_or(0))
}
