//! Hub-style checkpoint folders: a configuration, safetensors files, and every length in them checked before use.

pub mod config;
mod header;
pub mod identity;
mod json;
mod keys;
mod object;
mod rope;
pub mod tensors;
mod tied;

use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use tensors::{Dtype, Tensor, Tensors};

use crate::model::ModelShape;
use crate::regular;

/// A checkpoint folder whose configuration and tensor headers were read and checked; no weight was.
#[derive(Debug)]
pub struct Checkpoint {
    /// The folder.
    pub folder: PathBuf,
    /// The model.
    pub shape: ModelShape,
    /// What is odd in the configuration and changes no numbers.
    pub warnings: Vec<String>,
    /// Where every tensor lies.
    pub tensors: Tensors,
}

impl Checkpoint {
    /// Opens a folder.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        if !folder.is_dir() {
            return Err(CheckpointError::NoFolder {
                folder: folder.to_path_buf(),
            });
        }
        let config::Described { shape, warnings } = config::read(folder)?;
        let tensors = Tensors::open(folder)?;
        tensors.check(&shape)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            shape,
            warnings,
            tensors,
        })
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Another model is there than was declared.
    #[error(
        "{folder} holds another model than was declared: its digest is {found}, not {declared}; declare that one, or put the model there that is meant"
    )]
    Another {
        /// The folder.
        folder: PathBuf,
        /// The digest that was declared.
        declared: String,
        /// The digest of what is there.
        found: String,
    },
    /// There is no such folder.
    #[error(
        "{folder} is not a folder; give the folder that holds config.json and the safetensors files"
    )]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file that must be there is not.
    #[error("{path} is missing; {what}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it would hold, and what to do.
        what: &'static str,
    },
    /// A file is not JSON.
    #[error("{path} is not valid JSON; fetch it again")]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A file is JSON, and not what belongs there.
    #[error("{path} is JSON, but not of the shape that belongs there; fetch it again")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found, and what was expected.
        #[source]
        source: serde_json::Error,
    },
    /// A key of a file has two values.
    #[error("{path}: `{key}` stands there twice, with two values; remove the one that is wrong")]
    Repeated {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A configuration key has a value that cannot be.
    #[error("{path}: `{key}` is {found}, expected {expected}")]
    Value {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// The sizes of a configuration do not fit each other.
    #[error("{path}: {what}; no model of a supported family is like that")]
    Contradiction {
        /// The configuration.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A configuration key is not there.
    #[error(
        "{path}: `{key}` is missing; the folder is no complete checkpoint of a supported model"
    )]
    Key {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A configuration key asks for arithmetic that is not implemented.
    #[error(
        "{path}: `{key}` is {found}, which this runtime does not implement ({implemented}); use another checkpoint"
    )]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What is implemented.
        implemented: String,
    },
    /// A configuration key is not known.
    #[error(
        "{path}: `{key}` (= {found}) is not known to this runtime, and may change the numbers; \
         remove it if it is not part of the model's arithmetic, or use another checkpoint"
    )]
    Unknown {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        found: String,
    },
    /// A safetensors file contradicts itself or its length.
    #[error("{path}: {what}; the file is truncated or damaged: fetch it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit, with the numbers.
        what: String,
    },
    /// One tensor of a safetensors file contradicts itself or its file.
    #[error("{path}: tensor `{tensor}`: {what}; the file is truncated or damaged: fetch it again")]
    DamagedTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What does not fit, with the numbers.
        what: String,
    },
    /// A tensor has a type that is not read.
    #[error(
        "{path}: tensor `{tensor}` has type {found}; F32, F16 and BF16 are read: convert the checkpoint"
    )]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor that the model needs is not there.
    #[error(
        "{folder}: tensor `{tensor}` of shape {expected:?} is missing{}; fetch the checkpoint again, every file of it",
        and_others(others)
    )]
    MissingTensor {
        /// The checkpoint.
        folder: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape it must have.
        expected: Vec<u64>,
        /// What else is missing, by name.
        others: Vec<String>,
    },
    /// A tensor has another shape than the configuration implies.
    #[error(
        "{path}: tensor `{tensor}` has shape {found:?} and config.json implies {expected:?}; they are of different models"
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<u64>,
        /// The shape it must have.
        expected: Vec<u64>,
    },
    /// A tensor is there that the model does not have.
    #[error(
        "{path}: tensor `{tensor}` of shape {found:?} is not part of the model that config.json describes; it may change the numbers"
    )]
    Stray {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<u64>,
    },
    /// A tensor lies in a file of the index, which does not name it.
    #[error(
        "{index}: its weight_map leaves out tensor `{tensor}`, which is in {file}; fetch the index and its files again, \
         from one place"
    )]
    Unlisted {
        /// The index.
        index: PathBuf,
        /// The tensor.
        tensor: String,
        /// The file that holds it.
        file: PathBuf,
    },
    /// One tensor lies in two files.
    #[error(
        "tensor `{tensor}` is in {first} and in {second}; remove the file that does not belong to the checkpoint"
    )]
    Twice {
        /// The tensor.
        tensor: String,
        /// A file.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// The output head is said to be the embedding, and is there with numbers of its own.
    #[error(
        "{path}: tensor `lm_head.weight` differs from `model.embed_tokens.weight` at row {row}, and config.json says \
         that they are one (`tie_word_embeddings`); set that to false to use both, or remove the tensor"
    )]
    Untied {
        /// The file of the head.
        path: PathBuf,
        /// The first row that differs.
        row: u64,
    },
    /// A weight is infinite or not a number.
    #[error("{path}: tensor `{tensor}` holds {value} at row {row}; the checkpoint is broken")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its row.
        row: u64,
        /// The value.
        value: f32,
    },
}

impl CheckpointError {
    /// What is wrong with a file that does not parse.
    fn json(path: &Path, source: serde_json::Error) -> Self {
        let path = path.to_path_buf();
        if source.is_data() {
            Self::Content { path, source }
        } else {
            Self::Json { path, source }
        }
    }
}

/// Reads a whole small file.
fn read_small(path: &Path, missing: &'static str) -> Result<Vec<u8>, CheckpointError> {
    let read = || {
        let mut bytes = Vec::new();
        regular::open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(bytes),
        Err(error) if std::io::Error::kind(&error) == std::io::ErrorKind::NotFound => {
            Err(CheckpointError::Missing {
                path: path.to_path_buf(),
                what: missing,
            })
        }
        Err(source) => Err(CheckpointError::Read {
            path: path.to_path_buf(),
            source,
        }),
    }
}

/// What is missing beside the first tensor: five names, and how many more.
fn and_others(others: &[String]) -> String {
    const NAMED: usize = 5;
    let named = others.len().min(NAMED);
    let text = others[..named].join("`, `");
    match others.len() - named {
        _ if others.is_empty() => String::new(),
        0 => format!(", and so are `{text}`"),
        more => format!(", and so are `{text}` and {more} more"),
    }
}
