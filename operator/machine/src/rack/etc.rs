//! Configuration files of a rack server: what lies below `/etc`, and what a boot makes of it.
use crd::{kind::rack::Server, snapshot::SettingsFile};

use super::{
    files::{Entry, View},
    host::timeout_parameter,
    live::Live,
};
use crate::settings_files::{assignments, folders, in_reading_order};

/// Whether a path is one of the files that a server has below `/etc`.
pub(crate) fn is_configuration(path: &str) -> bool {
    SettingsFile::ALL.iter().any(|&file| {
        let name = path
            .strip_prefix(folders(file)[0])
            .and_then(|rest| rest.strip_prefix('/'));
        name.is_some_and(|name| !name.is_empty() && !name.contains('/') && !name.starts_with('.'))
    })
}

/// What a path below `/etc` names.
pub(crate) fn entry(view: &View<'_>, rest: &[&str]) -> Option<Entry> {
    let files = &view.live().files;
    match rest {
        ["sysctl.d" | "modprobe.d"] => {
            let folder = format!("/etc/{}/", rest[0]);
            let names = files.keys().filter_map(|path| path.strip_prefix(&folder));
            Some(Entry::Folder(names.map(str::to_owned).collect()))
        }
        [folder, name] => {
            let text = files.get(&format!("/etc/{folder}/{name}"))?;
            Some(Entry::File(text.clone().into_bytes()))
        }
        _ => None,
    }
}

/// Sets what the files say, as a boot does before anything else runs.
pub(crate) fn at_boot(live: &mut Live, server: &Server) {
    let (parameter, unit) = timeout_parameter(server, 1);
    if let Some(value) = last(live, SettingsFile::Modprobe, parameter) {
        live.control_timeout_s = value / unit;
    }
    if let Some(value) = last(live, SettingsFile::Sysctl, "vm.max_map_count") {
        live.max_map_count = value;
    }
}

/// The last number that the files of this sort set.
fn last(live: &Live, file: SettingsFile, wanted: &str) -> Option<u64> {
    let prefix = format!("{}/", folders(file)[0]);
    let names = live
        .files
        .keys()
        .filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned))
        .collect();
    in_reading_order(file, &[names])
        .iter()
        .filter_map(|path| live.files.get(path))
        .flat_map(|text| assignments(file, text))
        .filter(|(name, _)| name == wanted)
        .filter_map(|(_, value)| value.parse().ok())
        .next_back()
}
