//! Opening files that somebody else put there: a pipe or a device in their place would be waited for without end.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a regular file for reading; anything else is an error that says what is there.
pub(crate) fn open(path: &Path) -> Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        let what = if kind.is_fifo() {
            "a pipe"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        let message = format!("{what} is there, not a regular file; put the file itself there");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    // What is there may have been exchanged since; a pipe is not waited for all the same.
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}
