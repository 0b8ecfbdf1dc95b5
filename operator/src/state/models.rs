//! Digests of models: BLAKE3 over a checkpoint's files, remembered by path, size, time and inode.
use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crd::id::Digest;
use machine::opened::{self, For};
use serde::{Deserialize, Serialize};

use super::{StateError, beside::Places, read_json, write_json};

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
    /// Places of further files that it names; not known of one that an older version hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beside: Option<Vec<String>>,
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
        let Files { mut queue, alone } = files(model).ok()?;
        let mut hashes = Vec::new();
        while let Some((name, path)) = queue.pop_front() {
            let hashed = self.files.get(&fs::canonicalize(&path).ok()?)?;
            hashed.is(&fs::metadata(&path).ok()?).then_some(())?;
            if alone && hashes.is_empty() {
                queue.extend(beside(model, hashed.beside.as_ref()?));
            }
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
        let Files { mut queue, alone } = files(model)?;
        let mut hashes = Vec::new();
        while let Some((name, path)) = queue.pop_front() {
            let names_others = alone && hashes.is_empty();
            let unreadable = |source| ModelError::Unreadable {
                path: path.clone(),
                source,
            };
            let real = fs::canonicalize(&path).map_err(unreadable)?;
            let now = fs::metadata(&path).map_err(unreadable)?;
            let hashed = match self.files.get(&real) {
                Some(hashed) if hashed.is(&now) && (hashed.beside.is_some() || !names_others) => {
                    hashed.clone()
                }
                Some(_) | None => {
                    let mut places = names_others.then(Places::default);
                    let blake3 = hash(&path, places.as_mut(), &is_stopped).map_err(unreadable)?;
                    let stopped = || ModelError::Stopped {
                        path: model.to_owned(),
                    };
                    Hashed {
                        size: now.len(),
                        mtime_ns: mtime_ns(&now),
                        inode: now.ino(),
                        blake3: blake3.ok_or_else(stopped)?,
                        beside: places.map(Places::end),
                    }
                }
            };
            if names_others {
                queue.extend(beside(model, hashed.beside.iter().flatten()));
            }
            hashes.push((name, hashed.size, hashed.blake3.clone()));
            self.files.insert(real, hashed);
        }
        Ok(combine(&hashes))
    }
}

/// The files that make up a model, by name.
struct Files {
    queue: VecDeque<(String, PathBuf)>,
    /// Whether the model is a file, which may name others.
    alone: bool,
}

/// Files that a model's own file names, each by its place as it stands there, which is meant from the file's folder.
fn beside<'a>(
    model: &Path,
    places: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = (String, PathBuf)> {
    let folder = model.parent().unwrap_or(Path::new("")).to_owned();
    let files = places
        .into_iter()
        .map(move |place| (place.clone(), folder.join(place)));
    files.collect::<Vec<_>>().into_iter()
}

/// The file itself, or a folder's telling files.
fn files(model: &Path) -> Result<Files, ModelError> {
    let unreadable = |source| ModelError::Unreadable {
        path: model.to_owned(),
        source,
    };
    if fs::metadata(model).map_err(unreadable)?.is_file() {
        return Ok(Files {
            queue: VecDeque::from([("model".to_owned(), model.to_owned())]),
            alone: true,
        });
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
    Ok(Files {
        queue: files.into(),
        alone: false,
    })
}

fn mtime_ns(metadata: &Metadata) -> String {
    format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec())
}

/// Nothing where it was stopped. What is read is looked through for places of other files.
fn hash(
    path: &Path,
    mut places: Option<&mut Places>,
    is_stopped: impl Fn() -> bool,
) -> io::Result<Option<String>> {
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
                if let Some(places) = &mut places {
                    places.look(&chunk[..read]);
                }
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

    /// An ONNX file and its weights are one model, and each of several such files another.
    #[test]
    fn weights_beside_a_file_are_the_models() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let naming = |place: &str| {
            let length = u8::try_from(place.len()).unwrap();
            [
                b"graph\x0a\x08location\x12".as_slice(),
                &[length],
                place.as_bytes(),
            ]
            .concat()
        };
        fs::create_dir(at("parts")).unwrap();
        let two = [naming("m.onnx.data"), naming("parts/b")].concat();
        fs::write(at("m.onnx"), two).unwrap();
        fs::write(at("other"), "nobody's").unwrap();
        let model = at("m.onnx");
        let mut digests = ModelDigests::default();
        let lacking = digests.compute(&model, || false).unwrap_err();
        assert!(lacking.to_string().ends_with("m.onnx.data"), "{lacking}");
        for name in ["m.onnx.data", "parts/b"] {
            fs::write(at(name), "1").unwrap();
        }
        let first = digests.compute(&model, || false).unwrap();
        assert_eq!(digests.remembered(&model), Some(first.clone()));
        fs::write(at("other"), "is nobody's still").unwrap();
        assert_eq!(digests.remembered(&model), Some(first.clone()));
        for name in ["m.onnx.data", "parts/b"] {
            fs::write(at(name), "22").unwrap();
            assert_eq!(digests.remembered(&model), None, "{name}");
            assert_ne!(digests.compute(&model, || false).unwrap(), first, "{name}");
            fs::write(at(name), "1").unwrap();
        }
        assert_eq!(digests.compute(&model, || false).unwrap(), first);
        // As a version left it that looked for none.
        for hashed in digests.files.values_mut() {
            hashed.beside = None;
        }
        assert_eq!(digests.remembered(&model), None);
        assert_eq!(digests.compute(&model, || false).unwrap(), first);
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
