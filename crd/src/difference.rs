//! Two recordings of a machine, compared: what differs, by JSON pointer and in words.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Digest, NodeName};

/// Version of the difference's JSON: a minor one adds, a major one breaks.
pub const DIFFERENCE_FORMAT: &str = "1.0";

/// What differs between two recordings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDifference {
    /// [`DIFFERENCE_FORMAT`].
    pub format_version: String,
    /// Always `SnapshotDifference`.
    pub kind: String,
    /// Each node of either, ordered by name; two recordings of one node each are compared whatever their names are.
    pub nodes: Vec<NodeDifference>,
}

/// What differs on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDifference {
    /// The node before; absent where only the other has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Recorded>,
    /// The node after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Recorded>,
    /// What differs, in the order of the document.
    pub changes: Vec<Change>,
}

/// Which snapshot stands on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Its node.
    pub node: NodeName,
    /// Its digest, as plans print it.
    pub digest: Digest,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What sort of difference.
    pub sort: ChangeSort,
    /// Where it stands in the first document, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_pointer: Option<String>,
    /// Where it stands in the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_pointer: Option<String>,
    /// What it is about: `SoC 0000:25:00.0`, `port 0000:24:00.0`, `host`.
    pub subject: String,
    /// Which fact of it, in words; empty where the subject itself came or went.
    pub field: String,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Before and after in words: `off -> on`.
    pub words: String,
}

/// What sort of difference.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ChangeSort {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, otherwise.
    Changed,
    /// The same value, read from somewhere else.
    Source,
}
