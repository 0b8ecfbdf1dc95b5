//! A folder as layers: plain tar, in the order of names, with nothing of when and by whom. The same files are the same bytes.
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::{BUFFER, error::ArtifactError, written};

/// A layer has files up to so many bytes together, or one that is larger: registries and nodes move several at once, and one
/// that was cut off is sent again whole.
const LAYER: u64 = 1 << 30;
/// A tar archive's unit.
const BLOCK: u64 = 512;

/// A layer that can be read as often as one likes.
#[derive(Clone, Debug)]
pub struct Layer {
    entries: Vec<Entry>,
    /// Its digest, `sha256:…`.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
}

/// A file or a folder in a layer.
#[derive(Clone, Debug)]
struct Entry {
    /// Where it is.
    path: PathBuf,
    /// Its header in the archive.
    header: Header,
    /// Bytes of a file; none of a folder.
    size: Option<u64>,
}

/// The layers of a folder, none of them empty.
pub fn layers(folder: &Path) -> Result<Vec<Layer>, ArtifactError> {
    let mut all = Vec::new();
    collect(folder, Path::new(""), &mut all)?;
    if all.iter().all(|entry| entry.size.is_none()) {
        return Err(ArtifactError::Strange {
            path: folder.to_owned(),
            why: "it has no files",
        });
    }
    let mut parts: Vec<(u64, Vec<Entry>)> = Vec::new();
    for entry in all {
        let size = entry.size.unwrap_or_default();
        match parts.last_mut() {
            Some((whole, part)) if *whole + size <= LAYER => {
                *whole += size;
                part.push(entry);
            }
            _ => parts.push((size, vec![entry])),
        }
    }
    parts.into_iter().map(|(_, part)| Layer::of(part)).collect()
}

/// Adds what is in a folder to the entries, by name.
fn collect(folder: &Path, inside: &Path, all: &mut Vec<Entry>) -> Result<(), ArtifactError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ArtifactError::Read { path, source }
    };
    let entries = fs::read_dir(folder).map_err(unreadable(folder))?;
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable(folder))?;
    names.sort();
    for name in names {
        let (path, named) = (folder.join(&name), inside.join(&name));
        let found = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
        let size = if found.is_dir() {
            None
        } else if found.is_file() {
            Some(found.len())
        } else {
            let why = "it is neither a regular file nor a folder";
            return Err(ArtifactError::Strange { path, why });
        };
        let header = header(&named, size).map_err(|_| ArtifactError::Strange {
            path: path.clone(),
            why: "its name is too long for an archive",
        })?;
        all.push(Entry {
            path: path.clone(),
            header,
            size,
        });
        if size.is_none() {
            collect(&path, &named, all)?;
        }
    }
    Ok(())
}

/// Whoever serves it reads it as nobody in particular.
fn header(name: &Path, size: Option<u64>) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size.unwrap_or_default());
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let (kind, mode) = if size.is_some() {
        (EntryType::Regular, 0o644)
    } else {
        (EntryType::Directory, 0o755)
    };
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_cksum();
    Ok(header)
}

impl Layer {
    fn of(entries: Vec<Entry>) -> Result<Self, ArtifactError> {
        let mut layer = Self {
            entries,
            digest: String::new(),
            size: 0,
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        let mut bytes = layer.bytes();
        loop {
            let read = bytes.read(&mut buffer).map_err(|source| {
                let path = layer.entries.first().map(|entry| entry.path.clone());
                let path = bytes.at.take().or(path).unwrap_or_default();
                ArtifactError::Read { path, source }
            })?;
            if read == 0 {
                break;
            }
            layer.size += read as u64;
            hash.update(&buffer[..read]);
        }
        layer.digest = written(hash);
        Ok(layer)
    }

    /// All of it, read from the files once more. A file that has changed since ends it with an error.
    pub fn bytes(&self) -> Bytes {
        Bytes {
            left: self.entries.iter().cloned().collect(),
            now: Box::new(io::empty()),
            at: None,
            ended: false,
        }
    }
}

/// The bytes of a layer, of which one file is open at a time.
pub struct Bytes {
    left: VecDeque<Entry>,
    now: Box<dyn Read>,
    /// The file that is being read.
    at: Option<PathBuf>,
    ended: bool,
}

impl Read for Bytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(into)?;
            if read > 0 || self.ended {
                return Ok(read);
            }
            self.now = if let Some(entry) = self.left.pop_front() {
                self.at = Some(entry.path.clone());
                entry.open()?
            } else {
                self.ended = true;
                // Two empty blocks end an archive.
                Box::new(io::repeat(0).take(2 * BLOCK))
            };
        }
    }
}

impl Entry {
    fn open(&self) -> io::Result<Box<dyn Read>> {
        let header = Cursor::new(self.header.as_bytes().to_vec());
        let Some(size) = self.size else {
            return Ok(Box::new(header));
        };
        let file = Whole {
            file: File::open(&self.path)?,
            left: size,
        };
        let padding = size.next_multiple_of(BLOCK) - size;
        Ok(Box::new(
            header.chain(file).chain(io::repeat(0).take(padding)),
        ))
    }
}

/// A file of which exactly so many bytes are wanted.
struct Whole {
    file: File,
    left: u64,
}

impl Read for Whole {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let read = self.file.read(&mut into[..most])?;
        if read == 0 && self.left > 0 && !into.is_empty() {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
