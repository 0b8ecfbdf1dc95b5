//! What to do about an error of the system: one sentence for each that a person can cure.
use std::{error::Error, io};

/// What the error is about, where the cure differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The state directory, which may be another one.
    State,
    /// Any other file.
    File,
}

/// What to do; empty where the message says what there is to say.
pub fn hint(error: &io::Error, about: About) -> &'static str {
    match (error.kind(), about) {
        (io::ErrorKind::StorageFull, About::State) => {
            "make room on its disk and run again, or name another folder with --state-dir"
        }
        (io::ErrorKind::StorageFull, About::File) => "make room on its disk and run again",
        (io::ErrorKind::QuotaExceeded, About::State) => {
            "the user's disk quota is used up: remove files or have it raised and run again, or name another folder with --state-dir"
        }
        (io::ErrorKind::QuotaExceeded, About::File) => {
            "the user's disk quota is used up: remove files or have it raised, and run again"
        }
        (io::ErrorKind::PermissionDenied, About::State) => {
            "run as the user whose state it is, or name another folder with --state-dir"
        }
        (io::ErrorKind::PermissionDenied, About::File) => {
            "let this user at it, or run as one who may"
        }
        (io::ErrorKind::ReadOnlyFilesystem, About::State) => {
            "its file system is read-only: mount it writable, or name another folder with --state-dir"
        }
        (io::ErrorKind::ReadOnlyFilesystem, About::File) => {
            "its file system is read-only: mount it writable, or name another place"
        }
        (io::ErrorKind::FileTooLarge, _) => {
            "it reached the largest size that a file may have: raise the limit (`ulimit -f`) and run again"
        }
        (
            io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::IsADirectory,
            About::State,
        ) => "name a folder with --state-dir",
        (io::ErrorKind::NotADirectory, About::File) => {
            "a part of the path is no folder: name another"
        }
        (io::ErrorKind::AlreadyExists, About::File) => {
            "a file is where a folder should be: name another place"
        }
        (io::ErrorKind::IsADirectory, About::File) => "it is a folder: name a file",
        (io::ErrorKind::NotFound, About::File) => "check the path",
        (io::ErrorKind::NotFound, About::State) => {
            "its file system takes no folder there: name another with --state-dir"
        }
        (io::ErrorKind::InvalidFilename, _) => "the name is too long: choose a shorter one",
        _ => by_number(error),
    }
}

/// What the standard library has no kind for.
fn by_number(error: &io::Error) -> &'static str {
    let number = error.raw_os_error().unwrap_or_default();
    match nix::errno::Errno::from_raw(number) {
        nix::errno::Errno::EMFILE => {
            "this process may open no more files: raise its limit (`ulimit -n`, or LimitNOFILE= of a unit) and run again"
        }
        nix::errno::Errno::ENFILE => {
            "the whole system has too many files open: close programs, or raise fs.file-max, and run again"
        }
        nix::errno::Errno::ENOMEM => "the system is out of memory: free some and run again",
        nix::errno::Errno::EIO => {
            "what is behind the file, a disk or a device, fails: look at the kernel's log before anything else"
        }
        nix::errno::Errno::ENXIO => {
            "nobody is at its other end: name a file, or have it read first"
        }
        nix::errno::Errno::ELOOP => "links in its path lead in a circle: name the file itself",
        // The rest says nothing that a person could act on.
        _ => "",
    }
}

/// The error of the system at the end of a chain of causes.
pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut at = Some(error);
    let mut last = None;
    while let Some(error) = at {
        last = error.downcast_ref::<io::Error>().or(last);
        at = error.source();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_that_a_person_can_cure_says_how() {
        // ENOENT, EIO, ENOMEM, EACCES, ENOTDIR, EISDIR, ENFILE, EMFILE, EFBIG, ENOSPC, EROFS, ENAMETOOLONG, ELOOP, EDQUOT
        for number in [2, 5, 12, 13, 20, 21, 23, 24, 27, 28, 30, 36, 40, 122] {
            let error = io::Error::from_raw_os_error(number);
            assert!(!hint(&error, About::File).is_empty(), "{error}");
        }
        for number in [13, 20, 28, 30, 122] {
            let error = io::Error::from_raw_os_error(number);
            assert!(
                hint(&error, About::State).contains("--state-dir"),
                "{error}"
            );
        }
    }
}
