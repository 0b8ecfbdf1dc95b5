//! Programs that run now, and the folders of their calls: whoever ends without waiting for them takes them along.
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Child,
    sync::{Mutex, MutexGuard, PoisonError},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Of the whole process, as its end is.
static NOW: Mutex<Now> = Mutex::new(Now {
    over: false,
    groups: Vec::new(),
    folders: Vec::new(),
});

struct Now {
    over: bool,
    groups: Vec<Pid>,
    folders: Vec<PathBuf>,
}

fn now() -> MutexGuard<'static, Now> {
    // Nothing is left half-written by a panic: every change is one assignment.
    NOW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program's process group, which has its leader's number.
pub(super) struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        now().groups.retain(|group| *group != self.0);
    }
}

/// A call's folder.
pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        now().folders.retain(|folder| *folder != self.0);
    }
}

/// Starts a program that leads a group of its own. The group must be dropped before its leader is reaped: from then on the
/// number may be somebody else's.
pub(super) fn start(spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<(Child, Group)> {
    let mut now = now();
    if now.over {
        return Err(io::Error::other(
            "nothing is started any more: this is the end",
        ));
    }
    let child = spawn()?;
    let group = Pid::from_raw(child.id().cast_signed());
    now.groups.push(group);
    Ok((child, Group(group)))
}

/// Notes that a folder goes with its call.
pub(super) fn folder(path: &Path) -> Folder {
    now().folders.push(path.to_owned());
    Folder(path.to_owned())
}

/// Ends every program that runs for this process, with all that it started, and removes what was written for it; none is
/// started after. For whoever ends at once: else a tool would go on with a card that the next run takes for idle.
pub fn end_programs() {
    let mut now = now();
    now.over = true;
    for group in &now.groups {
        // One that has ended meanwhile is no failure, and there is nothing to do about any other.
        let _ = killpg(*group, Signal::SIGKILL);
    }
    for folder in &now.folders {
        let _ = fs::remove_dir_all(folder);
    }
}
