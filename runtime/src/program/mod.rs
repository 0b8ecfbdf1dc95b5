//! Programs: a model sliced for N ranks and packed, as a directory that is verified before it is used.

pub mod build;
pub mod for_cards;
pub mod inspect;
pub mod layout;
pub mod manifest;
pub mod memory;
pub mod pack;
pub mod precision;
mod publish;
pub mod slicing;
mod write;

use std::path::{Path, PathBuf};

pub use build::{BuildError, BuildOutcome, BuildProgress, BuildRequest, Built, MemoryLimit, build};
pub use inspect::{Inspection, inspect};
pub use manifest::{Manifest, ProgramError, ProgramFile};
pub use precision::Precision;
pub use slicing::{Refusal, SliceSummary, can_slice};

use serde::Serialize;

/// Layout of slice files. A program of another number is refused.
pub const PACK_FORMAT: u32 = 1;

/// What builds and runs programs here: part of a program's key, so that a changed packer makes a new program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Toolchain {
    /// Layout of slice files.
    pub pack_format: u32,
    /// Kernels that this machine would run: `avx512`, `avx2` or `portable`. Programs themselves do not depend on it.
    pub instruction_set: &'static str,
    /// Version of this crate.
    pub version: &'static str,
}

/// Says what builds and runs programs here.
pub fn toolchain() -> Toolchain {
    Toolchain {
        pack_format: PACK_FORMAT,
        instruction_set: kernels::Kernels::detect().name(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// A program directory whose manifest and file lengths were checked.
#[derive(Debug, Clone)]
pub struct Program {
    directory: PathBuf,
    manifest: Manifest,
}

impl Program {
    /// Opens a program: reads the manifest, checks the format, every file's length and every copied file's hash.
    /// Slices are hashed by the ranks as they load them, so that each byte is read once; [`Program::verify`] does it here.
    pub fn open(directory: &Path) -> Result<Self, ProgramError> {
        let manifest = Manifest::read(directory)?;
        Ok(Self {
            directory: directory.to_path_buf(),
            manifest,
        })
    }

    /// Hashes every file, slices included.
    pub fn verify(&self) -> Result<(), ProgramError> {
        self.manifest.verify(&self.directory, &|| false).map(drop)
    }

    /// Hashes one slice; a rank that the program does not have is no fault of it.
    pub fn verify_slice(&self, rank: u32) -> Result<(), ProgramError> {
        match self.manifest.slices.get(rank as usize) {
            Some(slice) => slice.verify(&self.directory, &|| false).map(drop),
            None => Ok(()),
        }
    }

    /// What the program says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where it lies. The copied `tokenizer.json` and its companions are here under their own names.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
