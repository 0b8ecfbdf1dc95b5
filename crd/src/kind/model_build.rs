//! `ModelBuild`: a model's source and the shape of the program compiled from it.
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Connectivity, ModelBuildStatus, PodOptions, ProgramStore, Target, rule};
use crate::id::Digest;

/// A model's source and the shape of the program compiled from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[
    &rule::BUILD_SHARDS_ON_CARDS, &rule::BUILD_PRECISION, &rule::BUILD_ACCELERATOR, &rule::BUILD_CORES,
])))]
#[derive(CustomResource)]
#[kube(
    group = "shardplane.dev",
    version = "v1alpha1",
    kind = "ModelBuild",
    plural = "modelbuilds",
    shortname = "mbuild",
    category = "shardplane",
    namespaced,
    status = "ModelBuildStatus",
    derive = "PartialEq",
    doc = "A model's source and the shape of the program compiled from it.",
    validation = rule::SHORT_NAME.to_kube(),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target"),
    printcolumn(name = "Shards", type_ = "integer", json_path = ".spec.topology.shards"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Program", type_ = "string", json_path = ".status.program", priority = 1),
    printcolumn(name = "Artifact", type_ = "string", json_path = ".status.artifact", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
pub struct ModelBuildSpec {
    /// Where the model lies.
    pub source: ModelSource,
    /// What the program runs on.
    pub target: Target,
    /// Precision of the weights.
    pub precision: Precision,
    /// Lengths and batch that the program is compiled for.
    pub shapes: ProgramShapes,
    /// SoCs or ranks, and how they reach each other.
    pub topology: TopologyShape,
    /// Options of the vendor's compiler; for target `AI100` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<AcceleratorOptions>,
    /// Where the program is put in a cluster, which builds nothing without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<ProgramStore>,
    /// The pod that builds, in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodOptions>,
}

/// Where a model lies: exactly one of `path`, `pvc`, `oci`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::ONE_SOURCE])))]
pub struct ModelSource {
    /// A folder (CPU) or an ONNX file (AI100), relative to the manifest. Has no meaning in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub path: Option<String>,
    /// A folder on a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PvcSource>,
    /// An artifact in a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciSource>,
    /// The model's digest, `b3:` and 64 hexadecimal digits; when given, a build from anything else is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::model_digest")]
    pub digest: Option<Digest>,
}

/// A folder on a persistent volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PvcSource {
    /// The claim, in the object's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// Folder inside the volume.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
}

/// An artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciSource {
    /// Image reference by digest, `registry/repository@sha256:…`.
    #[schemars(schema_with = "super::shape::oci_reference")]
    pub reference: String,
}

/// Precision of the weights.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Precision {
    /// 32-bit floats (CPU).
    F32,
    /// bfloat16 (CPU).
    Bf16,
    /// 8-bit integers in blocks of 32 with a scale each (CPU).
    Int8,
    /// 4-bit integers in blocks of 32 with a scale each (CPU).
    Int4,
    /// 16-bit floats (AI100).
    Fp16,
    /// Microscaled 6-bit floats in matrix products (AI100).
    Mxfp6,
}

/// Lengths and batch that the program is compiled for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::PROMPT_LENGTH])))]
pub struct ProgramShapes {
    /// Tokens of prompt and answer together, 1 to 1048576.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub context_length: u32,
    /// Sequences served at once, 1 to 1024.
    #[schemars(range(min = 1, max = 1024))]
    pub batch: u32,
    /// Prompt tokens taken in one pass, 1 to `contextLength`; absent means 128 (AI100) or the worker's choice (CPU).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub prompt_length: Option<u32>,
}

/// The shape of the SoCs that a program needs, never which SoCs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::SHARDS_OVER_P2P])))]
pub struct TopologyShape {
    /// SoCs (AI100) or ranks (CPU), 1 to 64; at most 16 over P2P.
    #[schemars(schema_with = "super::shape::shards")]
    pub shards: u32,
    /// Cores of each SoC, 1 to 16; for target `AI100` only. Absent means the smallest member's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub cores: Option<u32>,
    /// How they reach each other.
    pub connectivity: Connectivity,
}

/// Options of the vendor's compiler.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::CACHE_LAYERS])))]
pub struct AcceleratorOptions {
    /// Precision of the KV cache; absent means `Fp16`. Needs `layers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_precision: Option<KvPrecision>,
    /// Cores that each weight is split over (`-mos`), 1 to 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub weight_split_cores: Option<u32>,
    /// Depth-first scheduling (`-aic-enable-depth-first`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth_first: Option<bool>,
    /// Compressed traffic between SoCs (`-allow-mxint8-mdp-io`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed_links: Option<bool>,
    /// Decoder layers of the model, 1 to 1024: names the cache tensors of custom I/O.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub layers: Option<u32>,
}

/// Precision of the KV cache on an accelerator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum KvPrecision {
    /// 16-bit floats.
    Fp16,
    /// Microscaled 8-bit integers.
    Mxint8,
}
