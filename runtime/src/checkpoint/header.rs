//! The header of one safetensors file: every tensor in it once, and every byte after it some tensor's.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Deserialize;

use super::json::{self, Repeats};
use super::{CheckpointError, Dtype, Tensor};

/// Longest header that the format's own library reads.
const HEADER_LIMIT: u64 = 100_000_000;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The tensors of a file, which is to be the checkpoint's `number`th.
pub(super) fn read_header(
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
    let room = length - 8 - header;
    let mut names = BTreeSet::new();
    let mut spans = Vec::new();
    let mut tensors = Vec::new();
    for (name, entry) in json::entries(path, &text)? {
        let bad = |what: String| CheckpointError::DamagedTensor {
            path: path.to_path_buf(),
            tensor: name.clone(),
            what,
        };
        // Two readers of such a file could take two different tensors.
        if !names.insert(name.clone()) {
            return Err(bad("its header has two entries of that name".to_owned()));
        }
        if name == "__metadata__" {
            continue;
        }
        let entry = entry
            .value(Repeats::Refused)
            .map_err(|key| bad(format!("its header entry gives `{key}` twice")))?;
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
        spans.push((start, end, name.clone()));
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
    let described = one_after_another(path, spans)?;
    if described != room {
        return Err(damaged(format!(
            "its header describes {described} bytes of tensors, and the file holds {room}"
        )));
    }
    Ok(tensors)
}

/// Checks that every tensor begins where the one before it ended, and gives the end of the last.
fn one_after_another(
    path: &Path,
    mut spans: Vec<(u64, u64, String)>,
) -> Result<u64, CheckpointError> {
    spans.sort_unstable();
    let (mut filled, mut before) = (0, None::<String>);
    for (start, end, tensor) in spans {
        if start != filled {
            let what = match &before {
                Some(other) if start < filled => format!(
                    "its bytes are {start}..{end}, and those of `{other}` end at {filled}: they overlap"
                ),
                Some(_) | None => format!(
                    "its bytes begin at {start}, and the tensors before it end at {filled}: what lies between is nobody's"
                ),
            };
            return Err(CheckpointError::DamagedTensor {
                path: path.to_path_buf(),
                tensor,
                what,
            });
        }
        (filled, before) = (end, Some(tensor));
    }
    Ok(filled)
}
