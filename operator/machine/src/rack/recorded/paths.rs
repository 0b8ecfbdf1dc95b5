//! Files of a recorded server: what stood in them, and those that could not be read then cannot be read now.
use std::{collections::BTreeMap, fmt::Write};

use crd::{
    Fact, Unknown,
    snapshot::{HardwareSnapshot, Prerequisites, SettingsFile},
};

use super::PARAMETERS;
use crate::{
    probe::missing::{NOTHING, QMONITOR_UNIT, UNITS},
    rack::files::{Entry, View, sorted, text},
    settings_files::folders,
};

/// More interrupts of a function, or IOMMUs of a machine, than there are: a number in a file must not fill memory.
pub(super) const MOST: u32 = 4096;

/// What a path names on a recorded server.
pub(crate) fn entry(view: &View<'_>, parts: &[&str]) -> Option<Answer> {
    let snapshot = view.server.recorded.as_deref()?;
    let path = format!("/{}", parts.join("/"));
    if let Some(why) = unreadable(snapshot, &path) {
        return Some(Answer(closed(why)));
    }
    if let Some(answer) = masked(snapshot, &path) {
        return Some(answer);
    }
    match parts {
        ["sys", "module", "qaic", "parameters", rest @ ..] if parameters(snapshot).is_some() => {
            let known = parameters(snapshot)?;
            match rest {
                [] => {
                    // Of the timeout's two names a rack has the first.
                    let other = |name: &str| {
                        PARAMETERS.iter().any(|(timeout, _)| *timeout == name)
                            && super::parameter(snapshot).is_none_or(|(first, _)| first != name)
                    };
                    let shown = known.keys().filter(|name| !other(name)).cloned();
                    return Some(Answer(names(shown)));
                }
                [name] if PARAMETERS.iter().all(|(timeout, _)| timeout != name) => {
                    let fact = known.get(*name);
                    return Some(
                        fact.map_or(Answer(None), |fact| answer(fact, |value| text(value))),
                    );
                }
                _ => {}
            }
        }
        ["sys", "module", "qaic", "parameters"] if snapshot.settings.driver.is_empty() => {
            return Some(Answer(None));
        }
        // What was looked for and not found is not there, beside other parameters too.
        ["sys", "module", "qaic", "parameters", name]
            if parameters(snapshot).is_some()
                && PARAMETERS.iter().any(|(timeout, _)| timeout == name)
                && super::parameter(snapshot).is_none() =>
        {
            return Some(Answer(None));
        }
        ["proc", "sys", "vm", "max_map_count"] if snapshot.settings.sysctl.is_empty() => {
            return Some(Answer(None));
        }
        ["proc", "meminfo"] => {
            let kib = snapshot.host.memory_mib.get()?.saturating_mul(1024);
            return Some(Answer(text(&format!(
                "MemTotal:       {kib} kB\nMemAvailable:   {} kB\n",
                kib / 10 * 9
            ))));
        }
        ["proc", "cpuinfo"] => return Some(Answer(text(&cpuinfo(snapshot)))),
        ["proc", "self", "status"] => return Some(Answer(text(&status(snapshot)?))),
        _ => {}
    }
    if let Some(answer) = settings_files(view, snapshot, &path) {
        return Some(answer);
    }
    premises(snapshot.prerequisites.as_ref()?, parts)
}

