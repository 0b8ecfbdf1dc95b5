//! Safetensors files: where every tensor lies, and reading rows of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::header::read_header;
use super::{CheckpointError, json, read_small};
use crate::model::ModelShape;
use crate::regular;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
}

impl Dtype {
    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Where a tensor lies. Its numbers are `shape` in row-major order, little endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Index into the files.
    pub(super) file: usize,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub shape: Vec<u64>,
    /// Byte offset in the file.
    pub(super) offset: u64,
}

/// Every tensor of a checkpoint.
#[derive(Debug)]
pub struct Tensors {
    folder: PathBuf,
    files: Vec<(PathBuf, File)>,
    by_name: BTreeMap<String, Tensor>,
}

impl Tensors {
    /// Reads and checks the headers of a checkpoint's files: the single one, or those that the index names.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let mut all = Self {
            folder: folder.to_path_buf(),
            files: Vec::new(),
            by_name: BTreeMap::new(),
        };
        let index = folder.join(INDEX);
        // Where both are there, the index is what a merge left behind: other readers take the single file too.
        if !index.exists() || folder.join(SINGLE).exists() {
            all.add(folder.join(SINGLE))?;
            return Ok(all);
        }
        let named = read_index(&index)?;
        let mut names: Vec<&String> = named.values().collect();
        names.sort();
        names.dedup();
        for name in names {
            all.add(folder.join(name))?;
        }
        // The index is checked against the headers; the headers decide.
        for (tensor, file) in &named {
            if all
                .by_name
                .get(tensor)
                .is_none_or(|found| all.files[found.file].0 != folder.join(file))
            {
                let what =
                    "the index says it is in this file, and the file's header does not".to_owned();
                return Err(CheckpointError::DamagedTensor {
                    path: folder.join(file),
                    tensor: tensor.clone(),
                    what,
                });
            }
        }
        // A reader that goes by the index would not see a tensor that it leaves out.
        match all
            .by_name
            .iter()
            .find(|(name, _)| !named.contains_key(*name))
        {
            None => Ok(all),
            Some((name, found)) => Err(CheckpointError::Unlisted {
                index,
                tensor: name.clone(),
                file: all.files[found.file].0.clone(),
            }),
        }
    }

    fn add(&mut self, path: PathBuf) -> Result<(), CheckpointError> {
        const MISSING: &str = "it holds the weights: fetch every file of the checkpoint (pickled .bin files are not read)";
        let file = match regular::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CheckpointError::Missing {
                    path,
                    what: MISSING,
                });
            }
            Err(source) => return Err(CheckpointError::Read { path, source }),
        };
        let number = self.files.len();
        for (name, tensor) in read_header(&path, &file, number)? {
            if let Some(other) = self.by_name.insert(name.clone(), tensor) {
                let first = self.files[other.file].0.clone();
                return Err(CheckpointError::Twice {
                    tensor: name,
                    first,
                    second: path,
                });
            }
        }
        self.files.push((path, file));
        Ok(())
    }

    /// Bytes of weights that the model uses.
    pub fn bytes(&self) -> u64 {
        self.by_name
            .values()
            .map(|tensor| tensor.shape.iter().product::<u64>() * tensor.dtype.bytes())
            .sum()
    }

    /// The files, for hashing.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Where a tensor lies, and in which file; `None` where there is none of that name.
    pub(super) fn find(&self, name: &str) -> Option<(&Path, &Tensor)> {
        let tensor = self.by_name.get(name)?;
        Some((self.files[tensor.file].0.as_path(), tensor))
    }

    /// Checks that exactly the model's tensors are there, in the right shapes.
    pub fn check(&self, shape: &ModelShape) -> Result<(), CheckpointError> {
        let expected: BTreeMap<String, Vec<u64>> = super::keys::tensors(shape).collect();
        let mut missing = Vec::new();
        for (name, expected) in &expected {
            let Some(tensor) = self.by_name.get(name) else {
                missing.push((name, expected));
                continue;
            };
            if tensor.shape != *expected {
                return Err(CheckpointError::Shape {
                    path: self.files[tensor.file].0.clone(),
                    tensor: name.clone(),
                    found: tensor.shape.clone(),
                    expected: expected.clone(),
                });
            }
        }
        if let Some((name, expected)) = missing.first() {
            return Err(CheckpointError::MissingTensor {
                folder: self.folder.clone(),
                tensor: (*name).clone(),
                expected: (*expected).clone(),
                others: missing[1..]
                    .iter()
                    .map(|(name, _)| (*name).clone())
                    .collect(),
            });
        }
        for (name, tensor) in &self.by_name {
            if !expected.contains_key(name) && !super::keys::harmless(name, shape) {
                return Err(CheckpointError::Stray {
                    path: self.files[tensor.file].0.clone(),
                    tensor: name.clone(),
                    found: tensor.shape.clone(),
                });
            }
        }
        Ok(())
    }

    /// Reads `out.len() / columns` whole rows from `row` on as floats, where `columns` is the product of all sizes
    /// but the first. `bytes` is scratch.
    pub fn read_rows(
        &self,
        name: &str,
        row: u64,
        out: &mut [f32],
        bytes: &mut Vec<u8>,
    ) -> Result<(), CheckpointError> {
        let Some(tensor) = self.by_name.get(name) else {
            let (folder, tensor) = (self.folder.clone(), name.to_owned());
            return Err(CheckpointError::MissingTensor {
                folder,
                tensor,
                expected: Vec::new(),
                others: Vec::new(),
            });
        };
        let (path, file) = &self.files[tensor.file];
        let columns: u64 = tensor.shape.iter().skip(1).product();
        let size = tensor.dtype.bytes();
        bytes.resize(out.len() * size as usize, 0);
        file.read_exact_at(bytes, tensor.offset + row * columns * size)
            .map_err(|source| CheckpointError::Read {
                path: path.clone(),
                source,
            })?;
        let pairs = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        match tensor.dtype {
            Dtype::F32 => {
                for (out, word) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                    *out = f32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                }
            }
            Dtype::F16 => out
                .iter_mut()
                .zip(pairs)
                .for_each(|(out, bits)| *out = half::f16::from_bits(bits).to_f32()),
            Dtype::Bf16 => {
                out.iter_mut()
                    .zip(pairs)
                    .for_each(|(out, bits)| *out = f32::from_bits(u32::from(bits) << 16));
            }
        }
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(CheckpointError::NotFinite {
                path: path.clone(),
                tensor: name.to_owned(),
                row: row + at as u64 / columns.max(1),
                value: out[at],
            }),
        }
    }
}

fn read_index(path: &Path) -> Result<BTreeMap<String, String>, CheckpointError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bytes = read_small(path, "it says which file holds which tensor")?;
    let index = Value::Object(json::object(path, &bytes)?);
    let index: Index =
        serde_json::from_value(index).map_err(|source| CheckpointError::json(path, source))?;
    // A name that leaves the folder would read files that nobody gave us.
    let inside = |name: &str| !name.is_empty() && !name.contains('/') && name != "..";
    match index.weight_map.values().find(|name| !inside(name)) {
        Some(name) => {
            let what = format!("file name {name:?} is no name inside the folder");
            Err(CheckpointError::Damaged {
                path: path.to_path_buf(),
                what,
            })
        }
        None => Ok(index.weight_map),
    }
}
