//! Which Nodes have a `CardNode`, and what the planner may know of each.
use std::time::Duration;

use crd::{
    id::NodeName,
    kind::{CardNode, CardNodeSpec},
    snapshot::HardwareSnapshot,
};
use k8s_openapi::{api::core::v1::Node, jiff};
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{
    world::{World, has_cards},
    writes::{CardNodeWrite, Write},
};
use crate::cluster::{names::GONE_SINCE, packed};

/// How long what is known of a node is kept after its Node is gone: long enough for one that is made anew.
pub const KEPT: Duration = Duration::from_mins(30);

/// Makes, marks and deletes: a `CardNode` for every Node with cards, until its Node is long gone. No policy need select
/// it: what a ledger is to put back is known by its agent alone, and nobody hears of that without the object.
pub fn fleet(world: &World) -> Vec<Write> {
    let wanted = world
        .nodes
        .iter()
        .filter(|(name, node)| has_cards(node) && !world.card_nodes.contains_key(*name))
        .map(|(name, _)| name);
    let made = wanted.map(|name| {
        Write::CardNode(CardNodeWrite {
            node: name.clone(),
            version: None,
            gone_since: None,
            in_hand_until: None,
            spec: CardNodeSpec::default(),
        })
    });
    let kept = world.card_nodes.iter().filter_map(|(name, card_node)| {
        let since = card_node.annotations().get(GONE_SINCE);
        match (world.nodes.contains_key(name), since) {
            (true, None) => None,
            (true, Some(_)) => Some(marked(card_node, None)),
            (false, None) => Some(marked(card_node, Some(world.now.to_string()))),
            (false, Some(since)) => {
                is_over(since, world.now).then(|| Write::DeleteCardNode(card_node.clone()))
            }
        }
    });
    made.chain(kept).collect()
}

fn marked(card_node: &CardNode, gone_since: Option<String>) -> Write {
    Write::CardNode(CardNodeWrite {
        gone_since,
        ..CardNodeWrite::of(card_node)
    })
}

/// Whether it was long ago; a mark that cannot be read is not.
fn is_over(since: &str, now: Timestamp) -> bool {
    let Ok(since) = since.parse::<jiff::Timestamp>() else {
        return false;
    };
    let since = u64::try_from(since.as_millisecond()).unwrap_or_default();
    now >= Timestamp(since).plus(KEPT)
}

/// A node's snapshot as its agent published it, with the labels that the API server has for it: an agent does not choose
/// which policies select its node.
pub fn snapshot(
    name: &NodeName,
    card_node: &CardNode,
    node: &Node,
) -> Result<Box<HardwareSnapshot>, String> {
    let Some(status) = &card_node.status else {
        return Err("its agent has not reported yet".to_owned());
    };
    let Some(text) = &status.snapshot else {
        return Err("its agent has not reported yet".to_owned());
    };
    if status.node_uid != node.metadata.uid {
        return Err("its Node was made anew, and no agent has reported for that one".to_owned());
    }
    let mut snapshot: HardwareSnapshot = packed::unpack(text).map_err(|error| {
        format!(
            "what its agent published cannot be read: {}",
            crate::failure::chain(&error)
        )
    })?;
    if snapshot.metadata.name != *name {
        return Err(format!(
            "its agent published a snapshot of {}",
            snapshot.metadata.name
        ));
    }
    snapshot.metadata.labels = node.labels().clone();
    Ok(Box::new(snapshot))
}
