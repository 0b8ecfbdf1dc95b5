//! Our files that keep settings over a boot, and what is read after them.
//!
//! Format: documented (modprobe.d(5), sysctl.d(5): syntax, folders and their order; `module.parameter=` on the kernel's command
//! line).
use std::{collections::BTreeMap, io};

use crd::{
    Fact, Unknown,
    snapshot::{FileImage, KeptSettings, OverrulingSetting, SETTINGS_FILE_LIMIT, SettingsFile},
};

use super::{host::names_of, reach::reason};
use crate::{
    access::AccessError,
    machine::Machine,
    settings_files::{
        after_ours, assignments, folders, from_command_line, in_reading_order, installed_with,
    },
};

/// Every settings file whose folder the machine has.
pub(crate) fn kept(machine: &Machine) -> BTreeMap<SettingsFile, Fact<KeptSettings>> {
    let mut kept = BTreeMap::new();
    for file in SettingsFile::ALL {
        match listings(machine, file) {
            Ok(Some(listings)) => {
                kept.insert(file, fact(machine, file, &listings));
            }
            Ok(None) => {}
            Err(error) => {
                kept.insert(file, Fact::unknown(reason(&error), error.path));
            }
        }
    }
    kept
}

/// What the folders hold; `None` where there is none for ours.
fn listings(
    machine: &Machine,
    file: SettingsFile,
) -> Result<Option<Vec<Vec<String>>>, AccessError> {
    let mut listings = Vec::new();
    for folder in folders(file) {
        match machine.list(folder) {
            Ok(names) => listings.push(names),
            Err(error) if is_missing(&error) && listings.is_empty() => return Ok(None),
            Err(error) if is_missing(&error) => listings.push(Vec::new()),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(listings))
}

fn is_missing(error: &AccessError) -> bool {
    error.source.kind() == io::ErrorKind::NotFound
}

fn fact(machine: &Machine, file: SettingsFile, listings: &[Vec<String>]) -> Fact<KeptSettings> {
    let image = match image(machine, file) {
        Ok(image) => image,
        Err(why) => return Fact::unknown(why, file.path()),
    };
    match overruling(machine, file, listings) {
        Ok(overruled) => Fact::known(KeptSettings { image, overruled }, file.path()),
        Err(error) => Fact::unknown(reason(&error), error.path),
    }
}

/// What stands at a settings file's place. A link is somebody's decision (one to `/dev/null` says that the file is not
/// wanted), and no text of ours is anything but UTF-8: neither is a file that could be put back.
pub(crate) fn image(machine: &Machine, file: SettingsFile) -> Result<FileImage, Unknown> {
    let path = file.path();
    if machine.readlink(path).is_ok() {
        return Err(Unknown::Malformed);
    }
    match machine.read(path) {
        Ok(bytes) if bytes.len() > SETTINGS_FILE_LIMIT => Err(Unknown::Malformed),
        Ok(bytes) => String::from_utf8(bytes)
            .map(FileImage::Text)
            .map_err(|_| Unknown::Malformed),
        Err(error) if is_missing(&error) => Ok(FileImage::Absent),
        Err(error) => Err(reason(&error)),
    }
}

/// A settings file's text; none where a link leads nowhere, which sets nothing.
fn text(machine: &Machine, path: &str) -> Result<Option<String>, AccessError> {
    match machine.read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn by(path: &str, set: Vec<(String, String)>) -> impl Iterator<Item = OverrulingSetting> {
    set.into_iter().map(|(name, value)| OverrulingSetting {
        name,
        value,
        by: path.to_owned(),
    })
}

fn overruling(
    machine: &Machine,
    file: SettingsFile,
    listings: &[Vec<String>],
) -> Result<Vec<OverrulingSetting>, AccessError> {
    let mut found = Vec::new();
    for path in after_ours(file, listings) {
        if let Some(text) = text(machine, &path)? {
            found.extend(by(&path, assignments(file, &text)));
        }
    }
    match file {
        SettingsFile::Modprobe => {
            let line = machine.read_text("/proc/cmdline").unwrap_or_default();
            found.extend(from_command_line(&line));
            for path in in_reading_order(file, listings) {
                if let Some(text) = text(machine, &path)? {
                    found.extend(by(&path, installed_with(&text)));
                }
            }
        }
        SettingsFile::Sysctl => {}
    }
    let ours = names_of(file);
    found.retain(|setting| ours.contains(&setting.name.as_str()));
    for setting in &mut found {
        setting.value = setting.value.chars().take(64).collect();
    }
    Ok(found)
}
