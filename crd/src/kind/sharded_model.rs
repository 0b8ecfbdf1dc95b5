//! `ShardedModel`: a model that is served, its shards and its replicas.
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AcceleratorOptions, Connectivity, ModelSource, PodOptions, Precision, ProgramStore,
    ShardedModelStatus, Target, rule,
};

/// A model that is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[
    &rule::BUILD_OR_MODEL, &rule::MODEL_NEEDS_TARGET, &rule::BUILD_SAYS, &rule::SHARDS_OVER_P2P,
    &rule::MODEL_SHARDS_ON_CARDS, &rule::MODEL_PRECISION, &rule::MODEL_ACCELERATOR, &rule::PORTS_FIT,
])))]
#[derive(CustomResource)]
#[kube(
    group = "shardplane.dev",
    version = "v1alpha1",
    kind = "ShardedModel",
    plural = "shardedmodels",
    shortname = "smodel",
    category = "shardplane",
    namespaced,
    status = "ShardedModelStatus",
    derive = "PartialEq",
    doc = "A model that is served, its shards and its replicas.",
    validation = rule::SHORT_NAME.to_kube(),
    validation = rule::PLAIN_NAME.to_kube(),
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector",
    ),
    printcolumn(name = "Shards", type_ = "integer", json_path = ".spec.shards"),
    printcolumn(name = "Connectivity", type_ = "string", json_path = ".spec.connectivity"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Serving", type_ = "integer", json_path = ".status.readyReplicas", description = "Replicas that answer requests"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.groupRef", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
pub struct ShardedModelSpec {
    /// Name of a `ModelBuild` in the same namespace. Excludes `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
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
    #[schemars(schema_with = "super::shape::shards")]
    pub shards: u32,
    /// How the slices reach each other.
    pub connectivity: Connectivity,
    /// The `P2PGroup` whose sets it runs on. Without it, over P2P, any declared group that is large enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub group_ref: Option<String>,
    /// Replicas, each on a group of its own where it needs one, 0 to 1000.
    #[serde(default = "one_replica")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// How it is served.
    pub serving: Serving,
    /// Options of the vendor's compiler; for target `AI100` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<AcceleratorOptions>,
    /// Where its program is put in a cluster, which builds nothing without it; with `buildRef`, the build says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<ProgramStore>,
    /// Its pods in a cluster: those of its workers, and without `buildRef` the one that builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodOptions>,
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
    #[schemars(range(min = 1, max = 1_048_576))]
    pub context_length: u32,
    /// Sequences served at once, 1 to 1024.
    #[schemars(range(min = 1, max = 1024))]
    pub slots: u32,
    /// Requests that may wait for a slot, 0 to 65536; absent means four for each slot. One more is answered 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65536))]
    pub queue: Option<u32>,
    /// Seconds that a request may take from its arrival to its last token, its wait for a slot included, 1 to 86400; absent
    /// means 600. One that takes longer is answered 504. In a cluster a pod that is to end goes on for as long, where its
    /// requests take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub request_seconds: Option<u32>,
    /// TCP port on 127.0.0.1 of the first replica, the next ones follow; absent means any free port. In a cluster the
    /// port of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
}

impl Serving {
    /// What an absent `requestSeconds` means, in seconds.
    pub const REQUEST_SECONDS: u32 = 600;
}

/// How a new revision replaces the old, and what work on cards may stop meanwhile.
///
/// A replica serves while it runs and is ready. Replicas are replaced in batches, each when all before it are ready; work
/// on cards keeps to the same numbers. Fewer replicas, or none, is no rollout. Without `rollout` one replica may be
/// missing at once: a single one is stopped and started again, and of several all but one serve. In a cluster, where a
/// surplus pod has a place wherever a scheduler finds it one, a single one goes on until its successor serves.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRollout {
    /// Replicas that may be missing at once, 1 to 1000; absent means 1. One that has no place or is not ready is missing
    /// too, so that a program that does not start stops the rollout; but no card work waits for a replica whose place that
    /// work makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_unavailable: Option<u32>,
    /// Replicas that must go on serving, 0 to 1000; absent means 0. Where that is all of them, a surplus replica is started
    /// first, on a free group where it needs one and on any free port, and stopped at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_available: Option<u32>,
    /// Whether fewer may serve where the numbers allow no replica to be stopped and there is no place for a surplus one:
    /// then one replica at a time, or those on the SoCs that must be idle together; absent means no, and the rollout is a
    /// blocked goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_downtime: Option<bool>,
}
