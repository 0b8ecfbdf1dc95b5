//! Whose it is what stands where a ledger entry is about: what a boot itself set is not ours to take back.
use crd::snapshot::{
    Acs, FileImage, HardwareSnapshot, Ledger, LedgerEntry, LedgerTarget, SettingsFile,
};

use crate::view::{boot_id, is_rebooted};

/// Who left what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is of the boot in which we wrote last, or outlived a boot because we saw to that.
    Ours,
    /// The machine booted since our last write, and this is what it came up with.
    Boot,
}

/// Whose `now` is, which stands where the entry is about.
///
/// Boots write ports and settings anew, so that only what a file of ours keeps is still of us; partitioning and files
/// outlive boots, so that what stands as we left it is.
pub(crate) fn origin(
    entry: &LedgerEntry,
    now: &str,
    ledger: &Ledger,
    snapshot: &HardwareSnapshot,
) -> Origin {
    let ours = !is_rebooted(&entry.boot_id, snapshot)
        || match &entry.target {
            LedgerTarget::Acs { port: _, path: _ } => false,
            LedgerTarget::Mdp { soc: _ } | LedgerTarget::File { file: _ } => now == entry.written,
            LedgerTarget::Driver { name: _ } | LedgerTarget::Sysctl { name: _ } => {
                is_kept(&entry.target, now, ledger, snapshot)
            }
        };
    if ours { Origin::Ours } else { Origin::Boot }
}

/// What stands there now, as the ledger writes it; `None` where that is unknown or there is no such thing.
pub(crate) fn now(target: &LedgerTarget, snapshot: &HardwareSnapshot) -> Option<String> {
    match target {
        LedgerTarget::Acs { port, path: _ } => {
            let function = snapshot.functions.iter().find(|f| f.address == *port)?;
            match function.acs.get()? {
                Acs::None => None,
                Acs::Present { control, .. } => Some(control.to_string()),
            }
        }
        LedgerTarget::Mdp { soc } => {
            let found = snapshot.socs.iter().find(|found| found.address == *soc)?;
            found.mdp.get().map(ToString::to_string)
        }
        LedgerTarget::Driver { name } => {
            let fact = snapshot.settings.driver.get(name)?;
            fact.get().map(ToString::to_string)
        }
        LedgerTarget::Sysctl { name } => {
            let fact = snapshot.settings.sysctl.get(name)?;
            fact.get().map(ToString::to_string)
        }
        LedgerTarget::File { file } => {
            let kept = snapshot.settings.kept.get(file)?.get()?;
            Some(kept.image.to_string())
        }
    }
}

/// Whether a file of ours set this setting to this value when the machine booted.
pub(crate) fn is_kept(
    target: &LedgerTarget,
    value: &str,
    ledger: &Ledger,
    snapshot: &HardwareSnapshot,
) -> bool {
    let Some((file, name)) = keeper(target) else {
        return false;
    };
    let Some(entry) = outlived(file, ledger, snapshot) else {
        return false;
    };
    let seen = now(&entry.target, snapshot);
    let image = seen.as_ref().unwrap_or(&entry.written).parse();
    image.is_ok_and(|image| says(&image, file, name, value))
}

/// A file of ours is written anew or goes, which takes away the sign of what it set in this boot: whose the settings are
/// that it keeps is recorded before.
pub(crate) fn settle(
    ledger: &mut Ledger,
    (file, before): (SettingsFile, &FileImage),
    snapshot: &HardwareSnapshot,
) {
    let read = outlived(file, ledger, snapshot).is_some();
    for entry in &mut ledger.entries {
        let Some((by, name)) = keeper(&entry.target) else {
            continue;
        };
        if by != file || !is_rebooted(&entry.boot_id, snapshot) {
            continue;
        }
        let Some(value) = now(&entry.target, snapshot) else {
            continue;
        };
        if !(read && says(before, file, name, &value)) {
            entry.pre_image.clone_from(&value);
        }
        entry.written = value;
        entry.boot_id = boot_id(snapshot);
    }
}

/// The entry of a file of ours that stood there when the machine booted.
fn outlived<'a>(
    file: SettingsFile,
    ledger: &'a Ledger,
    snapshot: &HardwareSnapshot,
) -> Option<&'a LedgerEntry> {
    let target = LedgerTarget::File { file };
    let mut entries = ledger.entries.iter();
    entries.find(|entry| entry.target == target && is_rebooted(&entry.boot_id, snapshot))
}

/// The line of a file of ours that keeps a setting.
pub(crate) fn line(file: SettingsFile, name: &str, value: &str) -> String {
    match file {
        SettingsFile::Modprobe => format!("options qaic {name}={value}"),
        SettingsFile::Sysctl => format!("{name} = {value}"),
    }
}

fn says(image: &FileImage, file: SettingsFile, name: &str, value: &str) -> bool {
    match image {
        FileImage::Absent => false,
        FileImage::Text(text) => {
            let line = line(file, name, value);
            text.lines().any(|other| other == line)
        }
    }
}

/// The file that can keep it over a boot, and its name there.
fn keeper(target: &LedgerTarget) -> Option<(SettingsFile, &str)> {
    match target {
        LedgerTarget::Driver { name } => Some((SettingsFile::Modprobe, name)),
        LedgerTarget::Sysctl { name } => Some((SettingsFile::Sysctl, name)),
        LedgerTarget::Acs { port: _, path: _ }
        | LedgerTarget::Mdp { soc: _ }
        | LedgerTarget::File { file: _ } => None,
    }
}
