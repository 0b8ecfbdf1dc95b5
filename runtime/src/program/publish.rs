//! The place of a program directory: one builder at a time, and nothing seen under its name before it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use sys::Deadline;
use tempfile::TempDir;

use super::build::COPIES;
use super::manifest::MANIFEST;
use super::write::is_slice;
use super::{BuildError, Manifest, Program, ProgramError};

/// How often a builder looks whether the other has finished.
const LOOK: Duration = Duration::from_millis(50);

/// A place that this builder alone may fill, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    out: PathBuf,
    parent: PathBuf,
    name: String,
    /// Locked; the kernel unlocks it whatever becomes of us.
    _lock: File,
    lock_path: PathBuf,
    /// Whether a damaged program lies there, which the new one replaces.
    damaged: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        // While we hold it: whoever waits for this file sees that it has lost its name, and locks the next.
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Whether a file still has its name: one that was removed while somebody waited for its lock keeps nobody out.
fn is_named(file: &File, path: &Path) -> bool {
    let id = |found: fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(locked), Ok(named)) => id(locked) == id(named),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Whether a program was there once, and something happened to its files; or another version made it.
fn is_damage(error: &ProgramError) -> bool {
    match error {
        ProgramError::Manifest { .. }
        | ProgramError::Contradiction { .. }
        | ProgramError::Format { .. }
        | ProgramError::Gone { .. }
        | ProgramError::Length { .. }
        | ProgramError::Hash { .. } => true,
        ProgramError::NotAProgram { directory } => holds_only_ours(directory),
        ProgramError::Read { .. } | ProgramError::ForCards { .. } | ProgramError::Marker { .. } => {
            false
        }
    }
}

/// Whether a folder holds slices of a program, and nothing that a build does not write.
fn holds_only_ours(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    let mut slices = 0_usize;
    for entry in entries {
        let name = entry.map(|entry| entry.file_name());
        match name.as_ref().ok().and_then(|name| name.to_str()) {
            Some(name) if is_slice(name) => slices += 1,
            Some(name) if COPIES.contains(&name) => {}
            Some(_) | None => return false,
        }
    }
    slices > 0
}

impl Place {
    /// Whether a program can be made there at all: known before any work is done.
    pub(super) fn check(out: &Path) -> Result<(), BuildError> {
        Self::parts(out).map(drop)
    }

