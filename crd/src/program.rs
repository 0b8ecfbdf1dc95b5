//! What it takes to compile a program, independent of which SoCs it will run on.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Digest, LogicalDevice, ObjectRef, ProgramKey},
    kind::{AcceleratorOptions, ModelSource, Precision, ProgramShapes, Target, TopologyShape},
};

/// A program to be compiled or sliced. `key` and the model's computed digest are facts: known or not, outside the digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgramRequest {
    /// The object that asks for it.
    pub object: ObjectRef,
    /// Where the model lies; `path` is relative to the file that declares it.
    pub source: ModelSource,
    /// The file that declares it (its label), against which `path` is resolved.
    pub declared_in: String,
    /// Target.
    pub target: Target,
    /// Precision of the weights.
    pub precision: Precision,
    /// Lengths and batch.
    pub shapes: ProgramShapes,
    /// SoCs or ranks and connectivity.
    pub topology: TopologyShape,
    /// Options of the vendor's compiler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<AcceleratorOptions>,
    /// The model's digest, declared or computed; absent until a build computes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Digest>,
    /// The program's key; absent while the model's digest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ProgramKey>,
}

/// The compiler call for target `AI100`, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompilerCall {
    /// `qaic-exec` or `qaic-compile`.
    pub program: String,
    /// Arguments. `{model}`, `{out}` and `{dir}` stand for the source, the output folder and the folder of `files`.
    pub arguments: Vec<String>,
    /// Files written beside the call, by name, with their content.
    pub files: Vec<(String, String)>,
}

/// A partition config in the vendor's form, key for key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionConfig {
    /// Direct connections; absent means through the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<PartitionConnection>>,
    /// Partitions, in pipeline order.
    pub partitions: Vec<Partition>,
}

/// SoCs that reach each other directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionConnection {
    /// Logical devices.
    pub devices: Vec<LogicalDevice>,
    /// The only type ever seen: `p2p`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One partition: a stage of a pipeline, sliced over its devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partition {
    /// `Partition0` and on.
    pub name: String,
    /// Its devices.
    pub devices: Vec<PartitionDevice>,
    /// ONNX nodes of this stage; absent where there is one stage.
    #[serde(rename = "nodeList", default, skip_serializing_if = "Option::is_none")]
    pub node_list: Option<Vec<String>>,
}

/// A device of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionDevice {
    /// Logical, 0 to n-1. Never a QID.
    #[serde(rename = "deviceId")]
    pub device_id: LogicalDevice,
    /// Cores used.
    #[serde(rename = "numCores")]
    pub num_cores: u32,
}
