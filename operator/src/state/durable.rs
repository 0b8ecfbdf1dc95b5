//! Files that are either wholly the old or wholly the new, whatever happens in between.
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Mode of a new file before the umask: as readable as any other, so that another user may look.
const MODE: u32 = 0o666;

/// Replaces `path` by `bytes`: a temporary file beside it is written, synced and renamed, then the folder is synced. It
/// stays as readable as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".write-")
        .permissions(permissions(path))
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

fn permissions(path: &Path) -> fs::Permissions {
    fs::metadata(path).map_or_else(
        |_| fs::Permissions::from_mode(MODE),
        |there| there.permissions(),
    )
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
