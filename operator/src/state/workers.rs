//! Workers that were started and not yet seen to end, so that a killed supervisor's are recognised.
use std::path::Path;

use crd::{
    id::{BootId, NodeName, WorkerId},
    snapshot::PresentWorker,
};
use serde::{Deserialize, Serialize};

use super::{StateError, read_json, write_json};

/// One process of ours: pid alone would be somebody else's one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks since boot, as the kernel tells it.
    pub start_ticks: u64,
    /// The boot it started in: of the machine that runs us, not of a rack's server.
    pub boot_id: BootId,
}

/// A worker that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedWorker {
    /// Which replica.
    pub id: WorkerId,
    /// The node it was started for.
    pub node: NodeName,
    /// Its leading process.
    pub process: ProcessIdentity,
    /// Its processes, ranks included, once it has told them.
    #[serde(default)]
    pub pids: Vec<u32>,
    /// What it serves and holds; absent in a record of an earlier version.
    #[serde(default)]
    pub present: Option<PresentWorker>,
}

/// Reads the record; empty where there is none.
pub fn read(path: &Path) -> Result<Vec<RecordedWorker>, StateError> {
    Ok(read_json(path)?.unwrap_or_default())
}

/// Replaces the record.
pub fn write(path: &Path, workers: &[RecordedWorker]) -> Result<(), StateError> {
    write_json(path, &workers)
}