    /// The folder that a program is to lie in, and its name there.
    fn parts(out: &Path) -> Result<(PathBuf, &str), BuildError> {
        let place = |why| BuildError::Place {
            path: out.to_path_buf(),
            why,
        };
        let name = out
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| place("it has no name of its own"))?;
        let parent = match out.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_path_buf(),
            None => return Err(place("it has no parent folder")),
        };
        if !parent.is_dir() {
            return Err(place(
                "the folder that it is to lie in does not exist; create that first",
            ));
        }
        Ok((parent, name))
    }

    /// Waits for other builders of `out`, and clears what a killed one left.
    pub(super) fn take(
        out: &Path,
        patience: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, BuildError> {
        let (parent, name) = Self::parts(out)?;
        let path = parent.join(format!(".{name}.lock"));
        let write = |source| BuildError::Write {
            path: path.clone(),
            source,
        };
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).open(&path)
        };
        let mut lock = open().map_err(|error| match error.kind() {
            // The folder is there, so it is the file system that makes no files: /proc is one.
            ErrorKind::NotFound | ErrorKind::Unsupported => BuildError::Place {
                path: out.to_path_buf(),
                why: "the file system of that folder takes no files; choose a folder on a disk",
            },
            _ => write(error),
        })?;
        let deadline = Deadline::after(patience);
        loop {
            match lock.try_lock() {
                Ok(()) if is_named(&lock, &path) => break,
                // Its builder has finished, and removed it.
                Ok(()) => lock = open().map_err(write)?,
                Err(TryLockError::WouldBlock) if stop() => return Err(BuildError::Stopped),
                Err(TryLockError::WouldBlock) if deadline.passed() => {
                    return Err(BuildError::Busy {
                        directory: out.to_path_buf(),
                        patience,
                    });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK.min(deadline.remaining())),
                Err(TryLockError::Error(source)) => return Err(write(source)),
            }
        }
        let place = Self {
            out: out.to_path_buf(),
            parent,
            name: name.to_owned(),
            _lock: lock,
            lock_path: path,
            damaged: false,
        };
        place.clear();
        Ok(place)
    }

    fn prefix(&self) -> String {
        format!(".{}.partial-", self.name)
    }

    /// Removes what builders that were killed left behind. We hold the lock, so none of it is in use.
    fn clear(&self) {
        let left = fs::read_dir(&self.parent).into_iter().flatten().flatten();
        for entry in left.filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(&self.prefix())
        }) {
            // Something that cannot be removed is in nobody's way; the build itself will say what is wrong.
            let _ = fs::remove_dir_all(entry.path());
        }
    }

    /// The program in place, if it is the one wanted; an error if it is another. A place that is named by the program's key holds
    /// nothing else: what is damaged there is built anew.
    pub(super) fn present(
        &mut self,
        wanted: &Manifest,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Manifest>, BuildError> {
        let directory = self.out.clone();
        let occupied = |why: String| BuildError::Occupied {
            directory: directory.clone(),
            why,
        };
        match fs::symlink_metadata(&self.out) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(BuildError::Write {
                    path: self.out.clone(),
                    source,
                });
            }
            Ok(found) if !found.is_dir() => return Err(occupied("a file is there".to_owned())),
            Ok(_) => {}
        }
        if fs::read_dir(&self.out).is_ok_and(|mut entries| entries.next().is_none()) {
            // `rename` replaces an empty directory.
            return Ok(None);
        }
        let explain = |error: ProgramError| match std::error::Error::source(&error) {
            Some(cause) => occupied(format!("{error}: {cause}")),
            None => occupied(error.to_string()),
        };
        // As stores name it: no file system minds a dash.
        let own = (wanted.key.as_ref()).is_some_and(|key| key.replace(':', "-") == self.name);
        let replaces = |error: &ProgramError| own && is_damage(error);
        let program = match Program::open(&self.out) {
            Err(error) if replaces(&error) => {
                self.damaged = true;
                return Ok(None);
            }
            opened => opened.map_err(explain)?,
        };
        let found = program.manifest();
        if let Some(difference) = wanted.difference(found) {
            return Err(occupied(format!("it holds another program ({difference})")));
        }
        match found.verify(&self.out, stop) {
            Ok(true) => Ok(Some(found.clone())),
            Ok(false) => Err(BuildError::Stopped),
            Err(error) if replaces(&error) => {
                self.damaged = true;
                Ok(None)
            }
            Err(error) => Err(explain(error)),
        }
    }

    /// Refuses where the file system has too little room.
    pub(super) fn room(&self, needed: u64) -> Result<(), BuildError> {
        match self.free() {
            Some(available) if needed > available => {
                let directory = self.parent.clone();
                Err(BuildError::Full {
                    directory,
                    needed,
                    available,
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Bytes that the file system has left for us, where it says.
    fn free(&self) -> Option<u64> {
        let free = statvfs(&self.parent).ok()?;
        Some(free.blocks_available().saturating_mul(free.fragment_size()))
    }

    /// Turns a write that found no room into what a person can act on; to be called while what was written is there.
    pub(super) fn explain_full(&self, error: BuildError, needed: u64) -> BuildError {
        match error {
            BuildError::Write { path, source } if source.kind() == ErrorKind::StorageFull => {
                let available = self.free().unwrap_or(0);
                if available >= needed {
                    // Bytes are not what ran out: inodes, or a quota of ours.
                    return BuildError::Write { path, source };
                }
                BuildError::Full {
                    directory: self.parent.clone(),
                    needed,
                    available,
                }
            }
            error => error,
        }
    }

    /// A temporary directory beside the place, removed with everything in it unless published.
    pub(super) fn scratch(&self) -> Result<TempDir, BuildError> {
        tempfile::Builder::new()
            .prefix(&self.prefix())
            .tempdir_in(&self.parent)
            .map_err(|source| BuildError::Write {
                path: self.parent.clone(),
                source,
            })
    }

    /// Gives a finished directory its name, durably.
    pub(super) fn publish(&self, scratch: TempDir) -> Result<(), BuildError> {
        let write = |path: &Path| {
            let path = path.to_path_buf();
            move |source| BuildError::Write { path, source }
        };
        let sync = |path: &Path| {
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(write(path))
        };
        sync(&scratch.path().join(MANIFEST))?;
        sync(scratch.path())?;
        // Temporary directories are private; a program is as public as its parent lets it be.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(scratch.path(), open).map_err(write(scratch.path()))?;
        // Only now: whoever reads the damaged one goes on reading it, and what a killed builder leaves of it is cleared.
        let mut old = None;
        if self.damaged {
            let aside = self.parent.join(format!("{}damaged", self.prefix()));
            fs::rename(&self.out, &aside).map_err(write(&self.out))?;
            old = Some(aside);
        }
        fs::rename(scratch.path(), &self.out).map_err(write(&self.out))?;
        if let Some(old) = old {
            // In nobody's way: the next builder clears it.
            let _ = fs::remove_dir_all(old);
        }
        // The directory has another name now: there is nothing left to remove under the old one.
        let _ = scratch.keep();
        sync(&self.parent)
    }
}