/// Folders of settings files and what lies in them: those that were recorded, and what was written since.
fn settings_files(view: &View<'_>, snapshot: &HardwareSnapshot, path: &str) -> Option<Answer> {
    let files = &view.live().files;
    SettingsFile::ALL.iter().find_map(|file| {
        let [ours, others @ ..] = folders(*file);
        let inside = |folder: &str| -> Vec<String> {
            let prefix = format!("{folder}/");
            let within = files.keys().filter_map(|path| path.strip_prefix(&prefix));
            within.map(str::to_owned).collect()
        };
        if path == ours {
            let there = snapshot.settings.kept.contains_key(file);
            return Some(Answer(there.then(|| Entry::Folder(inside(ours)))));
        }
        if let Some(folder) = others.iter().find(|folder| path == **folder) {
            let names = inside(folder);
            return Some(Answer((!names.is_empty()).then_some(Entry::Folder(names))));
        }
        let within = |folder: &&&str| {
            path.strip_prefix(**folder)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        others.iter().find(within)?;
        let text = files
            .get(path)
            .map(|text| Entry::File(text.clone().into_bytes()));
        Some(Answer(text))
    })
}

/// A folder of units in which qmonitor's was masked, and that unit.
fn masked(snapshot: &HardwareSnapshot, path: &str) -> Option<Answer> {
    let (folder, name) = snapshot.tools.qmonitor_masked.as_ref()?.rsplit_once('/')?;
    if !UNITS.contains(&folder) || name != QMONITOR_UNIT {
        return None;
    }
    match path.strip_prefix(folder)? {
        "" => Some(Answer(names(std::iter::once(name.to_owned())))),
        unit if unit.strip_prefix('/') == Some(name) => {
            Some(Answer(Some(Entry::Link(NOTHING.to_owned()))))
        }
        _ => None,
    }
}

/// What a recording says of a path: an entry, or that there is none.
pub(crate) struct Answer(pub(crate) Option<Entry>);

fn premises(asked: &Prerequisites, parts: &[&str]) -> Option<Answer> {
    Some(match parts {
        ["etc", "os-release"] => answer(&asked.distribution, |whole| {
            let (name, version) = whole.split_once(' ').unwrap_or((whole, ""));
            let version = if version.is_empty() {
                String::new()
            } else {
                format!("VERSION_ID=\"{version}\"\n")
            };
            text(&format!("ID={name}\n{version}"))
        }),
        ["etc", "group"] if asked.qaic_group.unknown == Some(Unknown::Absent) => {
            Answer(text("root:x:0:\n"))
        }
        ["etc", "group"] => answer(&asked.qaic_group, |id| {
            text(&format!("root:x:0:\nqaic:x:{id}:\n"))
        }),
        ["usr", "bin"] => answer(&asked.pythons, |versions| {
            names(versions.iter().map(|version| format!("python{version}")))
        }),
        ["sys", "firmware", "efi", "efivars", name] if name.starts_with("SecureBoot-") => {
            answer(asked.secure_boot.as_ref()?, |on| {
                Some(Entry::File(vec![6, 0, 0, 0, u8::from(*on)]))
            })
        }
        ["sys", "class", "iommu"] => answer(&asked.iommus, |count| {
            names((0..*count.min(&MOST)).map(|number| format!("iommu{number}")))
        }),
        ["sys", "class", "dmi", "id", file] => answer(&asked.product, |whole| {
            let (maker, product) = whole.split_once(' ').unwrap_or((whole, ""));
            match *file {
                "sys_vendor" => text(maker),
                "product_name" => text(product),
                _ => None,
            }
        }),
        ["sys", "module"] => answer(&asked.modules, |modules| names(modules.iter().cloned())),
        ["sys", "module", "qaic", "version"] => {
            answer(&asked.driver_version, |version| text(version))
        }
        // Tools can be run: their files are there or not as they are.
        ["opt", "qti-aic", "tools" | "exec"] => return None,
        ["opt", "qti-aic", rest @ ..] if rest.first() != Some(&"versions") => {
            answer(&asked.installed, |files| within(files, &rest.join("/")))
        }
        ["var", ..] => answer(&asked.vendor_operator, |marks| {
            within(marks, &format!("/{}", parts.join("/")))
        }),
        _ => return None,
    })
}

/// A fact's file, or why there is none.
pub(super) fn answer<T>(fact: &Fact<T>, make: impl FnOnce(&T) -> Option<Entry>) -> Answer {
    Answer(match fact.get() {
        Some(value) => make(value),
        None => closed(fact.unknown.unwrap_or(Unknown::Absent)),
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends arms that say whether there is such a folder"
)]
pub(super) fn names(names: impl Iterator<Item = String>) -> Option<Entry> {
    Some(Entry::Folder(sorted(names)))
}

/// The names of these files that lie in a folder.
fn within(files: &[String], folder: &str) -> Option<Entry> {
    let inside = files.iter().filter_map(|file| {
        let (place, name) = file.rsplit_once('/')?;
        (place == folder).then(|| name.to_owned())
    });
    names(inside)
}

fn parameters(snapshot: &HardwareSnapshot) -> Option<&BTreeMap<String, Fact<String>>> {
    snapshot.prerequisites.as_ref()?.driver_parameters.as_ref()
}

fn cpuinfo(snapshot: &HardwareSnapshot) -> String {
    let mut flags: Vec<&str> = vec!["fpu"];
    let features = snapshot.host.cpu_features.get().into_iter().flatten();
    flags.extend(features.map(String::as_str));
    let asked = snapshot.prerequisites.as_ref();
    // Where the product told, the processor did not.
    let flagged = |fact: &Fact<bool>| fact.get() == Some(&true) && fact.source == "/proc/cpuinfo";
    if asked.is_some_and(|asked| flagged(&asked.virtual_machine)) {
        flags.push("hypervisor");
    }
    format!("processor\t: 0\nflags\t\t: {}\n", flags.join(" "))
}

/// The reader's own status; nothing where it was not recorded.
fn status(snapshot: &HardwareSnapshot) -> Option<String> {
    let mut text = String::from("Name:\tshardplane\n");
    // Writing to a string cannot fail.
    if let Some(cpus) = snapshot.host.cpus.get() {
        let _ = writeln!(text, "Cpus_allowed_list:\t0-{}", cpus.saturating_sub(1));
    }
    let asked = snapshot.prerequisites.as_ref()?;
    if let Some(uid) = asked.reader.uid.get() {
        let _ = writeln!(text, "Uid:\t{uid}\t{uid}\t{uid}\t{uid}");
    }
    let member = asked.reader.in_qaic_group.get() == Some(&true);
    let groups = match (asked.qaic_group.get(), member) {
        (Some(qaic), true) => qaic.to_string(),
        // A group of its own, which is not the one that matters.
        (Some(qaic), false) => qaic.wrapping_add(1).to_string(),
        (None, _) => String::new(),
    };
    let _ = writeln!(
        text,
        "Gid:\t4294967294\t4294967294\t4294967294\t4294967294\nGroups:\t{groups} "
    );
    if let Some(admin) = asked.reader.sys_admin.get() {
        let bits = if *admin {
            "000001ffffffffff"
        } else {
            "0000000000000000"
        };
        let _ = writeln!(text, "CapEff:\t{bits}");
    }
    Some(text)
}

/// Why a path could not be read when the machine was recorded; nothing where it could, or was not tried.
fn unreadable(snapshot: &HardwareSnapshot, path: &str) -> Option<Unknown> {
    let HardwareSnapshot {
        boot_id,
        host,
        settings,
        tools,
        prerequisites,
        ..
    } = snapshot;
    let mut facts = vec![
        of(boot_id),
        of(&host.kernel),
        of(&host.command_line),
        of(&host.lockdown),
        of(&host.memory_mib),
        of(&host.cpu_features),
        of(&tools.platform_sdk),
        of(&tools.apps_sdk),
        of(&tools.qmonitor_running),
    ];
    facts.extend(settings.driver.values().map(of));
    facts.extend(settings.sysctl.values().map(of));
    facts.extend(settings.kept.values().map(of));
    if let Some(asked) = prerequisites {
        // Without the SDK's folder nothing below it is there either.
        let sdk = &asked.installed;
        if sdk.get().is_none() && path.starts_with("/opt/qti-aic/") {
            return sdk.unknown;
        }
    }
    // A fact that was looked for in several files names them all.
    let about = |sources: &str| sources.split(' ').any(|source| source == path);
    let mut unread = facts.into_iter().filter(|(sources, _)| about(sources));
    unread.find_map(|(_, unknown)| unknown)
}

fn of<T>(fact: &Fact<T>) -> (&str, Option<Unknown>) {
    (fact.source.as_str(), fact.unknown)
}

/// A path that cannot be read for a reason.
pub(super) fn closed(why: Unknown) -> Option<Entry> {
    match why {
        Unknown::Absent | Unknown::ToolMissing => None,
        Unknown::NoPermission | Unknown::Lockdown => Some(Entry::WriteOnly),
        Unknown::Malformed
        | Unknown::ShortRead
        | Unknown::ToolFailed
        | Unknown::TooLong
        | Unknown::NotReady
        | Unknown::ReadFailed => text("?"),
    }
}
