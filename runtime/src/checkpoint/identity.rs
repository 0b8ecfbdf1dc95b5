//! Which model a folder holds: one digest over the files that decide what it says, as `shardplane` computes and declares it.

use std::fs::read_dir;
use std::path::{Path, PathBuf};

use super::CheckpointError;
use crate::hashed;

/// Files that decide what a model says, by their endings; a README or a licence does not.
const TELLING: [&str; 5] = ["json", "safetensors", "jinja", "model", "txt"];

/// Reads the whole of a checkpoint, and refuses it where its digest is not the declared one. `false` where `stop` said so
/// first.
pub fn is(folder: &Path, declared: &str, stop: &dyn Fn() -> bool) -> Result<bool, CheckpointError> {
    let Some(found) = digest(folder, stop)? else {
        return Ok(false);
    };
    if found == declared {
        return Ok(true);
    }
    Err(CheckpointError::Another {
        folder: folder.to_path_buf(),
        declared: declared.to_owned(),
        found,
    })
}

/// The digest; none where `stop` said so before it was computed.
fn digest(folder: &Path, stop: &dyn Fn() -> bool) -> Result<Option<String>, CheckpointError> {
    let mut all = blake3::Hasher::new();
    for (name, path) in telling(folder)? {
        let read = |source| CheckpointError::Read {
            path: path.clone(),
            source,
        };
        let mut one = blake3::Hasher::new();
        let Some(size) = hashed::hash(&path, &mut one, stop).map_err(read)? else {
            return Ok(None);
        };
        let hash = one.finalize().to_hex();
        // Names and lengths are hashed with the contents, so that nothing can be moved between files.
        all.update(format!("{}:{name}:{size}:{hash}\n", name.len()).as_bytes());
    }
    Ok(Some(format!("b3:{}", all.finalize().to_hex())))
}

/// The telling files of a folder, by name.
fn telling(folder: &Path) -> Result<Vec<(String, PathBuf)>, CheckpointError> {
    let read = |source| CheckpointError::Read {
        path: folder.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
            continue;
        };
        let tells = path
            .extension()
            .is_some_and(|ending| TELLING.iter().any(|telling| ending == *telling));
        if tells && !name.starts_with('.') && path.is_file() {
            files.push((name.into_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `shardplane` declares of the same folder, held against the example by a test of its own too.
    #[test]
    fn the_digest_is_the_one_that_is_declared() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let declared = std::fs::read_to_string(examples.join("quickstart/cluster/model.yaml"))
            .unwrap()
            .lines()
            .find_map(|line| line.trim().strip_prefix("digest: ").map(str::to_owned))
            .expect("the quickstart declares a digest");
        let model = examples.join("models/tiny-guide");
        assert!(is(&model, &declared, &|| false).unwrap());
        assert!(!is(&model, &declared, &|| true).unwrap());
        let other = format!("b3:{}", "0".repeat(64));
        let said = is(&model, &other, &|| false).unwrap_err().to_string();
        for part in [declared.as_str(), other.as_str(), "tiny-guide"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_byte_a_name_and_a_place_all_tell() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let now = || digest(folder.path(), &|| false).unwrap().unwrap();
        std::fs::write(at("config.json"), "{}").unwrap();
        let first = now();
        std::fs::write(at("README.md"), "words").unwrap();
        assert_eq!(now(), first);
        std::fs::write(at("config.json"), "{ }").unwrap();
        let second = now();
        std::fs::rename(at("config.json"), at("konfig.json")).unwrap();
        let third = now();
        assert!(first != second && second != third && first != third);
    }
}
