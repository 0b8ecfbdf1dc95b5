//! The newest grant that was taken up, durable on the node: it must hold after any crash that no older one follows.
use std::path::{Path, PathBuf};

use super::admit::Taken;
use crate::state::{StateError, durable};

fn file(node: &Path) -> PathBuf {
    node.join("grant.json")
}

/// Reads it; `None` where none was ever taken up. A damaged file is an error, never taken for none.
pub fn read(node: &Path) -> Result<Option<Taken>, StateError> {
    crate::state::read_json(&file(node))
}

/// Replaces it, durably.
pub fn write(node: &Path, taken: &Taken) -> Result<(), StateError> {
    durable::make_folder(node).map_err(|source| StateError::Write {
        path: node.to_owned(),
        source,
    })?;
    crate::state::write_json(&file(node), taken)
}
