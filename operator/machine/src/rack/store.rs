//! A server's live registers on disk: one file, one lock, read again when another process has written it.
//!
//! The file is replaced by a rename, so that whoever reads it without the lock sees one whole state or the next. Whoever
//! only looks reads it once and keeps changes, which are time that passes and nothing else, to itself.
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crd::kind::rack::Server;

use super::{
    RackError,
    live::{FORMAT, Live},
    plug, recorded, tree,
    world::World,
};
use crate::{
    linux::{clock, opened},
    time::Clock,
};

/// How long we wait for `rack.lock`. One transaction takes milliseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);
/// How often we try.
const LOCK_POLL: Duration = Duration::from_millis(2);

/// Registers and the tree that they belong to, as of one state of the file.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) live: Live,
    pub(crate) world: Arc<World>,
    stamp: Stamp,
}

impl Loaded {
    /// Registers in the middle of a transaction, to be looked at as if they had been loaded.
    pub(crate) fn view_of(live: Live, world: Arc<World>) -> Self {
        Self {
            live,
            world,
            stamp: Stamp {
                inode: 0,
                modified: (0, 0),
                length: 0,
            },
        }
    }
}

/// Tells one state of the file from another: a rename gives it another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

/// Where changed registers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// To the file, under the lock.
    Kept,
    /// Nowhere: the file is read once, and neither written nor locked.
    Forgotten,
}

/// The file and what we know of it.
#[derive(Debug)]
pub(crate) struct Store {
    changes: Changes,
    folder: PathBuf,
    rack: String,
    digest: String,
    pub(crate) seed: u32,
    pub(crate) server: Server,
    clock: Clock,
    cache: Mutex<Option<Arc<Loaded>>>,
}

/// The file of registers in a server's folder.
pub(crate) fn registers(folder: &Path) -> PathBuf {
    folder.join("registers.json")
}

impl Store {
    pub(crate) fn new(
        folder: PathBuf,
        rack: &str,
        digest: &str,
        seed: u32,
        server: Server,
        clock: Clock,
        changes: Changes,
    ) -> Self {
        Self {
            changes,
            folder,
            rack: rack.to_owned(),
            digest: digest.to_owned(),
            seed,
            server,
            clock,
            cache: Mutex::new(None),
        }
    }

