//! Safetensors files: where every tensor lies, and reading rows of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CheckpointError, read_small};
use crate::model::ModelShape;
use crate::regular;

/// Longest header that the format's own library reads.
const HEADER_LIMIT: u64 = 100_000_000;
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
    file: usize,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub shape: Vec<u64>,
    /// Byte offset in the file.
    offset: u64,
}

/// Every tensor of a checkpoint.
#[derive(Debug)]
pub struct Tensors {
    folder: PathBuf,
    files: Vec<(PathBuf, File)>,
    by_name: BTreeMap<String, Tensor>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
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
        Ok(all)
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
        for (name, expected) in &expected {
            let Some(tensor) = self.by_name.get(name) else {
                return Err(CheckpointError::MissingTensor {
                    folder: self.folder.clone(),
                    tensor: name.clone(),
                    expected: expected.clone(),
                });
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
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|source| CheckpointError::json(path, source))?;
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

fn read_header(
    path: &Path,
    file: &File,
    number: usize,
) -> Result<Vec<(String, Tensor)>, CheckpointError> {
    let read = |source| CheckpointError::Read {
        path: path.to_path_buf(),
        source,
    };
    let damaged = |what: String| CheckpointError::Damaged {
        path: path.to_path_buf(),
        what,
    };
    let length = file.metadata().map_err(read)?.len();
    if length < 8 {
        return Err(damaged(format!(
            "it has {length} bytes, and the header's length alone takes 8"
        )));
    }
    let mut word = [0; 8];
    file.read_exact_at(&mut word, 0).map_err(read)?;
    let header = u64::from_le_bytes(word);
    if header > HEADER_LIMIT || header > length - 8 {
        return Err(damaged(format!(
            "its header claims {header} bytes, and {} follow (at most {HEADER_LIMIT} are read)",
            length - 8
        )));
    }
    let mut text = vec![0; header as usize];
    file.read_exact_at(&mut text, 8).map_err(read)?;
    let entries: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|source| CheckpointError::Json {
            path: path.to_path_buf(),
            source,
        })?;
    let room = length - 8 - header;
    let mut spans = Vec::new();
    let mut tensors = Vec::new();
    for (name, entry) in entries {
        if name == "__metadata__" {
            continue;
        }
        let bad = |what: String| CheckpointError::DamagedTensor {
            path: path.to_path_buf(),
            tensor: name.clone(),
            what,
        };
        let Entry {
            dtype,
            shape,
            data_offsets: [start, end],
        } = serde_json::from_value(entry)
            .map_err(|error| bad(format!("its header entry does not parse: {error}")))?;
        let dtype = match dtype.as_str() {
            "F32" => Dtype::F32,
            "F16" => Dtype::F16,
            "BF16" => Dtype::Bf16,
            found => {
                let (path, found) = (path.to_path_buf(), found.to_owned());
                return Err(CheckpointError::Type {
                    path,
                    tensor: name,
                    found,
                });
            }
        };
        let bytes = shape
            .iter()
            .try_fold(dtype.bytes(), |bytes, size| bytes.checked_mul(*size))
            .ok_or_else(|| bad(format!("shape {shape:?} is larger than any file")))?;
        if end.checked_sub(start) != Some(bytes) {
            return Err(bad(format!(
                "shape {shape:?} takes {bytes} bytes, and the offsets are {start}..{end}"
            )));
        }
        if end > room {
            return Err(bad(format!(
                "its bytes are {start}..{end}, and the file holds {room} bytes of tensors"
            )));
        }
        spans.push((start, end));
        tensors.push((
            name,
            Tensor {
                file: number,
                dtype,
                shape,
                offset: 8 + header + start,
            },
        ));
    }
    spans.sort_unstable();
    if let Some([first, second]) = spans
        .array_windows()
        .find(|[first, second]| first.1 > second.0)
    {
        return Err(damaged(format!(
            "two tensors overlap: bytes {first:?} and {second:?}"
        )));
    }
    let described = spans.last().map_or(0, |span| span.1);
    if described != room {
        return Err(damaged(format!(
            "its header describes {described} bytes of tensors, and the file holds {room}"
        )));
    }
    Ok(tensors)
}
