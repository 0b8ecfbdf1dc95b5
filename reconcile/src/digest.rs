//! Digests of plans and snapshots: BLAKE3 over canonical JSON of what approval and change detection are about.
use crd::{
    id::Digest,
    plan::{NodeDigest, NodePlan, RolloutDigest},
    snapshot::HardwareSnapshot,
    step::{Action, Precondition, Step, Subject},
};
use serde::Serialize;

/// What of a step is approved: what is done to what, expecting which registers and settings, on whose behalf.
///
/// Left out on purpose: causes and spans, holders and workers, states that change by themselves, estimates, batches'
/// texts. So CI, which sees a recorded snapshot, and the machine agree.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    id: &'a str,
    action: Action,
    batch: u32,
    preconditions: Vec<&'a Precondition>,
    leaves: Vec<&'a Precondition>,
    record: Option<&'a crd::step::Ownership>,
}

/// The digest of a node's card and machine steps, in their order.
pub fn node_digest(steps: &[Step]) -> NodeDigest {
    let identities: Vec<Identity<'_>> = steps.iter().map(identity).collect();
    NodeDigest(format!("node:{}", canonical(&identities).0))
}

/// The digest of a rollout: its sorted node digests. Nodes without steps do not enter it.
pub fn rollout_digest(nodes: &[NodePlan]) -> RolloutDigest {
    let busy = nodes.iter().filter(|node| !node.steps.is_empty());
    rollout_digest_of(busy.map(|node| &node.digest))
}

/// The same from the digests of the nodes that have steps, in any order.
pub fn rollout_digest_of<'a>(digests: impl Iterator<Item = &'a NodeDigest>) -> RolloutDigest {
    let mut digests: Vec<&NodeDigest> = digests.collect();
    digests.sort();
    RolloutDigest(format!("rollout:{}", canonical(&digests).0))
}

/// The digest of a snapshot: everything but its readings and how it was recorded.
pub fn snapshot_digest(snapshot: &HardwareSnapshot) -> Digest {
    canonical(&HardwareSnapshot {
        readings: None,
        recording: None,
        ..snapshot.clone()
    })
}

/// BLAKE3 over RFC 8785 JSON. A value that has no JSON (a map with keys that are not text) would digest as its error;
/// the types digested here all have one.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Digest {
    let bytes = serde_json_canonicalizer::to_vec(value).unwrap_or_else(|e| e.to_string().into());
    Digest(format!("b3:{}", blake3::hash(&bytes).to_hex()))
}

fn identity(step: &Step) -> Identity<'_> {
    let mut action = step.action.clone();
    if let Action::Drain { workers, .. } = &mut action {
        workers.clear();
    }
    Identity {
        id: step.id.as_str(),
        action,
        batch: step.batch,
        preconditions: step.preconditions.iter().filter(|p| steady(p)).collect(),
        leaves: step.leaves.iter().filter(|p| steady(p)).collect(),
        record: step.record.as_ref(),
    }
}

/// Whether a fact is a register, a setting or an identity, and not a state that comes and goes.
fn steady(precondition: &Precondition) -> bool {
    match precondition.subject {
        Subject::AcsControl { .. }
        | Subject::Mdp { .. }
        | Subject::Identity { .. }
        | Subject::Path { .. }
        | Subject::Driver { .. }
        | Subject::Sysctl { .. }
        | Subject::File { .. } => true,
        Subject::Status { .. }
        | Subject::Held { .. }
        | Subject::Qmonitor
        | Subject::Program { .. }
        | Subject::Worker { .. }
        | Subject::Verification { .. }
        | Subject::Ledger { .. } => false,
    }
}
