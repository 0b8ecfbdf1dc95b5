//! `engine.lock`: one run at a time works on a state directory, and whoever waits learns who holds it.
use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use machine::opened::{self, For};
use serde::{Deserialize, Serialize};

use super::durable;

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockHolder {
    /// The verb that it runs.
    pub verb: String,
    /// Its process.
    pub pid: u32,
    /// When it took the lock, RFC 3339 in UTC.
    pub since: String,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("{} works on {}", holder.as_ref().map_or("another run".to_owned(), |h| format!("`shardplane {}` (pid {}, since {})", h.verb, h.pid, h.since)), folder.display())]
    Held {
        /// The state directory.
        folder: PathBuf,
        /// Who holds it, where that can be read.
        holder: Option<LockHolder>,
    },
    /// The lock file could not be made or locked.
    #[error("locking {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The lock, held until this is dropped. The system lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub struct EngineLock {
    _file: File,
    about: PathBuf,
}

impl EngineLock {
    /// Takes the lock of a state directory, or says who has it. Never waits.
    pub fn take(folder: &Path, holder: &LockHolder) -> Result<Self, LockError> {
        let path = folder.join("engine.lock");
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let file = opened::regular(&path, For::Making).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    folder: folder.to_owned(),
                    holder: Self::holder(folder),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let about = folder.join("engine.lock.json");
        let text = serde_json::to_vec(holder).map_err(|e| failed(io::Error::other(e)))?;
        durable::replace(&about, &text).map_err(failed)?;
        Ok(Self { _file: file, about })
    }

    /// Who says that it holds the lock; stale after a crash, so only worth reading when the lock is held.
    pub fn holder(folder: &Path) -> Option<LockHolder> {
        let bytes = opened::whole(&folder.join("engine.lock.json")).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether somebody holds the lock right now.
    pub fn is_held(folder: &Path) -> bool {
        opened::regular(&folder.join("engine.lock"), For::Reading)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        // Left behind it would do no harm: it is read only while the lock is held.
        let _ = std::fs::remove_file(&self.about);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_who_the_first_is_and_a_dead_holder_blocks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let me = |verb: &str| LockHolder {
            verb: verb.to_owned(),
            pid: 42,
            since: "2026-11-22T10:00:00Z".to_owned(),
        };
        let first = EngineLock::take(folder.path(), &me("up")).unwrap();
        let refused = EngineLock::take(folder.path(), &me("apply")).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("`shardplane up` (pid 42, since 2026-11-22T10:00:00Z) works on ")
        );
        assert!(EngineLock::is_held(folder.path()));
        drop(first);
        std::fs::write(folder.path().join("engine.lock.json"), "{torn").unwrap();
        assert!(!EngineLock::is_held(folder.path()));
        EngineLock::take(folder.path(), &me("apply")).unwrap();
    }
}
