//! One rank's slice of the weights, in memory of its own, verified as it is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kernels::{Matrix, Weights};
use sys::Region;
use thiserror::Error;

use crate::program::layout::{Layout, MAGIC, Part, Storage};
use crate::program::{Precision, ProgramFile};

/// Bytes read and hashed at a time.
const CHUNK: usize = 4 << 20;

/// A loaded slice.
#[derive(Debug)]
pub struct Slice {
    region: Region,
    layout: Layout,
    layers: Vec<BTreeMap<Part, usize>>,
    outer: BTreeMap<Part, usize>,
}

/// Why a slice could not be loaded.
#[derive(Debug, Error)]
pub enum SliceError {
    /// There is no memory for it.
    #[error("taking {bytes} bytes for the weights of {path}")]
    Memory {
        /// Bytes asked for.
        bytes: u64,
        /// The slice.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It could not be read.
    #[error("reading {path}")]
    Read {
        /// The slice.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is not what the manifest says.
    #[error("{path} {what}; build the program again")]
    Changed {
        /// The slice.
        path: PathBuf,
        /// What is different.
        what: String,
    },
}

impl Slice {
    /// Reads `file` of `directory` into memory and verifies it.
    pub fn load(
        directory: &Path,
        file: &ProgramFile,
        layout: Layout,
        layers: u32,
    ) -> Result<Self, SliceError> {
        let path = directory.join(&file.name);
        let changed = |what: String| SliceError::Changed {
            path: path.clone(),
            what,
        };
        if file.bytes != layout.bytes {
            return Err(changed(format!(
                "has {} bytes, and its layout takes {}",
                file.bytes, layout.bytes
            )));
        }
        let mut region =
            Region::new(layout.bytes as usize).map_err(|source| SliceError::Memory {
                bytes: layout.bytes,
                path: path.clone(),
                source,
            })?;
        let read = |source| SliceError::Read {
            path: path.clone(),
            source,
        };
        let mut input = File::open(&path).map_err(read)?;
        let mut hasher = blake3::Hasher::new();
        for chunk in region.bytes_mut().chunks_mut(CHUNK) {
            input.read_exact(chunk).map_err(read)?;
            hasher.update(chunk);
        }
        let hash = hasher.finalize().to_hex();
        if *hash.as_str() != *file.blake3 {
            return Err(changed(format!(
                "has hash {hash}, and the manifest says {}",
                file.blake3
            )));
        }
        if !region.bytes().starts_with(MAGIC) {
            return Err(changed("is no slice".to_owned()));
        }
        let mut by_layer = vec![BTreeMap::new(); layers as usize];
        let mut outer = BTreeMap::new();
        for (index, section) in layout.sections.iter().enumerate() {
            match section.layer {
                Some(layer) => by_layer[layer as usize].insert(section.part, index),
                None => outer.insert(section.part, index),
            };
        }
        Ok(Self {
            region,
            layout,
            layers: by_layer,
            outer,
        })
    }

    fn index(&self, layer: Option<usize>, part: Part) -> Option<usize> {
        match layer {
            Some(layer) => self.layers[layer].get(&part).copied(),
            None => self.outer.get(&part).copied(),
        }
    }

    /// A matrix; `None` where the model or this rank has none.
    pub fn matrix(&self, layer: Option<usize>, part: Part) -> Option<Matrix<'_>> {
        let section = &self.layout.sections[self.index(layer, part)?];
        let columns = section.columns.packed();
        if columns == 0 || section.rows == 0 {
            return None;
        }
        let bytes = self.region.bytes();
        let length = section.row_bytes() as usize * section.rows;
        let values = &bytes[section.offset as usize..section.offset as usize + length];
        let length = section.row_scales() as usize * section.rows;
        let scales: &[f32] =
            bytemuck::cast_slice(&bytes[section.scales as usize..section.scales as usize + length]);
        let weights = match section.storage {
            Storage::Vector => return None,
            Storage::Packed(Precision::F32) => Weights::F32(bytemuck::cast_slice(values)),
            Storage::Packed(Precision::Bf16) => Weights::Bf16(bytemuck::cast_slice(values)),
            Storage::Packed(Precision::Int8) => Weights::Int8 {
                quants: bytemuck::cast_slice(values),
                scales,
            },
            Storage::Packed(Precision::Int4) => Weights::Int4 {
                quants: values,
                scales,
            },
        };
        Some(Matrix::new(weights, columns))
    }

    /// A vector; `None` where the model has none.
    pub fn vector(&self, layer: Option<usize>, part: Part) -> Option<&[f32]> {
        let section = &self.layout.sections[self.index(layer, part)?];
        let start = section.offset as usize;
        Some(bytemuck::cast_slice(
            &self.region.bytes()[start..start + section.rows * 4],
        ))
    }
}
