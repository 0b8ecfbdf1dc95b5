//! What `-f` declares, typed, each field still knowing the line it came from.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::ObjectRef,
    kind::{CardPolicySpec, ModelBuildSpec, P2PGroupSpec, ShardedModelSpec},
};

/// A place in a declared file. Lines and columns count from 1, columns in characters; `byte` counts from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The file's label as given, `-` for standard input.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Offset of the first byte.
    pub byte: u64,
    /// Bytes covered.
    pub length: u64,
}

/// One declared object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared<S> {
    /// Kind, namespace and name.
    pub object: ObjectRef,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The specification.
    pub spec: S,
    /// Where each value stands, by JSON pointer from the document's root (`/spec/size`); `""` is the document.
    #[serde(default)]
    pub spans: BTreeMap<String, Span>,
}

impl<S> Declared<S> {
    /// Where `pointer` stands, or the nearest declared value that encloses it.
    pub fn span(&self, pointer: &str) -> Option<&Span> {
        let mut at = pointer;
        loop {
            if let Some(span) = self.spans.get(at) {
                return Some(span);
            }
            at = &at[..at.rfind('/')?];
        }
    }
}

/// The whole of what is declared, each list ordered by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// Card policies.
    #[serde(default)]
    pub policies: Vec<Declared<CardPolicySpec>>,
    /// P2P groups.
    #[serde(default)]
    pub groups: Vec<Declared<P2PGroupSpec>>,
    /// Model builds.
    #[serde(default)]
    pub builds: Vec<Declared<ModelBuildSpec>>,
    /// Sharded models.
    #[serde(default)]
    pub models: Vec<Declared<ShardedModelSpec>>,
}
