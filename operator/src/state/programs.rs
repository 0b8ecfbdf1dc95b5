//! The program store: compiled models by key, whole or not there.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crd::{id::ProgramKey, snapshot::PresentProgram};

use super::{StateError, durable, read_json, write_json};

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

    /// Records a program that lies in its place; this makes it present.
    pub fn record(&self, program: &PresentProgram) -> Result<(), StateError> {
        write_json(&self.record_file(&program.key), program)
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
            if let Some(program) = read_json::<PresentProgram>(&path)?
                && self.program(&program.key).exists()
            {
                programs.push(program);
            }
        }
        programs.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(programs)
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

    #[test]
    fn a_program_is_present_once_it_is_admitted_and_a_cut_off_build_never_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = ProgramStore::new(folder.path().to_owned());
        let program = PresentProgram {
            key: ProgramKey::from("b3:aa"),
            target: Target::CPU,
            model: Digest::from("b3:bb"),
        };
        let place = store.workplace(&program.key).unwrap();
        fs::create_dir(&place).unwrap();
        assert_eq!(store.list().unwrap(), []);
        store.sweep().unwrap();
        assert!(!place.exists());
        fs::create_dir(&place).unwrap();
        store.admit(&place, &program).unwrap();
        assert_eq!(store.list().unwrap(), std::slice::from_ref(&program));
        fs::remove_dir(store.program(&program.key)).unwrap();
        assert_eq!(store.list().unwrap(), []);
    }
}
