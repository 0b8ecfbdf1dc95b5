//! The program store: compiled models by key, whole or not there.
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use crd::{id::ProgramKey, snapshot::PresentProgram};
use machine::Timestamp;
use serde_json::{Map, Value};

use super::{StateError, durable, read_json, write_json};

/// The sizes' key in a record, beside the program's own.
const SIZES: &str = "sizes";

/// The size in bytes of each file of a program.
type Sizes = BTreeMap<String, u64>;

/// A program that lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: ProgramKey,
    /// What is known of it; absent where it is not whole, or was never recorded.
    pub program: Option<PresentProgram>,
    /// The bytes of its files.
    pub bytes: u64,
    /// When it was built or last began to be served.
    pub used: Option<Timestamp>,
}

/// The store's folder.
#[derive(Clone, Debug)]
pub struct ProgramStore {
    folder: PathBuf,
}

impl ProgramStore {
    /// The store in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where a program lies once it is there.
    pub fn program(&self, key: &ProgramKey) -> PathBuf {
        self.folder.join(name(key))
    }

    fn record_file(&self, key: &ProgramKey) -> PathBuf {
        self.folder.join(format!("{}.json", name(key)))
    }

    /// Where a program is built: a path of our own that does not exist yet, beside where it will lie.
    pub fn workplace(&self, key: &ProgramKey) -> Result<PathBuf, StateError> {
        let place = self.folder.join(format!(".building-{}", name(key)));
        remove(&place)?;
        Ok(place)
    }

    /// Puts a program that was built and verified in its place; its record is written last, and makes it present.
    pub fn admit(&self, workplace: &Path, program: &PresentProgram) -> Result<(), StateError> {
        let place = self.program(&program.key);
        remove(&place)?;
        fs::rename(workplace, &place)
            .and_then(|()| durable::sync_folder(&self.folder))
            .map_err(|source| StateError::Write {
                path: place.clone(),
                source,
            })?;
        self.record(program)
    }

    /// Records a program that lies in its place, with the size of each of its files; this makes it present.
    pub fn record(&self, program: &PresentProgram) -> Result<(), StateError> {
        let place = self.program(&program.key);
        let sizes = sizes(&place).map_err(|source| StateError::Read {
            path: place.clone(),
            source,
        })?;
        let write = |error: serde_json::Error| StateError::Write {
            path: place.clone(),
            source: error.into(),
        };
        let mut record = serde_json::to_value(program).map_err(write)?;
        if let Value::Object(keys) = &mut record {
            let sizes = serde_json::to_value(sizes).map_err(write)?;
            keys.insert(SIZES.to_owned(), sizes);
        }
        write_json(&self.record_file(&program.key), &record)
    }

    /// Takes a damaged program out of its place, so that it is built again; the next sweep removes it.
    pub fn set_aside(&self, key: &ProgramKey) -> Result<(), StateError> {
        remove(&self.record_file(key))?;
        let (place, aside) = (
            self.program(key),
            self.folder.join(format!(".damaged-{}", name(key))),
        );
        remove(&aside)?;
        match fs::rename(&place, &aside) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError::Write {
                path: place,
                source,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A program, if its files are there as they were recorded. Whoever loads it looks at every byte. One whose record
    /// cannot be read is as good as not there: it can be built again, and nothing but its workers waits for it.
    fn recorded(&self, path: &Path) -> Option<PresentProgram> {
        let mut record = read_json::<Map<String, Value>>(path).ok()??;
        // An earlier version recorded none.
        let known = record.remove(SIZES);
        let program: PresentProgram = serde_json::from_value(Value::Object(record)).ok()?;
        let there = sizes(&self.program(&program.key)).ok()?;
        let known = known.and_then(|known| serde_json::from_value::<Sizes>(known).ok());
        let whole = known.map_or(!there.is_empty(), |known| known == there);
        (whole && path == self.record_file(&program.key)).then_some(program)
    }

    /// Every program that is whole, ordered by key.
    pub fn list(&self) -> Result<Vec<PresentProgram>, StateError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(StateError::Read {
                    path: self.folder.clone(),
                    source,
                });
            }
        };
        let mut programs: Vec<PresentProgram> = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(|source| StateError::Read {
                    path: self.folder.clone(),
                    source,
                })?
                .path();
            let hidden = path
                .file_name()
                .is_none_or(|n| n.to_string_lossy().starts_with('.'));
            if hidden || path.extension().is_none_or(|ext| ext != "json") {
                continue;
            }
            programs.extend(self.recorded(&path));
        }
        programs.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(programs)
    }

    /// Every program that lies here, whole or not, ordered by key.
    pub fn stored(&self) -> Result<Vec<Stored>, StateError> {
        let read = |source| StateError::Read {
            path: self.folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(read(source)),
        };
        let mut stored = Vec::new();
        for entry in entries {
            let entry = entry.map_err(read)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // The record beside it is the program's, and what begins with a dot is at work or goes with the next sweep.
            if name.starts_with('.') || !entry.path().is_dir() {
                continue;
            }
            let key = ProgramKey(name.replacen('-', ":", 1));
            let record = self.record_file(&key);
            let lies = sizes(&entry.path()).map_err(read)?;
            stored.push(Stored {
                program: self.recorded(&record),
                bytes: lies.values().sum(),
                used: modified(&record),
                key,
            });
        }
        stored.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(stored)
    }

    /// Remembers that a program is used now.
    pub fn is_used(&self, key: &ProgramKey, now: Timestamp) {
        let since = UNIX_EPOCH + Duration::from_millis(now.0);
        // For people to read: where it cannot be written, nothing else goes wrong.
        let _ = fs::File::options()
            .write(true)
            .open(self.record_file(key))
            .and_then(|record| record.set_modified(since));
    }

    /// Removes a program: without its record, which goes first, it is not present.
    pub fn remove(&self, key: &ProgramKey) -> Result<(), StateError> {
        remove(&self.record_file(key))?;
        remove(&self.program(key))
    }

    /// Removes what builds that were cut off left behind. Only while the engine's lock is held.
    pub fn sweep(&self) -> Result<(), StateError> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with('.') {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The size of each file of a folder, by its path within.
fn sizes(folder: &Path) -> io::Result<Sizes> {
    let mut sizes = Sizes::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(folder.join(&within))? {
            let entry = entry?;
            let path = within.join(entry.file_name());
            let meta = entry.metadata()?;
            if meta.is_dir() {
                folders.push(path);
            } else {
                sizes.insert(path.to_string_lossy().into_owned(), meta.len());
            }
        }
    }
    Ok(sizes)
}

