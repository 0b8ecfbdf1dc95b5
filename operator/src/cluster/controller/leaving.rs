//! Policies that are deleted and wait until what they changed is put back: on which nodes, and when one is let go.
//!
//! Nothing depends on the wait but the word to whoever deletes: what is to be put back, each node's ledger knows, and a
//! node that comes back after its policy is gone is put back then.
use std::{sync::Arc, time::Duration};

use crd::{
    id::NodeName,
    kind::{CardNode, CardPolicy, DeletionRule},
    snapshot::HardwareSnapshot,
};
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{
    declared::policy_ref,
    in_hand,
    sheet::Reverts,
    survey::Survey,
    world::{World, stays},
    writes::Write,
};
use crate::cluster::{
    names::{RELEASE, REVERTS},
    packed,
};

/// How long nodes that cannot be reached are waited for, where the policy does not say.
const PATIENCE: Duration = Duration::from_hours(1);

/// Where something of a deleted policy is still to be put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left<'a> {
    /// Nodes that can be reached.
    pub reached: Vec<&'a NodeName>,
    /// Nodes that cannot, each with why.
    pub unreached: Vec<(&'a NodeName, String)>,
}

/// Policies that are kept from now on, and those that are let go.
pub fn leaving(world: &World, survey: &Survey) -> Vec<Write> {
    let policies = world.policies.iter();
    policies
        .filter_map(|policy| {
            let keeps = keeps(world, survey, policy);
            (keeps != is_kept(policy)).then(|| Write::Keep {
                policy: policy.clone(),
                keeps,
            })
        })
        .collect()
}

/// Whether a policy is kept until what it changed is put back.
pub fn is_kept(policy: &CardPolicy) -> bool {
    policy.finalizers().iter().any(|name| name == REVERTS)
}

/// Whether a policy is to be kept.
fn keeps(world: &World, survey: &Survey, policy: &Arc<CardPolicy>) -> bool {
    let deletion = policy.spec.deletion_policy.as_ref();
    if deletion.is_none_or(|deletion| deletion.rule != DeletionRule::Revert) {
        return false;
    }
    if stays(policy.as_ref()) {
        return true;
    }
    // Nothing may be added to what is going.
    if !is_kept(policy) || policy.annotations().contains_key(RELEASE) {
        return false;
    }
    let left = left(world, survey, policy);
    let over = world.now >= until(world, policy);
    if left.reached.is_empty() {
        return !left.unreached.is_empty() && !over;
    }
    // Whose turn does not come, because one that cannot be reached is at work, is no sooner put back for being waited for.
    let waits = || left.reached.iter().all(|name| !in_hand::works(world, name));
    let held = || {
        let mut nodes = world.card_nodes.keys();
        nodes.any(|name| in_hand::works(world, name) && unheard(world, policy, name).is_some())
    };
    !(over && waits() && held())
}

/// Why nothing is to be expected of a node's agent for now: its Node is not there to work on, or what was granted to it was not
/// taken up in all the time that a policy gives.
fn unheard(world: &World, policy: &CardPolicy, name: &NodeName) -> Option<String> {
    let silent = || world.now >= until(world, policy) && in_hand::is_untaken(world, name);
    let why = || "its agent has not taken up what was granted to it".to_owned();
    world.away(name).or_else(|| silent().then(why))
}

/// When nodes that cannot be reached are waited for no longer.
pub fn until(world: &World, policy: &CardPolicy) -> Timestamp {
    let seen = policy.uid().and_then(|uid| world.departures.get(&uid));
    let stamped = || {
        let deleted = policy.metadata.deletion_timestamp.as_ref();
        let deleted = deleted.map(|deleted| deleted.0.as_millisecond());
        Timestamp(u64::try_from(deleted.unwrap_or_default()).unwrap_or_default())
    };
    let deletion = policy.spec.deletion_policy.as_ref();
    let stated = deletion.and_then(|deletion| deletion.revert_timeout_seconds);
    let patience = stated.map_or(PATIENCE, |seconds| Duration::from_secs(seconds.into()));
    seen.copied().unwrap_or_else(stamped).plus(patience)
}

/// Where something of a policy that is declared no more is still to be put back.
pub fn left<'a>(world: &'a World, survey: &'a Survey, policy: &CardPolicy) -> Left<'a> {
    let object = policy_ref(policy);
    let selected = world.selected(policy);
    let mut left = Left::default();
    for (name, card_node) in &world.card_nodes {
        let Some(known) = known(world, survey, name, card_node) else {
            continue;
        };
        // A Node that is gone has no labels to be selected by.
        let here = selected.contains(&name) || !world.nodes.contains_key(name);
        // What its agent has in hand may be this policy's, and is in no ledger that was seen.
        let works = here && in_hand::works(world, name);
        let is_left = works
            || known.reverts.have(&object)
            || (here && known.all_is_left && !known.reverts.are_none());
        if !is_left {
            continue;
        }
        match known.unread.or_else(|| unheard(world, policy, name)) {
            Some(why) => left.unreached.push((name, why)),
            None => left.reached.push(name),
        }
    }
    left
}

/// What is known of a node's ledger.
struct Known {
    reverts: Reverts,
    /// Whether no policy is in force there any more, so that all that it is to put back is left of those that were.
    all_is_left: bool,
    /// Why its agent's word is not to be gone by, where that is so.
    unread: Option<String>,
}

/// What is known of a node's ledger; `None` where no agent has ever said that something of ours is there.
fn known(world: &World, survey: &Survey, name: &NodeName, card_node: &CardNode) -> Option<Known> {
    let status = card_node.status.as_ref()?;
    if let Some(sheet) = survey.sheets.get(name) {
        return Some(Known {
            reverts: sheet.reverts.clone(),
            all_is_left: sheet.governance.policies.is_empty(),
            unread: None,
        });
    }
    let snapshot: Option<HardwareSnapshot> = packed::unpack(status.snapshot.as_deref()?).ok();
    let why = match world.nodes.get(name) {
        None => "its Node is gone",
        Some(_) => "its agent has said nothing that can be gone by",
    };
    Some(Known {
        reverts: Reverts::of(&snapshot?.ledger),
        all_is_left: true,
        unread: Some(why.to_owned()),
    })
}
