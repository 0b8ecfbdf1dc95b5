//! What the planner is given: a declaration, every node that could be looked at, and digests already computed.
use std::collections::BTreeMap;

use crd::{
    declaration::Declaration,
    id::{Digest, NodeName, ObjectRef},
    snapshot::HardwareSnapshot,
};

use crate::FailedSteps;

/// Everything that a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What is declared; empty plans the removal of all that the ledgers know.
    pub declaration: &'a Declaration,
    /// The nodes, in any order.
    pub nodes: &'a [NodeInput],
    /// Computed digests of the sources of `ModelBuild` and `ShardedModel` objects, where known.
    pub models: &'a BTreeMap<ObjectRef, Digest>,
    /// What of it is planned.
    pub scope: Scope,
    /// What is not to be built for now: its model is left as it is.
    pub unbuilt: &'a Unbuilt,
    /// Where models may come from.
    pub sources: Sources,
    /// What earlier attempts failed on and is left alone for now, on each node.
    pub failed: &'a FailedSteps,
}

/// Where the models of what is planned may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// From anywhere: a cluster mounts volumes and registries, and a recording may be of one of its nodes.
    Any,
    /// From paths: the engine builds here by itself.
    Paths,
}

/// Objects whose program could not be built, each with why.
pub type Unbuilt = BTreeMap<ObjectRef, String>;

/// What of a declaration is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that is declared.
    Everything,
    /// Cards and settings. Nothing is built and no worker starts or stops but those that card work drains; of models only
    /// counts how many replicas are to go on serving.
    Cards,
    /// Of cards and settings, only what puts back what the ledger holds, and disturbs nobody: after a boot that needs no
    /// approval again.
    Repairs,
    /// The same, and beside it builds and workers, on sets that are as the ledger left them: what else cards and settings
    /// want waits, and no declared replica stops for it.
    Kept,
}

/// One node as it could be looked at.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a plan holds a handful of nodes, and nearly all of them are read"
)]
pub enum NodeInput {
    /// It was probed.
    Read(HardwareSnapshot),
    /// It was not.
    Unreadable {
        /// The node.
        node: NodeName,
        /// Its labels, where they are known all the same: whether it is a canary depends on them.
        labels: Option<BTreeMap<String, String>>,
        /// Why, in one sentence.
        why: String,
    },
}
