//! Digests of models: BLAKE3 over a checkpoint's files, remembered by path, size, time and inode.
use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crd::id::Digest;
use machine::opened::{self, For};
use serde::{Deserialize, Serialize};

use super::{StateError, read_json, write_json};

/// Files of a checkpoint folder that decide what the model says; a README or a licence does not.
const TELLING: [&str; 5] = ["json", "safetensors", "jinja", "model", "txt"];

/// Why a model has no digest.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is not there, or cannot be read.
    #[error("reading the model {path}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Somebody asked for a stop while it was read.
    #[error("reading the model {path} was stopped")]
    Stopped {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder without a single file of a checkpoint.
    #[error("{path} holds no checkpoint (no .safetensors or .json file)")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// One file as it was when it was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hashed {
    size: u64,
    mtime_ns: String,
    inode: u64,
    blake3: String,
}

impl Hashed {
    fn is(&self, now: &Metadata) -> bool {
        self.size == now.len() && self.inode == now.ino() && self.mtime_ns == mtime_ns(now)
    }
}

/// Digests already computed, by absolute path of each file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ModelDigests {
    files: BTreeMap<PathBuf, Hashed>,
}

impl ModelDigests {
    /// Reads what is remembered. A damaged file is forgotten: everything in it can be computed again.
    pub fn read(path: &Path) -> Self {
        read_json(path).ok().flatten().unwrap_or_default()
    }

    /// Writes what is remembered.
    pub fn write(&self, path: &Path) -> Result<(), StateError> {
        write_json(path, self)
    }

    /// The digest of a model where every file is as it was when it was hashed.
    pub fn remembered(&self, model: &Path) -> Option<Digest> {
        let files = files(model).ok()?;
        let mut hashes = Vec::new();
        for (name, path) in files {
            let hashed = self.files.get(&fs::canonicalize(&path).ok()?)?;
            hashed.is(&fs::metadata(&path).ok()?).then_some(())?;
            hashes.push((name, hashed.size, hashed.blake3.clone()));
        }
        Some(combine(&hashes))
    }

    /// The digest of a model, reading the files that are not as they were, which takes as long as they are large. What was
    /// read whole before somebody asked for a stop is remembered.
    pub fn compute(
        &mut self,
        model: &Path,
        is_stopped: impl Fn() -> bool,
    ) -> Result<Digest, ModelError> {
        let mut hashes = Vec::new();
        for (name, path) in files(model)? {
            let unreadable = |source| ModelError::Unreadable {
                path: path.clone(),
                source,
            };
            let real = fs::canonicalize(&path).map_err(unreadable)?;
            let now = fs::metadata(&path).map_err(unreadable)?;
            let hashed = match self.files.get(&real) {
                Some(hashed) if hashed.is(&now) => hashed.clone(),
                Some(_) | None => Hashed {
                    size: now.len(),
                    mtime_ns: mtime_ns(&now),
                    inode: now.ino(),
                    blake3: hash(&path, &is_stopped)
                        .map_err(unreadable)?
                        .ok_or_else(|| ModelError::Stopped {
                            path: model.to_owned(),
                        })?,
                },
            };
            hashes.push((name, hashed.size, hashed.blake3.clone()));
            self.files.insert(real, hashed);
        }
        Ok(combine(&hashes))
    }
}

/// The files that make up a model, by name: the file itself, or a folder's telling files.
fn files(model: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    let unreadable = |source| ModelError::Unreadable {
        path: model.to_owned(),
        source,
    };
    if fs::metadata(model).map_err(unreadable)?.is_file() {
        return Ok(vec![("model".to_owned(), model.to_owned())]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(model).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let telling = path
            .extension()
            .is_some_and(|ext| TELLING.iter().any(|t| ext == *t));
        if telling && !name.starts_with('.') && path.is_file() {
            files.push((name, path));
        }
    }
    if files.is_empty() {
        return Err(ModelError::Empty {
            path: model.to_owned(),
        });
    }
    files.sort();
    Ok(files)
}

fn mtime_ns(metadata: &Metadata) -> String {
    format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec())
}

/// Nothing where it was stopped.
fn hash(path: &Path, is_stopped: impl Fn() -> bool) -> io::Result<Option<String>> {
    let mut file = opened::regular(path, For::Reading)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        if is_stopped() {
            return Ok(None);
        }
        match file.read(&mut chunk)? {
            0 => return Ok(Some(hasher.finalize().to_hex().to_string())),
            read => {
                hasher.update(&chunk[..read]);
            }
        }
    }
}

/// One digest over all files: names and lengths are hashed with the contents, so that nothing can be moved between them.
fn combine(files: &[(String, u64, String)]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (name, size, hash) in files {
        hasher.update(format!("{}:{name}:{size}:{hash}\n", name.len()).as_bytes());
    }
    Digest(format!("b3:{}", hasher.finalize().to_hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_remembered_until_a_telling_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("config.json"), "{}").unwrap();
        fs::write(at("README.md"), "one").unwrap();
        let mut digests = ModelDigests::default();
        assert_eq!(digests.remembered(folder.path()), None);
        let first = digests.compute(folder.path(), || false).unwrap();
        assert_eq!(digests.remembered(folder.path()), Some(first.clone()));
        fs::write(at("README.md"), "two").unwrap();
        assert_eq!(digests.remembered(folder.path()), Some(first.clone()));
        fs::write(at("config.json"), "{ }").unwrap();
        assert_eq!(digests.remembered(folder.path()), None);
        assert_ne!(digests.compute(folder.path(), || false).unwrap(), first);
    }

    #[test]
    fn what_was_read_before_a_stop_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let looks = std::cell::Cell::new(0);
        // Each small file takes two looks.
        let stopped_at = |look| {
            looks.set(0);
            let looks = &looks;
            move || {
                looks.set(looks.get() + 1);
                looks.get() > look
            }
        };
        for name in ["config.json", "tokenizer.json"] {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        let mut digests = ModelDigests::default();
        let stopped = digests.compute(folder.path(), stopped_at(2)).unwrap_err();
        assert!(matches!(stopped, ModelError::Stopped { .. }), "{stopped}");
        let whole = digests.compute(folder.path(), stopped_at(2)).unwrap();
        assert_eq!(
            whole,
            ModelDigests::default()
                .compute(folder.path(), || false)
                .unwrap()
        );
    }

    #[test]
    fn the_same_files_elsewhere_have_the_same_digest() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &other] {
            fs::write(folder.path().join("config.json"), "{}").unwrap();
        }
        let digest = |folder: &Path| ModelDigests::default().compute(folder, || false).unwrap();
        assert_eq!(digest(one.path()), digest(other.path()));
    }
}
