//! The ledger of one node on disk.
use std::path::{Path, PathBuf};

use crd::snapshot::Ledger;

use super::{StateError, durable, read_json, write_json};

/// The ledger's file in a node's folder.
fn file(node: &Path) -> PathBuf {
    node.join("ledger.json")
}

/// Reads a node's ledger; an empty one where nothing was ever changed. A damaged one is an error, never taken for empty:
/// it holds what `down` puts back.
pub fn read(node: &Path) -> Result<Ledger, StateError> {
    Ok(read_json(&file(node))?.unwrap_or_default())
}

/// Gives a node that has no ledger yet the one that it brings; one that it has stays, whoever wrote it.
pub fn bring(node: &Path, ledger: &Ledger) -> Result<(), StateError> {
    let path = file(node);
    if path.exists() {
        return Ok(());
    }
    let write = |source| StateError::Write {
        path: path.clone(),
        source,
    };
    durable::make_folder(node).map_err(write)?;
    let bytes = serde_json::to_vec_pretty(ledger).map_err(|error| write(error.into()))?;
    durable::create(&path, &bytes).map_err(write)
}

/// Replaces a node's ledger, wholly or not at all.
pub fn write(node: &Path, ledger: &Ledger) -> Result<(), StateError> {
    write_json(&file(node), ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brought_ledger_never_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("node");
        let brought: Ledger = serde_json::from_value(serde_json::json!({
            "identities": [{ "address": "0000:25:00.0", "path": "p", "serial": "1" }],
        }))
        .unwrap();
        bring(&node, &brought).unwrap();
        assert_eq!(read(&node).unwrap(), brought);
        write(&node, &Ledger::default()).unwrap();
        bring(&node, &brought).unwrap();
        assert_eq!(read(&node).unwrap(), Ledger::default());
    }

    #[test]
    fn a_damaged_ledger_is_never_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), Ledger::default());
        write(folder.path(), &Ledger::default()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Ledger::default());
        std::fs::write(file(folder.path()), "{").unwrap();
        assert!(matches!(
            read(folder.path()),
            Err(StateError::Damaged { .. })
        ));
    }
}
