//! The command's only way to standard output and standard error.

use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::failure::{Exit, Failure};

/// Prints a line and flushes it: whoever reads it may wait for it.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    piece(&format!("{text}\n"))
}

/// Prints a JSON value on a line of its own.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    line(&value.to_string())
}

/// Prints a piece of text at once.
pub(super) fn piece(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // The reader has what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Err(Failure::quiet(Exit::ReaderGone))
        }
        Err(error) => {
            Err(Failure::new(Exit::CannotWrite, &error).doing("writing to standard output"))
        }
    }
}

/// Prints a note beside the output. A closed standard error is no reason to stop.
pub(super) fn note(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Replaces the note on the current line of a terminal.
pub(super) fn progress(text: &str) {
    drop(write!(std::io::stderr(), "\r{text}\x1b[K"));
}

/// A number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    UNITS
        .into_iter()
        .find(|(_, size)| count >= *size)
        .map_or_else(
            || format!("{count} B"),
            |(unit, size)| format!("{:.1} {unit}", count as f64 / size as f64),
        )
}