    /// The folder that holds the registers, the lock and the compiler's records.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self) -> PathBuf {
        registers(&self.folder)
    }

    /// Seeds the registers where there are none; otherwise makes sure that they are of this rack file.
    pub(crate) fn open(&self) -> Result<(), RackError> {
        let _lock = match self.changes {
            Changes::Kept => {
                fs::create_dir_all(&self.folder)
                    .map_err(|source| self.state("creating", source))?;
                Some(self.lock()?)
            }
            Changes::Forgotten => None,
        };
        if self
            .file()
            .try_exists()
            .map_err(|source| self.state("looking for", source))?
        {
            let loaded = self.load()?;
            if loaded.live.digest != self.digest {
                return Err(RackError::Changed {
                    rack: self.rack.clone(),
                    path: self.folder.clone(),
                });
            }
            return Ok(());
        }
        self.seed_anew()
    }

    /// Throws the registers away and seeds them from the file.
    pub(crate) fn reseed(&self) -> Result<(), RackError> {
        fs::create_dir_all(&self.folder).map_err(|source| self.state("creating", source))?;
        let _lock = self.lock()?;
        self.seed_anew()
    }

    fn seed_anew(&self) -> Result<(), RackError> {
        let world = Arc::new(self.enumerate(None)?);
        let mut live = Live::seeded(&self.digest, &self.server, &world);
        live.boot(self.seed, &self.server, &world);
        recorded::seed(&mut live, &self.server, &world);
        self.save(live, world)
    }

    /// The registers now.
    pub(crate) fn read(&self) -> Result<Arc<Loaded>, RackError> {
        self.load()
    }

    /// Changes registers under the lock. Nothing is written where `change` fails.
    pub(crate) fn transact<R>(
        &self,
        change: impl FnOnce(&mut Live, &Arc<World>) -> Result<R, RackError>,
    ) -> Result<R, RackError> {
        let _lock = match self.changes {
            Changes::Kept => Some(self.lock()?),
            Changes::Forgotten => None,
        };
        let loaded = self.load()?;
        let mut live = loaded.live.clone();
        let result = change(&mut live, &loaded.world)?;
        // A boot gives other bus numbers; nothing else changes the tree.
        let world = if live.boot == loaded.live.boot {
            Arc::clone(&loaded.world)
        } else {
            Arc::new(self.enumerate(Some(&live))?)
        };
        self.save(live, world)?;
        Ok(result)
    }

    /// The tree of the boot that `live` is in.
    pub(crate) fn enumerate(&self, live: Option<&Live>) -> Result<World, RackError> {
        let out = live.map(|live| &live.out_at_boot);
        let grown = live
            .filter(|live| !live.added.is_empty())
            .map(|live| plug::with_added(&self.server, live));
        let server = grown.as_ref().unwrap_or(&self.server);
        tree(self.seed, server, out).map_err(|what| RackError::Impossible {
            rack: self.rack.clone(),
            server: self.server.name.0.clone(),
            what,
        })
    }

    fn load(&self) -> Result<Arc<Loaded>, RackError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Changes::Forgotten, Some(loaded)) = (self.changes, cache.as_ref()) {
            return Ok(Arc::clone(loaded));
        }
        let stamp = self.stamp()?;
        if let Some(loaded) = cache.as_ref().filter(|loaded| loaded.stamp == stamp) {
            return Ok(Arc::clone(loaded));
        }
        let text = opened::whole(&self.file()).map_err(|source| self.state("reading", source))?;
        let live: Live = serde_json::from_slice(&text).map_err(|source| RackError::Corrupt {
            path: self.file(),
            source,
        })?;
        if live.format != FORMAT {
            return Err(RackError::Format { path: self.file() });
        }
        let world = Arc::new(self.enumerate(Some(&live))?);
        let loaded = Arc::new(Loaded { live, world, stamp });
        *cache = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Writes the registers as a whole or not at all; where they are not kept, remembers them.
    fn save(&self, live: Live, world: Arc<World>) -> Result<(), RackError> {
        if self.changes == Changes::Forgotten {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            *cache = Some(Arc::new(Loaded::view_of(live, world)));
            return Ok(());
        }
        let failed = |source| self.state("writing", source);
        let text = serde_json::to_vec(&live).map_err(|error| failed(error.into()))?;
        // As readable as any file that is made here: another user may look.
        let mut file = tempfile::Builder::new()
            .make_in(&self.folder, |path| {
                fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o666)
                    .open(path)
            })
            .map_err(failed)?;
        file.as_file_mut().write_all(&text).map_err(failed)?;
        match self.clock {
            Clock::Wall => file.as_file().sync_data().map_err(failed)?,
            // The rename alone outlives our process. What a real power cut takes from a rack on virtual time is a
            // rehearsal, and waiting for the disk would be most of what the rehearsal costs.
            Clock::Virtual => {}
        }
        file.persist(self.file())
            .map_err(|error| failed(error.error))?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.stamp()?;
        *cache = Some(Arc::new(Loaded { live, world, stamp }));
        Ok(())
    }

    fn stamp(&self) -> Result<Stamp, RackError> {
        let meta = fs::metadata(self.file()).map_err(|source| self.state("looking at", source))?;
        Ok(Stamp {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            length: meta.len(),
        })
    }

    fn lock(&self) -> Result<File, RackError> {
        let path = self.folder.join("rack.lock");
        let file = opened::regular(&path, opened::For::Making)
            .map_err(|source| self.state("opening the lock of", source))?;
        let deadline = clock::now().plus(LOCK_DEADLINE);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(self.state("locking", source)),
                Err(TryLockError::WouldBlock) if clock::now() >= deadline => {
                    return Err(RackError::Locked {
                        path: self.folder.clone(),
                    });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_POLL),
            }
        }
    }

    fn state(&self, doing: &'static str, source: io::Error) -> RackError {
        RackError::State {
            doing,
            path: self.file(),
            source,
        }
    }
}
