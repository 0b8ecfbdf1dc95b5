//! A configuration file as a whole: there with all of its text or not at all, whenever power goes.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

/// Everybody may read how a machine is configured; one that replaces another keeps that one's mode and owner.
const MODE: u32 = 0o644;

/// Puts `text` at `path`.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path)?;
    // One that a power loss left behind.
    gone(&beside)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)?;
    let written = fill(&mut file, path, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The failure is told; what is left is swept by the next write.
        let _ = fs::remove_file(&beside);
    }
    written?;
    sync_folder(path)
}

fn fill(file: &mut File, path: &Path, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    match fs::symlink_metadata(path) {
        Ok(was) => {
            keep_owner(file, &was)?;
            file.set_permissions(fs::Permissions::from_mode(was.mode() & 0o7777))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            file.set_permissions(fs::Permissions::from_mode(MODE))?;
        }
        Err(error) => return Err(error),
    }
    file.sync_all()
}

/// Gives the file to whom the one before belonged. Whoever may not give files away keeps it, as a service of few capabilities
/// must: those who read it are root too.
fn keep_owner(file: &File, was: &fs::Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (was.uid(), was.gid()) {
        return Ok(());
    }
    match fchown(file, Some(was.uid()), Some(was.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Takes the file at `path` away; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    sweep(path)?;
    gone(path)?;
    sync_folder(path)
}

/// Takes away what was to take the file's place and never did.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
    gone(&beside(path)?)
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where a text is written before it takes the file's place: a name that no reader of such folders takes for its own.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    Ok(path.with_file_name(format!(".{}.new", name.to_string_lossy())))
}

/// A rename is durable once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_keeps_its_mode_and_goes_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("90-ours.conf");
        fs::write(folder.path().join(".90-ours.conf.new"), "half").unwrap();
        replace(&path, "a = 1\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 1\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, MODE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&path, "a = 2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 2\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        remove(&path).unwrap();
        remove(&path).unwrap();
        fs::write(folder.path().join(".90-ours.conf.new"), "half").unwrap();
        sweep(&path).unwrap();
        sweep(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = folder.path().join("gone/90-ours.conf");
        assert_eq!(
            replace(&missing, "").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
