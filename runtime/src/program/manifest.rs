//! `program.json`: what a program directory says about itself, and how that is checked.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{PACK_FORMAT, Precision, for_cards};
use crate::model::ModelShape;
use crate::{hashed, regular};

/// Name of the manifest inside a program directory.
pub const MANIFEST: &str = "program.json";
/// A manifest larger than this is not ours.
const MANIFEST_LIMIT: u64 = 16 << 20;

/// One file of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramFile {
    /// Name inside the directory; never a path.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of the content, in hex.
    pub blake3: String,
}

/// What a program directory says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Layout of the slice files.
    pub pack_format: u32,
    /// Version of the builder.
    pub builder: String,
    /// The key under which the program was asked for, where one was given.
    pub key: Option<String>,
    /// BLAKE3 over the checkpoint's configuration and weights, where no key was given.
    pub source: Option<String>,
    /// The model.
    pub shape: ModelShape,
    /// How weights are stored.
    pub precision: Precision,
    /// Number of slices.
    pub shards: u32,
    /// Columns of one summed block of the attention output projection.
    pub attention_block: u32,
    /// Columns of one summed block of the MLP's down projection.
    pub mlp_block: u32,
    /// Slice files, in rank order.
    pub slices: Vec<ProgramFile>,
    /// Files copied from the checkpoint.
    pub copies: Vec<ProgramFile>,
}

/// Why a program directory cannot be used.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// A file could not be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The directory has no manifest.
    #[error(
        "{directory} is not a program: it has no {MANIFEST}; build one with `shardplane-worker build`"
    )]
    NotAProgram {
        /// The directory.
        directory: PathBuf,
    },
    /// It is a program, but for cards.
    #[error(
        "{path} is a program for target AI100: cards run it, and this worker serves programs for target CPU alone"
    )]
    ForCards {
        /// The container, or a folder with it.
        path: PathBuf,
    },
    /// It stands for a program for cards on a virtual rack.
    #[error(
        "{path} is what a virtual rack's compiler leaves for target AI100: a marker in the place of a program, which \
         nobody can serve, and this worker serves programs for target CPU alone"
    )]
    Marker {
        /// The container, or a folder with it.
        path: PathBuf,
    },
    /// The manifest does not parse.
    #[error("{path} is not a manifest of ours; build the program again")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest contradicts itself.
    #[error("{path} contradicts itself: {what}; build the program again")]
    Contradiction {
        /// The manifest.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The program was packed by another version.
    #[error(
        "{directory} has pack format {found}, and this worker reads {PACK_FORMAT}; build the program again"
    )]
    Format {
        /// The directory.
        directory: PathBuf,
        /// The format found.
        found: u64,
    },
    /// A file of the program is not there.
    #[error("{path} is missing: it {purpose}; build the program again")]
    Gone {
        /// The file.
        path: PathBuf,
        /// What it is for.
        purpose: &'static str,
    },
    /// A file has another length than the manifest says.
    #[error(
        "{path} has {found} bytes and the manifest says {expected}: the file was changed; build the program again"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes on disk.
        found: u64,
    },
    /// A file has other content than the manifest says.
    #[error(
        "{path} has hash {found} and the manifest says {expected}: the file was changed; build the program again"
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// Hash in the manifest.
        expected: String,
        /// Hash on disk.
        found: String,
    },
}

impl Manifest {
    /// Reads and checks the manifest of a program directory, and the length of every file it names.
    pub fn read(directory: &Path) -> Result<Self, ProgramError> {
        let path = directory.join(MANIFEST);
        let mut file = match regular::open(&path) {
            Ok(file) => file.take(MANIFEST_LIMIT),
            Err(source) => {
                for_cards::refuse(directory)?;
                return Err(match source.kind() {
                    std::io::ErrorKind::NotFound => ProgramError::NotAProgram {
                        directory: directory.to_path_buf(),
                    },
                    _ => ProgramError::Read { path, source },
                });
            }
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|source| ProgramError::Read {
                path: path.clone(),
                source,
            })?;
        // The format is looked at first: another version's manifest has other fields.
        let loose: serde_json::Value =
            serde_json::from_slice(&text).map_err(|source| ProgramError::Manifest {
                path: path.clone(),
                source,
            })?;
        let format = loose
            .get("packFormat")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        if format != u64::from(PACK_FORMAT) {
            return Err(ProgramError::Format {
                directory: directory.to_path_buf(),
                found: format,
            });
        }
        let manifest: Self =
            serde_json::from_value(loose).map_err(|source| ProgramError::Manifest {
                path: path.clone(),
                source,
            })?;
        manifest.check(directory, path)?;
        Ok(manifest)
    }

    /// Writes the manifest into a program directory; fails with the path.
    pub(super) fn write(&self, directory: &Path) -> Result<(), (PathBuf, std::io::Error)> {
        let path = directory.join(MANIFEST);
        let write = || {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            std::fs::write(&path, text)
        };
        write().map_err(|error| (path.clone(), error))
    }

