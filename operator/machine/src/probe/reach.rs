//! Files as facts: text, numbers, and why there is none.
use std::io;

use crd::{Fact, Unknown};

use crate::{access::AccessError, machine::Machine};

/// What an error says about the fact that was looked for.
pub(crate) fn reason(error: &AccessError) -> Unknown {
    match error.source.kind() {
        io::ErrorKind::NotFound => Unknown::Absent,
        io::ErrorKind::PermissionDenied => Unknown::NoPermission,
        // Kinds of errors are not ours, and none of the others has a name among the reasons.
        _ => Unknown::ReadFailed,
    }
}

/// A file's text.
pub(crate) fn text(machine: &Machine, path: &str) -> Fact<String> {
    match machine.read_text(path) {
        Ok(text) => Fact::known(text, path),
        Err(error) => Fact::unknown(reason(&error), path),
    }
}

/// What can be made of a file's text; `Malformed` where nothing can.
pub(crate) fn parsed<T>(
    machine: &Machine,
    path: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Fact<T> {
    match machine.read_text(path) {
        Ok(text) => match parse(&text) {
            Some(value) => Fact::known(value, path),
            None => Fact::unknown(Unknown::Malformed, path),
        },
        Err(error) => Fact::unknown(reason(&error), path),
    }
}

/// Where the kernel tells of processors, one after another.
const PROCESSORS: &str = "/proc/cpuinfo";

/// What can be made of what the kernel tells of the first processor, or else of all: it asks each anew, and of hundreds one is
/// like another.
pub(crate) fn of_processors<T>(machine: &Machine, parse: impl Fn(&str) -> Option<T>) -> Fact<T> {
    /// Four times what is told of one.
    const FIRST: usize = 16 << 10;
    let head = machine.pread(PROCESSORS, 0, FIRST).unwrap_or_default();
    let head = String::from_utf8_lossy(&head);
    let first = head.split_once("\n\n").and_then(|(first, _)| parse(first));
    match first {
        Some(value) => Fact::known(value, PROCESSORS),
        None => parsed(machine, PROCESSORS, parse),
    }
}

/// A file's number.
pub(crate) fn number(machine: &Machine, path: &str) -> Fact<u64> {
    parsed(machine, path, |text| text.parse().ok())
}

/// What can be made of the names in a folder.
pub(crate) fn listed<T>(
    machine: &Machine,
    folder: &str,
    make: impl FnOnce(Vec<String>) -> T,
) -> Fact<T> {
    match machine.list(folder) {
        Ok(names) => Fact::known(make(names), folder),
        Err(error) => Fact::unknown(reason(&error), folder),
    }
}
