//! A worker, and what came to nothing, as `status` shows them, here and over the control socket.
use crd::{
    id::{NodeName, WorkerId},
    snapshot::WorkerState,
};
use serde::{Deserialize, Serialize};

/// One worker as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerReport {
    /// Which replica.
    pub id: WorkerId,
    /// The model's name.
    pub model: String,
    /// Its node.
    pub node: NodeName,
    /// Its state.
    pub state: WorkerState,
    /// Its address, once it listens.
    pub address: Option<String>,
    /// Its leading process.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// What it said last when it died; empty while it has not.
    pub why: String,
}

/// Something that came to nothing, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What, and why.
    pub why: String,
    /// When it is tried again, RFC 3339 in UTC; absent where it waits for something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
}
