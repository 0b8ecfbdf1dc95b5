//! Files that set kernel and driver settings: their syntax, the order in which they are read, and what comes after ours.
use crd::snapshot::{OverrulingSetting, SettingsFile};

/// The kernel module whose options are the driver's parameters.
const MODULE: &str = "qaic";

/// The folders that hold such files. A file in an earlier folder hides those of the same name in later ones
/// (sysctl.d(5), modprobe.d(5)).
pub(crate) fn folders(file: SettingsFile) -> [&'static str; 4] {
    match file {
        SettingsFile::Modprobe => [
            "/etc/modprobe.d",
            "/run/modprobe.d",
            "/usr/local/lib/modprobe.d",
            "/usr/lib/modprobe.d",
        ],
        SettingsFile::Sysctl => [
            "/etc/sysctl.d",
            "/run/sysctl.d",
            "/usr/local/lib/sysctl.d",
            "/usr/lib/sysctl.d",
        ],
    }
}

/// Settings that a text of this sort of file makes, by the names that a snapshot has, in order. Lines that say nothing
/// to us, wrong ones too, are passed over as their readers do.
pub(crate) fn assignments(file: SettingsFile, text: &str) -> Vec<(String, String)> {
    match file {
        SettingsFile::Sysctl => text.lines().filter_map(sysctl).collect(),
        SettingsFile::Modprobe => {
            let whole = joined(text);
            whole.lines().flat_map(options).collect()
        }
    }
}

/// `key = value`; a `-` before the key only makes a failure silent, and slashes may stand for dots.
fn sysctl(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let key = key.strip_prefix('-').unwrap_or(key);
    Some((key.replace('/', "."), value.trim().to_owned()))
}

/// Driver parameters that a command gives which is run in place of loading the driver (`install qaic …`). Wherever such a file
/// stands: what the command gives comes after every option, and only the shell that runs it knows for certain.
pub(crate) fn installed_with(text: &str) -> Vec<(String, String)> {
    let whole = joined(text);
    let given = whole.lines().flat_map(|line| named(line, "install"));
    given
        .map(|(name, value)| (name, value.trim_end_matches([';', '"', '\'']).to_owned()))
        .collect()
}

/// A backslash at a line's end goes on with the next.
fn joined(text: &str) -> String {
    text.replace("\\\n", "")
}

/// `options qaic name=value …`
fn options(line: &str) -> Vec<(String, String)> {
    named(line, "options")
}

/// What a line of this command for the driver gives.
fn named(line: &str, command: &str) -> Vec<(String, String)> {
    let mut words = line.split_whitespace();
    if words.next() != Some(command) || words.next() != Some(MODULE) {
        return Vec::new();
    }
    words.filter_map(option).collect()
}

/// `name=value`; the kernel takes a dash in a parameter's name for an underscore.
fn option(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.replace('-', "_"), value.trim_matches('"').to_owned()))
}

/// Driver parameters on the kernel's command line, `qaic.name=value`. kmod reads it after every file.
pub(crate) fn from_command_line(line: &str) -> Vec<OverrulingSetting> {
    let prefix = format!("{MODULE}.");
    line.split_whitespace()
        .filter_map(|word| option(word.strip_prefix(&prefix)?))
        .map(|(name, value)| OverrulingSetting {
            name,
            value,
            by: "/proc/cmdline".to_owned(),
        })
        .collect()
}

/// Files in the order in which they are read, out of the folders' listings in their order.
pub(crate) fn in_reading_order(file: SettingsFile, listings: &[Vec<String>]) -> Vec<String> {
    let mut read = std::collections::BTreeMap::new();
    for (folder, names) in folders(file).iter().zip(listings) {
        let read_by =
            |name: &&String| name.strip_suffix(".conf").is_some() && !name.starts_with('.');
        for name in names.iter().filter(read_by) {
            read.entry(name.clone())
                .or_insert_with(|| format!("{folder}/{name}"));
        }
    }
    read.into_values().collect()
}

/// Files that are read after ours.
pub(crate) fn after_ours(file: SettingsFile, listings: &[Vec<String>]) -> Vec<String> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let ours = name(file.path());
    let mut files = in_reading_order(file, listings);
    files.retain(|path| name(path) > ours);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: SettingsFile, text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(assignments(file, text), expected, "{text}");
    }

    #[test]
    fn kernel_settings_are_read_as_systemd_and_procps_do() {
        check(
            SettingsFile::Sysctl,
            "# vm.max_map_count = 1\n; vm.max_map_count = 2\n\nvm.max_map_count=3\n  -vm/max_map_count =  4 \nnonsense\n",
            &[("vm.max_map_count", "3"), ("vm.max_map_count", "4")],
        );
    }

    #[test]
    fn driver_options_are_read_as_kmod_does() {
        check(
            SettingsFile::Modprobe,
            "#options qaic a=1\noptions other control_resp_timeout_s=2\noptions qaic control-resp-timeout_s=3 b=\"4\"\n\
             options qaic \\\n  c=5\nblacklist qaic\noptions qaic flag\n",
            &[("control_resp_timeout_s", "3"), ("b", "4"), ("c", "5")],
        );
        assert_eq!(
            installed_with(
                "install other /bin/true a=1\n#install qaic x=1\ninstall qaic /sbin/modprobe --ignore-install qaic \\\n  control-resp-timeout_s=9; true\noptions qaic c=5\n"
            ),
            [("control_resp_timeout_s".to_owned(), "9".to_owned())]
        );
        let [only] = from_command_line("quiet qaic.control_resp_timeout_s=60 qaicx.a=1 ro")
            .try_into()
            .unwrap();
        assert_eq!(
            (only.name.as_str(), only.value.as_str()),
            ("control_resp_timeout_s", "60")
        );
    }

    #[test]
    fn a_name_is_read_once_and_later_names_after_ours() {
        let listing = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let listings: [Vec<String>; 4] = [
            listing(&[
                ".91-x.conf",
                "10-a.conf",
                "90-shardplane.conf",
                "99-mine.conf",
                "README",
            ]),
            listing(&["95-run.conf"]),
            listing(&[]),
            listing(&["99-mine.conf", "50-default.conf", "99-other.conf~"]),
        ];
        assert_eq!(
            in_reading_order(SettingsFile::Sysctl, &listings),
            [
                "/etc/sysctl.d/10-a.conf",
                "/usr/lib/sysctl.d/50-default.conf",
                "/etc/sysctl.d/90-shardplane.conf",
                "/run/sysctl.d/95-run.conf",
                "/etc/sysctl.d/99-mine.conf",
            ]
        );
        assert_eq!(
            after_ours(SettingsFile::Sysctl, &listings),
            ["/run/sysctl.d/95-run.conf", "/etc/sysctl.d/99-mine.conf"]
        );
    }
}