    /// In what `found` is another program than the one described, its files aside.
    pub(super) fn difference(&self, found: &Self) -> Option<String> {
        let Self {
            pack_format: _,
            builder: _,
            key,
            source,
            shape,
            precision,
            shards,
            attention_block,
            mlp_block,
            slices: _,
            copies: _,
        } = self;
        let name = |key: &Option<String>| key.clone().unwrap_or_else(|| "none".to_owned());
        if found.key != *key {
            return Some(format!("key {}, wanted {}", name(&found.key), name(key)));
        }
        if found.shards != *shards || found.precision != *precision {
            let (now, then) = (
                format!("{shards} × {precision:?}"),
                format!("{} × {:?}", found.shards, found.precision),
            );
            return Some(format!("{then}, wanted {now}"));
        }
        if found.shape != *shape
            || found.attention_block != *attention_block
            || found.mlp_block != *mlp_block
        {
            return Some("a model of another shape".to_owned());
        }
        (found.source != *source).then(|| "made from other weights".to_owned())
    }

    fn check(&self, directory: &Path, path: PathBuf) -> Result<(), ProgramError> {
        if self.slices.len() != self.shards as usize {
            let what = format!("{} shards and {} slices", self.shards, self.slices.len());
            return Err(ProgramError::Contradiction { path, what });
        }
        if let Err(what) = self.shape.check() {
            return Err(ProgramError::Contradiction { path, what });
        }
        let slices = match super::can_slice(&self.shape, self.shards) {
            Ok(slices) => slices,
            Err(refusal) => {
                let what = refusal.to_string();
                return Err(ProgramError::Contradiction { path, what });
            }
        };
        if (slices.attention_block, slices.mlp_block) != (self.attention_block, self.mlp_block) {
            let what = format!("blocks of {} and {}", self.attention_block, self.mlp_block);
            return Err(ProgramError::Contradiction { path, what });
        }
        let layouts = super::layout::layouts(&self.shape, &slices, self.precision);
        for (slice, layout) in self.slices.iter().zip(&layouts) {
            if slice.bytes != layout.bytes {
                let what = format!(
                    "{} of {} bytes where its layout takes {}",
                    slice.name, slice.bytes, layout.bytes
                );
                return Err(ProgramError::Contradiction { path, what });
            }
        }
        for file in self.slices.iter().chain(&self.copies) {
            if file.name.is_empty() || file.name.contains('/') || file.name.starts_with('.') {
                return Err(ProgramError::Contradiction {
                    path,
                    what: format!("file name {:?}", file.name),
                });
            }
            let named = directory.join(&file.name);
            let found = match std::fs::metadata(&named) {
                Ok(found) => found.len(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let purpose = file.purpose();
                    return Err(ProgramError::Gone {
                        path: named,
                        purpose,
                    });
                }
                Err(source) => {
                    return Err(ProgramError::Read {
                        path: named,
                        source,
                    });
                }
            };
            if found != file.bytes {
                return Err(ProgramError::Length {
                    path: named,
                    expected: file.bytes,
                    found,
                });
            }
        }
        self.copies
            .iter()
            .try_for_each(|file| file.verify(directory, &|| false).map(drop))
    }

    /// Hashes every file. `false` where `stop` said so first.
    pub fn verify(&self, directory: &Path, stop: &dyn Fn() -> bool) -> Result<bool, ProgramError> {
        for file in self.slices.iter().chain(&self.copies) {
            if !file.verify(directory, stop)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl ProgramFile {
    /// Reads a file of `directory` and describes it; none where `stop` said so first.
    pub fn describe(
        directory: &Path,
        name: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, ProgramError> {
        let path = directory.join(name);
        let read = |source| ProgramError::Read {
            path: path.clone(),
            source,
        };
        let mut hasher = blake3::Hasher::new();
        let length = hashed::hash(&path, &mut hasher, stop).map_err(read)?;
        Ok(length.map(|bytes| Self {
            name: name.to_owned(),
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        }))
    }

    /// What the file is for.
    fn purpose(&self) -> &'static str {
        match self.name.as_str() {
            "tokenizer.json" => "turns text into tokens and back",
            "config.json" => "says what model it is",
            "tokenizer_config.json" | "special_tokens_map.json" | "added_tokens.json" => {
                "names the special tokens"
            }
            "chat_template.jinja" => "makes a prompt of a conversation",
            "generation_config.json" => "says how the model is best sampled",
            _ => "holds the weights of one rank",
        }
    }

    /// Hashes the file. `false` where `stop` said so first.
    pub(super) fn verify(
        &self,
        directory: &Path,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool, ProgramError> {
        let Some(Self {
            name: _,
            bytes,
            blake3,
        }) = Self::describe(directory, &self.name, stop)?
        else {
            return Ok(false);
        };
        let path = directory.join(&self.name);
        if bytes != self.bytes {
            return Err(ProgramError::Length {
                path,
                expected: self.bytes,
                found: bytes,
            });
        }
        if blake3 != self.blake3 {
            return Err(ProgramError::Hash {
                path,
                expected: self.blake3.clone(),
                found: blake3,
            });
        }
        Ok(true)
    }
}
