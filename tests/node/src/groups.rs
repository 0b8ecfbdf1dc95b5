//! Control groups of a run: one below the root of every hierarchy, which no namespace hides and no end of a process removes.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use host::{command, until};

use crate::place::Room;

const ROOT: &str = "/sys/fs/cgroup";
/// What a group of the first version of control groups does not take over from the one above it.
const COPIED: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// Every hierarchy: the folders below the root, or the root where there is but one.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let mut all: Vec<PathBuf> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        // Links are second names of a hierarchy.
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect();
    all.sort();
    all
}

/// Makes the groups of a room.
pub(crate) fn make(room: &Room) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(room.name());
        fs::create_dir_all(&group).with_context(|| format!("making {}", group.display()))?;
        for name in COPIED {
            if let Ok(value) = fs::read(hierarchy.join(name)) {
                fs::write(group.join(name), value)
                    .with_context(|| format!("writing {name} of {}", group.display()))?;
            }
        }
    }
    Ok(())
}

/// Ends every process in a room's groups, and removes the groups.
pub(crate) fn remove(room: &Room) -> Result<()> {
    until(
        "the groups go",
        || {
            let groups: Vec<PathBuf> = hierarchies()
                .into_iter()
                .flat_map(|hierarchy| below(&hierarchy.join(room.name())))
                .collect();
            for pid in groups.iter().flat_map(|group| members(group)) {
                // It may have ended meanwhile.
                let _gone = command("kill").args(["-s", "KILL", &pid]).output();
            }
            // The deepest first.
            for group in groups.iter().rev() {
                // One with somebody in it goes at the next look.
                let _stays = fs::remove_dir(group);
            }
            let left: Vec<PathBuf> = groups.into_iter().filter(|group| group.exists()).collect();
            Ok(left)
        },
        Vec::is_empty,
    )?;
    Ok(())
}

/// Processes of a group.
pub(crate) fn members(group: &Path) -> Vec<String> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A group and all below it, a group always before those in it.
pub(crate) fn below(group: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    if group.is_dir() {
        all.push(group.to_owned());
    }
    let mut next = 0;
    while let Some(group) = all.get(next).cloned() {
        let inside = fs::read_dir(group).into_iter().flatten().flatten();
        all.extend(
            inside
                .filter(|entry| entry.file_type().is_ok_and(|type_| type_.is_dir()))
                .map(|entry| entry.path()),
        );
        next += 1;
    }
    all
}
