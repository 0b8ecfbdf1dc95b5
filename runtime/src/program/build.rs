//! From a checkpoint folder to a program directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::layout::{Layout, layouts};
use super::memory::{Needs, needs};
use super::publish::Place;
use super::write::write_slices;
use super::{
    Manifest, PACK_FORMAT, Precision, Program, ProgramError, ProgramFile, Refusal, can_slice,
};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hashed;

/// What the serving side reads from beside the slices, copied as it is.
pub(super) const COPIES: [&str; 7] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];
/// Room for the manifest and for what file systems take themselves.
const DISK_SLACK: u64 = 1 << 20;

/// How much memory may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// What this machine and this control group have free.
    Machine,
    /// That many bytes.
    Bytes(u64),
}

/// How far a build has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildProgress {
    /// Bytes of slices written.
    pub done: u64,
    /// Bytes of slices to write.
    pub total: u64,
}

/// What to build, where from and where to.
pub struct BuildRequest<'a> {
    /// A hub-style checkpoint folder.
    pub checkpoint: &'a Path,
    /// The program directory to make; its parent exists.
    pub out: &'a Path,
    /// Ranks to slice for.
    pub shards: u32,
    /// How weights are stored.
    pub precision: Precision,
    /// The key the caller knows this program by. Without one, a program is known by the hash of its checkpoint.
    pub key: Option<&'a str>,
    /// Sequences that will be served at once, for the memory reckoning.
    pub slots: u32,
    /// Tokens a slot, for the memory reckoning.
    pub context: u32,
    /// Memory that serving the program must fit.
    pub memory: MemoryLimit,
    /// How long to wait for another builder of the same directory.
    pub patience: Duration,
    /// Called now and then as slices are written.
    pub progress: &'a dyn Fn(BuildProgress),
    /// Whether to stop, with nothing left behind; asked every few megabytes that are read, packed or hashed.
    pub stop: &'a dyn Fn() -> bool,
}

/// A finished program.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The program directory.
    pub directory: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Whether it was there already.
    pub outcome: BuildOutcome,
}

/// Whether a program had to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOutcome {
    /// It was built now.
    Fresh,
    /// The same program was there, and its hashes are right.
    Reused,
}

