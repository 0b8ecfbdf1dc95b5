//! ACS: clearing and restoring redirect bits of one port, by read-modify-write of two bytes, and reading them back.
//!
//! Format: documented (the PCI Express specification's capability, through the kernel's `config` file).
use crd::{
    Unknown,
    id::Word,
    snapshot::Acs,
    step::{ACS_REDIRECT_MASK, PortRef},
};

use super::{
    Performed, StepError,
    switchtec::{Way, write_acs},
};
use crate::{
    config::ConfigSpace,
    machine::Machine,
    probe::pci::{DEVICES, place},
};

/// Configuration space of a PCI Express function.
const CONFIG: usize = 4096;

/// Clears `mask` in a port's control word.
pub(super) fn clear(
    machine: &Machine,
    port: &PortRef,
    before: Word,
    mask: Word,
) -> Result<Performed, StepError> {
    change(machine, port, before, mask, Word(0))
}

/// Puts the bits of `mask` in a port's control word back as they are in `pre_image`.
pub(super) fn restore(
    machine: &Machine,
    port: &PortRef,
    before: Word,
    pre_image: Word,
    mask: Word,
) -> Result<Performed, StepError> {
    change(machine, port, before, mask, pre_image)
}

/// A port's ACS control word and where it stands; a port without the capability cannot be written.
fn control(machine: &Machine, port: &PortRef) -> Result<(u64, Word), StepError> {
    present(machine, port)?.ok_or_else(|| StepError::Expectation {
        expected: format!("an ACS control word at {}", port.address),
        found: "no ACS capability".to_owned(),
    })
}

/// A port's ACS control word and where it stands; `None` where the configuration space was read whole and has none.
pub(super) fn present(machine: &Machine, port: &PortRef) -> Result<Option<(u64, Word)>, StepError> {
    let folder = format!("{DEVICES}/{}", port.address);
    let target = machine.readlink(&folder)?;
    let found = place(&target, port.address).map(|(path, _)| path);
    if found.as_ref() != Some(&port.path) {
        return Err(StepError::Expectation {
            expected: format!("{} wired at {}", port.address, port.path),
            found: found.map_or_else(|| target.clone(), |path| path.to_string()),
        });
    }
    let bytes = machine.pread(&format!("{folder}/config"), 0, CONFIG)?;
    match ConfigSpace(&bytes).acs() {
        Ok(Acs::Present {
            offset,
            capability: _,
            control,
        }) => Ok(Some((u64::from(offset) + 6, control))),
        Ok(Acs::None) => Ok(None),
        Err(why) => Err(StepError::Expectation {
            expected: format!("an ACS control word at {}", port.address),
            found: format!("unknown ({})", word_of(why)),
        }),
    }
}

fn change(
    machine: &Machine,
    port: &PortRef,
    before: Word,
    mask: Word,
    bits: Word,
) -> Result<Performed, StepError> {
    if mask.0 & !ACS_REDIRECT_MASK != 0 {
        return Err(StepError::Expectation {
            expected: format!("bits within {}", Word(ACS_REDIRECT_MASK)),
            found: mask.to_string(),
        });
    }
    let (at, now) = control(machine, port)?;
    let wanted = Word(now.0 & !mask.0 | bits.0 & mask.0);
    if now == wanted {
        return Ok(Performed::AlreadyDone);
    }
    if now != before {
        return Err(StepError::Expectation {
            expected: format!("ACS control {before} at {}", port.address),
            found: now.to_string(),
        });
    }
    let path = format!("{DEVICES}/{}/config", port.address);
    let write = |word: Word| {
        let written = machine.pwrite(&path, at, &word.0.to_le_bytes());
        written.map_err(StepError::Write)
    };
    let read_back = || match control(machine, port) {
        Ok((_, word)) => Ok(word),
        Err(error) => Err(error.unseen(format!("ACS control of {} was written", port.address))),
    };
    write(wanted)?;
    let mut found = read_back()?;
    let mut way = Way::None;
    if found.0 & mask.0 != wanted.0 & mask.0 {
        way = write_acs(machine, port, wanted);
        if way == Way::Taken {
            found = read_back()?;
        }
    }
    if found.0 & mask.0 != wanted.0 & mask.0 && found.0 & mask.0 != now.0 & mask.0 {
        write(now)?;
        let mut left = read_back()?;
        if left.0 & mask.0 != now.0 & mask.0 && write_acs(machine, port, now) == Way::Taken {
            left = read_back()?;
        }
        return Err(StepError::WritePartial {
            port: port.address,
            wanted,
            found,
            left,
        });
    }
    if found.0 & mask.0 != wanted.0 & mask.0 {
        let port = port.address;
        return Err(match way {
            Way::NoTool => StepError::WriteDropped {
                port,
                wanted,
                found,
            },
            Way::Taken | Way::None => StepError::WriteIgnored {
                port,
                wanted,
                found,
            },
        });
    }
    Ok(Performed::Changed {
        before: now.to_string(),
        after: found.to_string(),
    })
}

fn word_of(why: Unknown) -> &'static str {
    match why {
        Unknown::NoPermission => "not permitted",
        Unknown::Lockdown => "kernel lockdown",
        Unknown::ShortRead => "short read",
        Unknown::Malformed => "malformed",
        Unknown::Absent => "absent",
        Unknown::ToolMissing => "tool missing",
        Unknown::ToolFailed => "tool failed",
        Unknown::TooLong => "too long",
        Unknown::NotReady => "not answering",
        Unknown::ReadFailed => "read failed",
    }
}
