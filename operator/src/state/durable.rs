//! Files that are either wholly the old or wholly the new, whatever happens in between.
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tempfile::NamedTempFile;

/// Mode of a new file before the umask: as readable as any other, so that another user may look.
const MODE: u32 = 0o666;

/// Mode of a file that is made where none was: its owner's alone.
const PRIVATE: u32 = 0o600;

/// Replaces `path` by `bytes`: a temporary file beside it is written, synced and renamed, then the folder is synced. It
/// stays as readable as it was, and a link stays one. A device or a pipe is written to: nothing may take its place.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut target = path.to_owned();
    if let Ok(there) = fs::metadata(path) {
        if !there.is_file() && !there.is_dir() {
            return write_to(path, bytes);
        }
        if fs::symlink_metadata(path)?.is_symlink() {
            target = fs::canonicalize(path)?;
        }
    }
    let path = target.as_path();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = beside(folder, mode(path))?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Writes to what is no file. A pipe that nobody reads is an error, and is not waited for.
fn write_to(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut device = fs::OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    fcntl(&device, FcntlArg::F_SETFL(OFlag::empty()))?;
    device.write_all(bytes)
}

/// Makes `path` with all of `bytes`, where nothing is there yet; what is there stays.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = beside(folder, PRIVATE)?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_folder(folder),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(MODE, |there| there.permissions().mode())
}

/// A temporary file beside what it will replace; its errors are the system's own, without the name that nobody chose.
fn beside(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".write-")
        .make_in(folder, |path| {
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(path)
        })
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    #[test]
    fn what_is_no_file_is_written_to_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Nobody reads: an error at once, and the pipe is still there.
        replace(&pipe, b"x").unwrap_err();
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        let error = replace(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(
            fs::metadata("/dev/full")
                .unwrap()
                .file_type()
                .is_char_device()
        );

        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn an_error_is_the_systems_own() {
        let error = replace(Path::new("/proc/no/such"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    }
}
