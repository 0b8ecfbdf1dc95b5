//! Files that are either wholly the old or wholly the new, whatever happens in between.
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Replaces `path` by `bytes`: a temporary file beside it is written, synced and renamed, then the folder is synced.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".write-")
        .tempfile_in(folder)
        .map_err(unnamed)?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Makes `path` with all of `bytes`, where nothing is there yet; what is there stays.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".write-")
        .tempfile_in(folder)
        .map_err(unnamed)?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_folder(folder),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

/// The system's error alone: the temporary file's name says nothing to anybody, and differs each time.
fn unnamed(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() {
        return error;
    }
    error.kind().into()
}

/// Makes a folder and everything above it, durable once this returns.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes a folder's entries durable.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)?.sync_all()
}
