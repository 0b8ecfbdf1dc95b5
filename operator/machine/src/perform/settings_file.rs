//! Settings files of ours: written as a whole, or taken away, and read back.
//!
//! Format: documented (modprobe.d(5), sysctl.d(5)).
use crd::{
    Unknown,
    snapshot::{FileImage, SettingsFile},
};

use super::{Performed, StepError};
use crate::{machine::Machine, probe::kept};

pub(super) fn write(
    machine: &Machine,
    file: SettingsFile,
    before: &FileImage,
    after: &FileImage,
) -> Result<Performed, StepError> {
    let now = image(machine, file, before)?;
    if now == *after {
        return Ok(Performed::AlreadyDone);
    }
    if now != *before {
        return Err(StepError::Expectation {
            expected: format!("{file} {}", said(before)),
            found: match now {
                FileImage::Absent => "absent".to_owned(),
                FileImage::Text(_) => "another text".to_owned(),
            },
        });
    }
    let written = match after {
        FileImage::Text(text) => machine.replace(file.path(), text),
        FileImage::Absent => machine.remove(file.path()),
    };
    written.map_err(StepError::Write)?;
    let found =
        image(machine, file, after).map_err(|error| error.unseen(format!("{file} was written")))?;
    if found != *after {
        return Err(StepError::FileIgnored { file });
    }
    Ok(Performed::Changed {
        before: now.to_string(),
        after: found.to_string(),
    })
}

fn image(
    machine: &Machine,
    file: SettingsFile,
    expected: &FileImage,
) -> Result<FileImage, StepError> {
    kept::image(machine, file).map_err(|why| StepError::Expectation {
        expected: format!("{file} {}", said(expected)),
        found: match why {
            Unknown::Malformed => "a link, or no text".to_owned(),
            other => format!("unknown ({other:?})"),
        },
    })
}

/// What stands there, in few words: whole texts are for the ledger.
fn said(image: &FileImage) -> &'static str {
    match image {
        FileImage::Absent => "absent",
        FileImage::Text(_) => "with the text that was planned for",
    }
}
