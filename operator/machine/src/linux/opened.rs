//! Files of the machine, opened so that nothing can make us wait: a regular file, or a reason why there is none to read.
//!
//! Whatever is named where a file is expected may be a pipe that nobody writes to, a socket, or a link to a device that never
//! ends. What was opened is asked for its kind, not its name, which may be another's by then.
use std::{
    fs::{self, File, Metadata},
    io::{self, BufRead, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{
    fcntl::OFlag,
    sys::stat::{SFlag, major, minor},
};

/// No file that we read is larger; a bound against one that never ends.
pub const MOST_BYTES: u64 = 16 << 20;

/// What a file is opened for, and what may stand at its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Reading, wherever links lead.
    Reading,
    /// Reading what stands at the name itself.
    ReadingNoLink,
    /// Writing what is there already.
    Writing,
    /// Writing what is there, or a new file where nothing is.
    Making,
    /// Reading and appending, to a new file where nothing is.
    Appending,
}

/// Opens a regular file. Never waits, and opens no device: some do something when they are opened.
pub fn regular(path: &Path, purpose: For) -> io::Result<File> {
    sized(path, purpose).map(|(file, _)| file)
}

/// The same, and how long it is.
pub(super) fn sized(path: &Path, purpose: For) -> io::Result<(File, u64)> {
    let mut options = fs::OpenOptions::new();
    let mut flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut seen = fs::metadata(path);
    match purpose {
        For::Reading => options.read(true),
        For::ReadingNoLink => {
            seen = fs::symlink_metadata(path);
            flags |= OFlag::O_NOFOLLOW;
            options.read(true)
        }
        For::Writing => options.write(true),
        For::Making => options.write(true).create(true).truncate(false),
        For::Appending => options.read(true).append(true).create(true),
    };
    let makes = matches!(purpose, For::Making | For::Appending);
    match seen {
        Ok(seen) => only_regular(seen.mode())?,
        Err(error) if makes && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = options.custom_flags(flags.bits()).open(path)?;
    // Another may stand there by now; what is open is what counts.
    let is = file.metadata()?;
    only_regular(is.mode())?;
    Ok((file, is.len()))
}

/// Every line of a regular file, however long the file; a line beyond a mebibyte comes in pieces.
pub fn lines(path: &Path, purpose: For, mut each: impl FnMut(&str)) -> io::Result<()> {
    const MOST_LINE: u64 = 1 << 20;
    let mut rest = io::BufReader::new(regular(path, purpose)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if rest.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        each(String::from_utf8_lossy(&line).trim_end_matches('\n'));
    }
}

/// The whole of a regular file; one beyond [`MOST_BYTES`] is an error, for half a table says that the rest is not there. A link
/// to `/dev/null` is an empty file: so an administrator says that a file is not wanted (sysctl.d(5)).
pub fn read(path: &Path, purpose: For) -> io::Result<Vec<u8>> {
    let (file, size) = match sized(path, purpose) {
        // A device, and perhaps this one.
        Err(error)
            if purpose == For::Reading
                && error.kind() == io::ErrorKind::InvalidInput
                && is_null(&fs::metadata(path)?) =>
        {
            return Ok(Vec::new());
        }
        opened => opened?,
    };
    all(file, size)
}

/// The whole of a regular file that is so long; one beyond [`MOST_BYTES`] is an error.
pub(super) fn all(file: File, size: u64) -> io::Result<Vec<u8>> {
    let most = match size {
        // Of most of its own files the kernel does not know beforehand.
        0 => MOST_BYTES + 1,
        size => size.min(MOST_BYTES + 1),
    };
    // A page, which is what the kernel says of files that have less.
    let mut bytes = Vec::with_capacity(4096);
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 16 MiB",
        ));
    }
    Ok(bytes)
}

/// The whole of a regular file of our own, however long it became.
pub fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    regular(path, For::Reading)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_null(seen: &Metadata) -> bool {
    /// Its number on every Linux (the kernel's devices.txt).
    const NULL: (u64, u64) = (1, 3);
    seen.file_type().is_char_device() && (major(seen.rdev()), minor(seen.rdev())) == NULL
}

/// An error where a file of this mode is no regular one.
pub(super) fn only_regular(mode: u32) -> io::Result<()> {
    let what = match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => return Ok(()),
        // As the kernel says it of a folder that is read.
        SFlag::S_IFDIR => return Err(io::ErrorKind::IsADirectory.into()),
        SFlag::S_IFIFO => "a pipe",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFLNK => "a link",
        _ => "a device",
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{what} stands there instead of a file"),
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        os::unix::{fs::symlink, net::UnixListener},
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn nothing_but_a_regular_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink("/dev/null", at("unwanted")).unwrap();
        symlink("pipe", at("to-pipe")).unwrap();
        symlink("gone", at("dangling")).unwrap();
        symlink("file", at("to-file")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "text").unwrap();
        for purpose in [
            For::Reading,
            For::ReadingNoLink,
            For::Writing,
            For::Making,
            For::Appending,
        ] {
            for (name, why) in [
                ("pipe", io::ErrorKind::InvalidInput),
                ("socket", io::ErrorKind::InvalidInput),
                ("zero", io::ErrorKind::InvalidInput),
                ("unwanted", io::ErrorKind::InvalidInput),
                ("to-pipe", io::ErrorKind::InvalidInput),
                ("folder", io::ErrorKind::IsADirectory),
                ("gone/below", io::ErrorKind::NotFound),
            ] {
                let error = regular(&at(name), purpose).unwrap_err();
                assert_eq!(error.kind(), why, "{name} {purpose:?}");
            }
        }
        for purpose in [For::Reading, For::ReadingNoLink, For::Writing] {
            let error = regular(&at("gone"), purpose).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{purpose:?}");
        }
        for (purpose, name) in [(For::Making, "made"), (For::Appending, "begun")] {
            for text in ["one", "two"] {
                let mut file = regular(&at(name), purpose).unwrap();
                file.write_all(text.as_bytes()).unwrap();
            }
        }
        assert_eq!(whole(&at("made")).unwrap(), b"two");
        assert_eq!(whole(&at("begun")).unwrap(), b"onetwo");
        assert!(whole(&at("pipe")).is_err());
        assert_eq!(read(&at("to-file"), For::Reading).unwrap(), b"text");
        assert_eq!(read(&at("unwanted"), For::Reading).unwrap(), b"");
        assert!(read(&at("unwanted"), For::ReadingNoLink).is_err());
        assert!(read(&at("zero"), For::Reading).is_err());
        assert_eq!(read(&at("file"), For::ReadingNoLink).unwrap(), b"text");
        assert!(read(&at("to-file"), For::ReadingNoLink).is_err());
        assert!(read(&at("dangling"), For::Reading).is_err());
        let endless = File::create(at("endless")).unwrap();
        endless.set_len(1 << 40).unwrap();
        let error = read(&at("endless"), For::Reading).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