/// When a file was written last.
fn modified(file: &Path) -> Option<Timestamp> {
    let since = fs::metadata(file)
        .ok()?
        .modified()
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    u64::try_from(since.as_millis()).ok().map(Timestamp)
}

fn name(key: &ProgramKey) -> String {
    key.as_str().replace(':', "-")
}

fn remove(path: &Path) -> Result<(), StateError> {
    let gone = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match gone {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError::Write {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crd::{id::Digest, kind::Target};

    use super::*;

    fn program() -> PresentProgram {
        PresentProgram {
            key: ProgramKey::from("b3:aa"),
            target: Target::CPU,
            model: Digest::from("b3:bb"),
        }
    }

    #[test]
    fn a_program_is_present_once_it_is_admitted_and_a_cut_off_build_never_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = ProgramStore::new(folder.path().to_owned());
        let program = program();
        let place = store.workplace(&program.key).unwrap();
        fs::create_dir(&place).unwrap();
        assert_eq!(store.list().unwrap(), []);
        store.sweep().unwrap();
        assert!(!place.exists());
        fs::create_dir(&place).unwrap();
        fs::write(place.join("slice-0.bin"), "weights").unwrap();
        store.admit(&place, &program).unwrap();
        assert_eq!(store.list().unwrap(), std::slice::from_ref(&program));
        fs::remove_dir_all(store.program(&program.key)).unwrap();
        assert_eq!(store.list().unwrap(), []);
    }

    #[test]
    fn a_program_that_lost_something_is_not_present() {
        let folder = tempfile::tempdir().unwrap();
        let store = ProgramStore::new(folder.path().to_owned());
        let program = program();
        let place = store.program(&program.key);
        let slice = place.join("slices/0.bin");
        let make = || {
            fs::create_dir_all(place.join("slices")).unwrap();
            fs::write(&slice, "weights").unwrap();
            store.record(&program).unwrap();
            assert_eq!(store.list().unwrap(), std::slice::from_ref(&program));
        };
        make();
        fs::write(&slice, "weight").unwrap();
        assert_eq!(store.list().unwrap(), []);
        make();
        fs::remove_file(&slice).unwrap();
        assert_eq!(store.list().unwrap(), []);
        make();
        store.set_aside(&program.key).unwrap();
        assert_eq!(store.list().unwrap(), []);
        assert!(!place.exists());
        store.sweep().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // A record that is damaged, or somebody's copy of one under another name.
        make();
        let record = store.record_file(&program.key);
        fs::copy(&record, folder.path().join("b3-copy.json")).unwrap();
        assert_eq!(store.list().unwrap(), std::slice::from_ref(&program));
        fs::write(&record, "{\"key\": ").unwrap();
        fs::remove_file(folder.path().join("b3-copy.json")).unwrap();
        assert_eq!(store.list().unwrap(), []);
        // As an earlier version left them.
        make();
        write_json(&store.record_file(&program.key), &program).unwrap();
        assert_eq!(store.list().unwrap(), [program]);
    }
}