/// Why a program was not built. Nothing is left behind.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The model cannot be cut that way.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The program would not fit when served.
    #[error(
        "{shards} ranks would need {} bytes ({} of weights, {} of KV cache for {slots} slots of {context} tokens) and \
         {available} are available; lower the slots or the context, or choose a smaller precision",
        .needs.total(), .needs.weights, .needs.kv
    )]
    Memory {
        /// Shards asked for.
        shards: u32,
        /// What would be needed.
        needs: Needs,
        /// Slots asked for.
        slots: u32,
        /// Tokens a slot.
        context: u32,
        /// Bytes that may be used.
        available: u64,
    },
    /// The context is longer than the checkpoint's.
    #[error(
        "a context of {asked} tokens was asked for, and the checkpoint declares {declared}; ask for at most that"
    )]
    Context {
        /// Tokens asked for.
        asked: u32,
        /// Tokens declared.
        declared: u32,
    },
    /// The disk has too little room.
    #[error(
        "{directory} has room for {available} bytes, and the program takes {needed}; free some or choose another place"
    )]
    Full {
        /// Where the program was to go.
        directory: PathBuf,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// A directory or file could not be written.
    #[error("writing {path}")]
    Write {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The place is no place.
    #[error("{path} cannot be a program directory: {why}")]
    Place {
        /// The path.
        path: PathBuf,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// Another program, or something else, is there.
    #[error("{directory} is taken: {why}; remove it or choose another place")]
    Occupied {
        /// The directory.
        directory: PathBuf,
        /// What is there.
        why: String,
    },
    /// Another builder holds the place.
    #[error("another builder has worked on {directory} for {patience:?}; wait for it or stop it")]
    Busy {
        /// The directory.
        directory: PathBuf,
        /// How long we waited.
        patience: Duration,
    },
    /// Somebody asked for it.
    #[error("stopped before the program was whole")]
    Stopped,
    /// What was written does not read back.
    #[error("the program just written does not verify")]
    Verify(#[source] ProgramError),
}

/// Whoever watches a build.
pub(super) struct Watch<'a> {
    progress: &'a dyn Fn(BuildProgress),
    stop: &'a dyn Fn() -> bool,
}

impl Watch<'_> {
    /// Tells how far it is.
    pub(super) fn tell(&self, progress: BuildProgress) {
        (self.progress)(progress);
    }

    /// An error where it is to stop.
    pub(super) fn goes_on(&self) -> Result<(), BuildError> {
        if (self.stop)() {
            return Err(BuildError::Stopped);
        }
        Ok(())
    }
}

/// Refuses a place where no program can be made, before any weight is read.
pub fn check_place(out: &Path) -> Result<(), BuildError> {
    Place::check(out)
}

/// Builds a program, or finds the same one in place.
pub fn build(request: &BuildRequest<'_>) -> Result<Built, BuildError> {
    let BuildRequest {
        checkpoint,
        out,
        shards,
        precision,
        key,
        slots,
        context,
        memory,
        patience,
        progress,
        stop,
    } = *request;
    let checkpoint = Checkpoint::open(checkpoint)?;
    check_place(out)?;
    let shape = &checkpoint.shape;
    let slices = can_slice(shape, shards)?;
    let layouts = layouts(shape, &slices, precision);
    if context > shape.context {
        return Err(BuildError::Context {
            asked: context,
            declared: shape.context,
        });
    }
    let needs = needs(shape, &slices, &layouts, slots, context);
    let available = memory.bytes();
    if needs.total() > available {
        return Err(BuildError::Memory {
            shards,
            needs,
            slots,
            context,
            available,
        });
    }
    let watch = Watch { progress, stop };
    if !checkpoint.check_tied(stop)? {
        return Err(BuildError::Stopped);
    }
    let mut place = Place::take(out, patience, stop)?;
    let source = match key {
        Some(_) => None,
        None => Some(digest(&checkpoint, &watch)?),
    };
    let mut manifest = Manifest {
        pack_format: PACK_FORMAT,
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        key: key.map(str::to_owned),
        source,
        shape: shape.clone(),
        precision,
        shards,
        attention_block: slices.attention_block,
        mlp_block: slices.mlp_block,
        slices: Vec::new(),
        copies: Vec::new(),
    };
    if let Some(found) = place.present(&manifest, stop)? {
        return Ok(Built {
            directory: out.to_path_buf(),
            manifest: found,
            outcome: BuildOutcome::Reused,
        });
    }
    place.room(needs.weights + DISK_SLACK)?;
    let scratch = place.scratch()?;
    let filled = fill(&checkpoint, &layouts, scratch.path(), &mut manifest, &watch);
    // The disk may fill up while we write, whatever was free before.
    filled.map_err(|error| place.explain_full(error, needs.weights))?;
    // Opened as a reader would, in its temporary place: only what verifies is ever seen under its name.
    let program = Program::open(scratch.path()).map_err(BuildError::Verify)?;
    watch.goes_on()?;
    let manifest = program.manifest().clone();
    place.publish(scratch)?;
    Ok(Built {
        directory: out.to_path_buf(),
        manifest,
        outcome: BuildOutcome::Fresh,
    })
}

/// Writes everything that a program consists of, its manifest last.
fn fill(
    checkpoint: &Checkpoint,
    layouts: &[Layout],
    directory: &Path,
    manifest: &mut Manifest,
    watch: &Watch<'_>,
) -> Result<(), BuildError> {
    let names = write_slices(checkpoint, layouts, directory, watch)?;
    for name in COPIES {
        copy(&checkpoint.folder.join(name), &directory.join(name))?;
    }
    let describe = |name: &str| {
        ProgramFile::describe(directory, name, watch.stop)
            .map_err(BuildError::Verify)?
            .ok_or(BuildError::Stopped)
    };
    manifest.slices = names
        .iter()
        .map(|name| describe(name))
        .collect::<Result<_, _>>()?;
    let copied = COPIES
        .into_iter()
        .filter(|name| directory.join(name).exists());
    manifest.copies = copied.map(describe).collect::<Result<_, _>>()?;
    manifest
        .write(directory)
        .map_err(|(path, source)| BuildError::Write { path, source })
}

fn copy(from: &Path, to: &Path) -> Result<(), BuildError> {
    if !from.exists() {
        return Ok(());
    }
    let write = |source| BuildError::Write {
        path: to.to_path_buf(),
        source,
    };
    std::fs::copy(from, to).map_err(write)?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(write)
}

/// BLAKE3 over the configuration and every weight file, names and lengths included.
fn digest(checkpoint: &Checkpoint, watch: &Watch<'_>) -> Result<String, BuildError> {
    let mut hasher = blake3::Hasher::new();
    let folder = &checkpoint.folder;
    let small = COPIES
        .into_iter()
        .map(|name| folder.join(name))
        .filter(|path| path.exists());
    for path in small.chain(checkpoint.tensors.paths().map(Path::to_path_buf)) {
        let read = |source| CheckpointError::Read {
            path: path.clone(),
            source,
        };
        let length = path.metadata().map_err(read)?.len();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&length.to_le_bytes());
        if hashed::hash(&path, &mut hasher, watch.stop)
            .map_err(read)?
            .is_none()
        {
            return Err(BuildError::Stopped);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}
