//! The ledger of one node on disk.
use std::path::{Path, PathBuf};

use crd::snapshot::Ledger;

use super::{StateError, read_json, write_json};

/// The ledger's file in a node's folder.
fn file(node: &Path) -> PathBuf {
    node.join("ledger.json")
}

/// Reads a node's ledger; an empty one where nothing was ever changed. A damaged one is an error, never taken for empty:
/// it holds what `down` puts back.
pub fn read(node: &Path) -> Result<Ledger, StateError> {
    Ok(read_json(&file(node))?.unwrap_or_default())
}

/// Replaces a node's ledger, wholly or not at all.
pub fn write(node: &Path, ledger: &Ledger) -> Result<(), StateError> {
    write_json(&file(node), ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

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
