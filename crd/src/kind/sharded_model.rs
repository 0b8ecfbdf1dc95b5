//! `ShardedModel`: a model that is served, its shards and its replicas.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AcceleratorOptions, Connectivity, ModelSource, Precision, Target};

/// A model that is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShardedModelSpec {
    /// Name of a `ModelBuild` in the same namespace. Excludes `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_ref: Option<String>,
    /// Where the model lies. Excludes `buildRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSource>,
    /// What it runs on; with `buildRef`, the build says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Precision of the weights; with `buildRef`, the build says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Slices: SoCs (AI100) or ranks (CPU), 1 to 64; at most 16 over P2P. Must equal the build's where `buildRef` is given.
    pub shards: u32,
    /// How the slices reach each other.
    pub connectivity: Connectivity,
    /// The `P2PGroup` whose sets it runs on. Without it, over P2P, any declared group that is large enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_ref: Option<String>,
    /// Replicas, each on a group of its own where it needs one, 0 to 1000.
    #[serde(default = "one_replica")]
    pub replicas: u32,
    /// How it is served.
    pub serving: Serving,
    /// Options of the vendor's compiler; for target `AI100` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<AcceleratorOptions>,
    /// How a new revision replaces the old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<ModelRollout>,
}

fn one_replica() -> u32 {
    1
}

/// How a model is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serving {
    /// Tokens of prompt and answer together, 1 to 1048576.
    pub context_length: u32,
    /// Sequences served at once, 1 to 1024.
    pub slots: u32,
    /// Requests that may wait for a slot, 0 to 65536; absent means four for each slot. One more is answered 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// TCP port on 127.0.0.1 of the first replica, the next ones follow; absent means any free port. In a cluster the
    /// port of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How a new revision replaces the old.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRollout {
    /// Replicas that may be missing at once, 1 to 1000; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<u32>,
    /// Replicas that must stay ready while groups are worked on, 0 to 1000; absent means 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<u32>,
    /// Whether a single replica without a spare group may be stopped for work on its group; absent means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_downtime: Option<bool>,
}
