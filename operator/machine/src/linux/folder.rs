//! A folder that is found once, and what is in it by its name alone: most of what a look at a file costs is the way there, and
//! what lies in a folder that went meanwhile is nobody's.
use std::{
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::PathBuf,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat, readlinkat},
    sys::stat::Mode,
};

use super::{
    Linux, failed,
    opened::{self, For},
};
use crate::access::AccessError;

/// A folder of the machine.
#[derive(Debug)]
pub(crate) struct Folder<'a> {
    /// Found; or why it was not, which is why nothing in it can be.
    place: Result<OwnedFd, Errno>,
    real: PathBuf,
    path: &'a str,
}

impl<'a> Folder<'a> {
    pub(crate) fn of(linux: &Linux, path: &'a str) -> Self {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let real = linux.place(path);
        Self {
            place: open(&real, flags, Mode::empty()),
            real,
            path,
        }
    }

    fn failed(&self, doing: &'static str, name: &str, why: io::Error) -> AccessError {
        failed(doing, &format!("{}/{name}", self.path), why)
    }

    fn place(&self) -> io::Result<&OwnedFd> {
        self.place.as_ref().map_err(|why| (*why).into())
    }

    /// Opens a regular file of it for reading; gives its length too. In a folder of the kernel nobody else puts anything, so
    /// that it is asked once what it is, when it is open: a pipe is not waited for, and a link not followed. One that is a link
    /// all the same is opened with more care.
    fn regular(&self, name: &str) -> io::Result<(File, u64)> {
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let file = match openat(self.place()?, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ELOOP) => {
                let path = self.real.join(name);
                return opened::sized(&path, For::Reading);
            }
            Err(why) => return Err(why.into()),
        };
        let is = file.metadata()?;
        opened::only_regular(is.mode())?;
        Ok((file, is.len()))
    }

    /// A file's whole content, at most [`opened::MOST_BYTES`].
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, AccessError> {
        let opened = self.regular(name);
        let bytes = opened.and_then(|(file, size)| opened::all(file, size));
        bytes.map_err(|why| self.failed("reading", name, why))
    }

    /// A symbolic link's target.
    pub(crate) fn readlink(&self, name: &str) -> Result<String, AccessError> {
        let read = || -> io::Result<String> {
            let target = readlinkat(self.place()?, name)?;
            Ok(target.to_string_lossy().into_owned())
        };
        read().map_err(|why| self.failed("following", name, why))
    }

    /// A file of which parts are read.
    pub(crate) fn open(&self, name: &str) -> Result<Parts, AccessError> {
        let path = format!("{}/{name}", self.path);
        match self.regular(name) {
            Ok((file, _)) => Ok(Parts { file, path }),
            Err(why) => Err(failed("reading", &path, why)),
        }
    }
}

/// A file of which parts are read.
#[derive(Debug)]
pub(crate) struct Parts {
    file: File,
    path: String,
}

impl Parts {
    /// Up to `length` bytes from `offset`; fewer where the file, or permission, ends.
    pub(crate) fn pread(&self, offset: u64, length: usize) -> Result<Vec<u8>, AccessError> {
        pread(&self.file, offset, length).map_err(|why| failed("reading", &self.path, why))
    }
}

/// Up to `length` bytes of a file from `offset`.
pub(super) fn pread(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{fs::symlink, net::UnixListener},
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;
    use crate::linux::Roots;

    #[test]
    fn what_lies_in_it_is_read_as_by_its_path() {
        let whole = tempfile::tempdir().unwrap();
        let folder = whole.path().join("real");
        fs::create_dir(&folder).unwrap();
        symlink("real", whole.path().join("link")).unwrap();
        let at = |name: &str| folder.join(name);
        let long = "x".repeat(10_000);
        fs::write(at("short"), "0x17cb\n").unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::write(at("long"), &long).unwrap();
        symlink("short", at("to-short")).unwrap();
        symlink("gone", at("dangling")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink("round", at("round")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        let linux = Linux::new(Roots {
            sys: whole.path().to_owned(),
            ..Roots::default()
        });
        for path in ["/sys/real", "/sys/link", "/sys/gone", "/sys/real/short"] {
            let seen = Folder::of(&linux, path);
            for name in [
                "short", "empty", "long", "to-short", "dangling", "zero", "round", "folder",
                "pipe", "absent",
            ] {
                let other = format!("{path}/{name}");
                let kind = |error: &AccessError| (error.source.kind(), error.path.clone());
                let (here, there) = (seen.read(name), linux.read(&other));
                assert_eq!(here.as_ref().ok(), there.as_ref().ok(), "{other}");
                assert_eq!(
                    here.as_ref().err().map(kind),
                    there.as_ref().err().map(kind)
                );
                let (here, there) = (seen.readlink(name), linux.readlink(&other));
                assert_eq!(here.as_ref().ok(), there.as_ref().ok(), "{other}");
                assert_eq!(
                    here.as_ref().err().map(kind),
                    there.as_ref().err().map(kind)
                );
            }
            assert!(seen.read("socket").is_err());
        }
        let seen = Folder::of(&linux, "/sys/real");
        let parts = seen.open("long").unwrap();
        assert_eq!(parts.pread(9_998, 8).unwrap(), b"xx");
        assert_eq!(parts.pread(20_000, 8).unwrap(), b"");
        assert!(seen.open("pipe").is_err());
        // It went while it was read: what takes its name is another's.
        fs::rename(&folder, whole.path().join("before")).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(at("short"), "another's").unwrap();
        assert_eq!(seen.read("short").unwrap(), b"0x17cb\n");
    }

    /// Most of the kernel's files say no length, or a page's.
    #[test]
    fn the_kernels_own_files_are_read_whole() {
        let linux = Linux::new(Roots::default());
        let seen = Folder::of(&linux, "/proc/self");
        let status = seen.read("status").unwrap();
        assert!(String::from_utf8(status).unwrap().contains("Threads:"));
        let kernel = Folder::of(&linux, "/sys/kernel");
        for name in ["address_bits", "cpu_byteorder", "notes"] {
            let other = fs::read(format!("/sys/kernel/{name}"));
            assert_eq!(kernel.read(name).ok(), other.ok(), "{name}");
        }
    }
}
