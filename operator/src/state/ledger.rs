//! The ledger of one node on disk, with a checksum over what it says: a flipped digit is still JSON.
use std::path::{Path, PathBuf};

use crd::snapshot::Ledger;
use serde_json::{Map, Value};

use super::{StateError, durable, read_json, write_json};

/// The checksum's key, beside the ledger's own.
const CHECKSUM: &str = "checksum";

/// The ledger's file in a node's folder.
fn file(node: &Path) -> PathBuf {
    node.join("ledger.json")
}

/// Reads a node's ledger; an empty one where nothing was ever changed. A damaged one is an error, never taken for empty:
/// it holds what `down` puts back; nor is one that is gone while a journal beside it tells of steps. One that an earlier
/// version wrote has no checksum, and is read as it stands.
pub fn read(node: &Path) -> Result<Ledger, StateError> {
    let path = file(node);
    let Some(mut kept) = read_json::<Map<String, Value>>(&path)? else {
        return if has_journal(node) {
            Err(StateError::Lost { path })
        } else {
            Ok(Ledger::default())
        };
    };
    let damaged = |why: String| StateError::Damaged {
        path: path.clone(),
        why,
    };
    let said = kept.remove(CHECKSUM);
    if said.is_none() && kept.is_empty() {
        return Err(damaged("it says nothing, and has no checksum".to_owned()));
    }
    let kept = Value::Object(kept);
    if said.is_some_and(|said| said.as_str() != Some(checksum(&kept).as_str())) {
        return Err(damaged("it is not what its checksum is of".to_owned()));
    }
    serde_json::from_value(kept).map_err(|error| damaged(error.to_string()))
}

/// Makes the ledger of a node that has none, before its journal has a record: from then on a journal alone tells that the
/// ledger was lost.
pub fn begin(node: &Path) -> Result<(), StateError> {
    if read(node)? == Ledger::default() && !file(node).exists() {
        write(node, &Ledger::default())?;
    }
    Ok(())
}

/// Whether a journal beside the ledger tells of steps.
fn has_journal(node: &Path) -> bool {
    std::fs::metadata(node.join("journal")).is_ok_and(|journal| journal.len() > 0)
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
    let sealed = sealed(ledger).map_err(|error| write(error.into()))?;
    let bytes = serde_json::to_vec_pretty(&sealed).map_err(|error| write(error.into()))?;
    durable::create(&path, &bytes).map_err(write)
}

/// Replaces a node's ledger, wholly or not at all.
pub fn write(node: &Path, ledger: &Ledger) -> Result<(), StateError> {
    let path = file(node);
    let sealed = sealed(ledger).map_err(|error| StateError::Write {
        path: path.clone(),
        source: error.into(),
    })?;
    write_json(&path, &sealed)
}

/// A ledger with its checksum.
fn sealed(ledger: &Ledger) -> serde_json::Result<Value> {
    let mut kept = serde_json::to_value(ledger)?;
    let sum = checksum(&kept);
    if let Value::Object(keys) = &mut kept {
        keys.insert(CHECKSUM.to_owned(), Value::String(sum));
    }
    Ok(kept)
}

fn checksum(kept: &Value) -> String {
    format!("b3:{}", blake3::hash(kept.to_string().as_bytes()).to_hex())
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

    #[test]
    fn a_ledger_that_is_gone_is_told_by_the_journal_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        begin(folder.path()).unwrap();
        std::fs::write(folder.path().join("journal"), "a record").unwrap();
        assert_eq!(read(folder.path()).unwrap(), Ledger::default());
        begin(folder.path()).unwrap();
        std::fs::write(file(folder.path()), "{}").unwrap();
        let damaged = read(folder.path()).unwrap_err();
        assert!(matches!(damaged, StateError::Damaged { .. }));
        std::fs::remove_file(file(folder.path())).unwrap();
        let lost = begin(folder.path()).unwrap_err();
        assert!(matches!(lost, StateError::Lost { .. }));
        assert!(matches!(read(folder.path()), Err(StateError::Lost { .. })));
    }

    #[test]
    fn a_changed_digit_is_found_and_an_earlier_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let plain = r#"{"entries":[],"groups":[],"identities":[{"address":"0000:25:00.0","path":"0000:20:01.0/00.0","serial":"0x1"}]}"#;
        std::fs::write(file(folder.path()), plain).unwrap();
        let ledger = read(folder.path()).unwrap();
        assert_eq!(ledger.identities.len(), 1);
        write(folder.path(), &ledger).unwrap();
        assert_eq!(read(folder.path()).unwrap(), ledger);
        let text = std::fs::read_to_string(file(folder.path())).unwrap();
        let flipped = text.replace("0000:25:00.0", "0000:26:00.0");
        std::fs::write(file(folder.path()), flipped).unwrap();
        assert!(matches!(
            read(folder.path()),
            Err(StateError::Damaged { .. })
        ));
    }
}
