//! Driver parameters and kernel settings: written as text, read back as numbers.
//!
//! Format: documented (the kernel's `/sys/module` and `/proc/sys`). Which names the driver's timeout has had is observed in its
//! sources and in the vendor's guides.
use super::{Performed, StepError};
use crate::machine::Machine;

pub(super) fn driver(
    machine: &Machine,
    name: &str,
    before: Option<u64>,
    after: u64,
) -> Result<Performed, StepError> {
    set(
        machine,
        name,
        &format!("/sys/module/qaic/parameters/{}", plain(name)?),
        before,
        after,
    )
}

pub(super) fn sysctl(
    machine: &Machine,
    name: &str,
    before: Option<u64>,
    after: u64,
) -> Result<Performed, StepError> {
    let path = format!("/proc/sys/{}", plain(name)?.replace('.', "/"));
    set(machine, name, &path, before, after)
}

fn set(
    machine: &Machine,
    name: &str,
    path: &str,
    before: Option<u64>,
    after: u64,
) -> Result<Performed, StepError> {
    let now = read(machine, name, path)?;
    if now == after {
        return Ok(Performed::AlreadyDone);
    }
    if let Some(before) = before.filter(|&before| before != now) {
        return Err(StepError::Expectation {
            expected: format!("{name} = {before}"),
            found: now.to_string(),
        });
    }
    machine
        .write(path, &format!("{after}\n"))
        .map_err(StepError::Write)?;
    let found =
        read(machine, name, path).map_err(|error| error.unseen(format!("{name} was written")))?;
    if found != after {
        return Err(StepError::SettingIgnored {
            setting: name.to_owned(),
            wanted: after,
            found,
        });
    }
    Ok(Performed::Changed {
        before: now.to_string(),
        after: found.to_string(),
    })
}

fn read(machine: &Machine, name: &str, path: &str) -> Result<u64, StepError> {
    let text = machine.read_text(path)?;
    text.parse().map_err(|_| StepError::Expectation {
        expected: format!("a number in {name}"),
        found: text.chars().take(64).collect(),
    })
}

/// A name becomes a path: nothing in it may lead elsewhere.
fn plain(name: &str) -> Result<&str, StepError> {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-');
    if letters && !name.is_empty() && !name.contains("..") && !name.starts_with('.') {
        return Ok(name);
    }
    Err(StepError::Expectation {
        expected: "the name of a setting".to_owned(),
        found: name.to_owned(),
    })
}
