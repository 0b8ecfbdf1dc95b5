//! What a rack that was made of recordings shows otherwise than they do: fact by fact, each with its places.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::NodeName;

/// Version of the report's JSON: a minor one adds, a major one breaks.
pub const REPLICA_FORMAT: &str = "1.0";

/// What became of recordings in a rack's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RackReplica {
    /// [`REPLICA_FORMAT`].
    pub format_version: String,
    /// Always `RackReplica`.
    pub kind: String,
    /// The rack's name.
    pub rack: String,
    /// The file that it was written to.
    pub file: String,
    /// Each recorded server, in the order of the recordings.
    pub nodes: Vec<ReplicaNode>,
}

/// What is otherwise on one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaNode {
    /// The server.
    pub node: NodeName,
    /// What no fact says, a sentence each.
    pub notes: Vec<String>,
    /// Facts that the rack shows otherwise, each once.
    pub facts: Vec<ShownOtherwise>,
}

/// One fact that the rack shows otherwise, wherever it does so in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownOtherwise {
    /// What is otherwise about it.
    pub sort: ReplicaSort,
    /// When the rack shows it so.
    pub when: ShownWhen,
    /// The fact: its JSON pointer with `*` for places in lists, such as `/socs/*/cores`.
    pub field: String,
    /// Where it stands in the recording, or in the rack's own snapshot where it was not recorded at all.
    pub pointers: Vec<String>,
    /// What it is about, in the order of the pointers: `SoC 0000:25:00.0`, `host`.
    pub subjects: Vec<String>,
    /// What was recorded, in words, each once.
    pub recorded: Vec<String>,
    /// What the rack shows, in words, each once.
    pub shown: Vec<String>,
}

/// In what a fact is otherwise.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ReplicaSort {
    /// The recording does not know it, and the rack makes something up.
    Unknown,
    /// Both say something of it, or one of them nothing at all.
    Value,
    /// Both say the same, read from somewhere else.
    Source,
}

/// When a rack shows a fact otherwise.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ShownWhen {
    /// From the first look on.
    AtOnce,
    /// When SoCs have drivers, were reset and are ready, and the server has booted again.
    Later,
}
