//! The state directory: what outlives a run, and where each piece lies.
//!
//! `engine.lock` (who works here), `control.sock` (how to reach them), `<room>/<node>/journal` and `ledger.json`,
//! `<room>/left.json` (what was carried out last), `programs/` (compiled models by key), `models.json` (digests already computed), `workers.json`, `logs/`.
pub(crate) mod attempts;
mod beside;
pub mod durable;
pub mod frame;
pub mod journal;
pub mod ledger;
pub mod left;
pub mod lock;
pub mod models;
pub mod programs;
pub mod workers;

use std::{
    io,
    path::{Path, PathBuf},
};

use crd::id::NodeName;
use machine::opened;

pub use journal::{Journal, JournalError};
pub use lock::{EngineLock, LockError, LockHolder};

/// A file of the state directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It could not be written.
    #[error("writing {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It could not be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It does not hold what we wrote.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A node's ledger is not there, though its journal tells of steps.
    #[error("{path} is gone, and the journal beside it tells of steps that were carried out")]
    Lost {
        /// Where the ledger was.
        path: PathBuf,
    },
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
    room: PathBuf,
}

impl StateDir {
    /// The state directory at `root` for the room `room`; nothing is made yet.
    pub fn new(root: &Path, room: &str) -> Self {
        Self {
            root: root.to_owned(),
            room: root.join(room),
        }
    }

    /// Makes the folders that a run writes to.
    pub fn make(&self) -> Result<(), StateError> {
        for folder in [
            self.root.clone(),
            self.room.clone(),
            self.programs(),
            self.logs(),
        ] {
            durable::make_folder(&folder).map_err(|source| StateError::Write {
                path: folder.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one node, made when it is missing.
    pub fn node(&self, node: &NodeName) -> Result<PathBuf, StateError> {
        let folder = self.node_folder(node);
        durable::make_folder(&folder).map_err(|source| StateError::Write {
            path: folder.clone(),
            source,
        })?;
        Ok(folder)
    }

    /// The folder of one node, which may be missing.
    pub fn node_folder(&self, node: &NodeName) -> PathBuf {
        self.room.join(node.as_str())
    }

    /// Compiled programs, by key.
    pub fn programs(&self) -> PathBuf {
        self.root.join("programs")
    }

    /// What workers say on standard error.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Digests of models, already computed.
    pub fn models(&self) -> PathBuf {
        self.root.join("models.json")
    }

    /// Workers that were started and not seen to end.
    pub fn workers(&self) -> PathBuf {
        self.root.join("workers.json")
    }
}

/// Reads a JSON file; `None` where there is none.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<Option<T>, StateError> {
    let bytes = match opened::whole(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StateError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| StateError::Damaged {
            path: path.to_owned(),
            why: error.to_string(),
        })
}

/// Replaces a JSON file, wholly or not at all.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let write = |source| StateError::Write {
        path: path.to_owned(),
        source,
    };
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| write(io::Error::other(e)))?;
    text.push(b'\n');
    durable::replace(path, &text).map_err(write)
}
