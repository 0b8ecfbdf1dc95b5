//! What is no file where one is expected: pipes that nobody writes to, sockets, links to devices that never end. Nothing waits
//! for them, each is a reason of its own, and everything else of the machine is there all the same.
use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use crd::{
    Unknown,
    snapshot::{HardwareSnapshot, SettingsFile},
};
use machine::probe;
use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::Value;

use crate::{
    linux::fixture,
    room::{Room, TWO_ULTRA, known},
    tree::{put, whole},
};

/// Longer than anything here takes on a busy machine; what takes longer waits for ever.
const LONG: Duration = Duration::from_mins(2);

/// What a function gives, or a failure where it does not come to an end.
pub(crate) fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, tell) = mpsc::channel();
    thread::spawn(move || told.send(run()));
    tell.recv_timeout(LONG)
        .expect("it came to an end, and well")
}

/// Puts something that is no file at a place.
type Put = fn(&Path);

fn pipe(place: &Path) {
    mkfifo(place, Mode::S_IRWXU).unwrap();
}

fn socket(place: &Path) {
    // A socket's name has no room for the whole path.
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("s");
    UnixListener::bind(&short).unwrap();
    fs::rename(short, place).unwrap();
}

fn zero(place: &Path) {
    symlink("/dev/zero", place).unwrap();
}

fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    whole(Room::of(TWO_ULTRA).machine(), folder.path());
    put(folder.path(), "etc/modprobe.d/z.conf", "# nothing\n");
    put(folder.path(), "usr/lib/sysctl.d/99-z.conf", "# nothing\n");
    folder
}

/// Every file that a kernel or an administrator would have put there, by its path below the root; programs are not read.
fn files(root: &Path, below: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}/{}", entry.file_name().display());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(root, &path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

fn probed(root: &Path) -> HardwareSnapshot {
    let root: PathBuf = root.to_owned();
    in_time(move || probe(&fixture(&root), &known()))
}

/// Paths that facts are known from.
fn sources(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(source)), Some(_)) =
                (object.get("source"), object.get("value"))
            {
                found.extend(source.split(' ').map(str::to_owned));
            }
            object.values().for_each(|value| sources(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| sources(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn known_from(snapshot: &HardwareSnapshot) -> Vec<String> {
    let mut found = Vec::new();
    sources(&serde_json::to_value(snapshot).unwrap(), &mut found);
    found
}

#[test]
fn one_pipe_is_one_reason() {
    let folder = tree();
    let before = probed(folder.path());
    for path in [
        "/etc/os-release",
        "/etc/group",
        "/proc/cmdline",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/self/status",
        "/proc/sys/kernel/osrelease",
        "/proc/sys/vm/max_map_count",
        "/sys/kernel/security/lockdown",
        "/proc/1/net/tcp",
        "/proc/1/net/tcp6",
    ] {
        let place = folder.path().join(&path[1..]);
        let text = fs::read(&place).unwrap();
        fs::remove_file(&place).unwrap();
        pipe(&place);
        let read = probed(folder.path());
        fs::remove_file(&place).unwrap();
        fs::write(&place, text).unwrap();
        let told = known_from(&read);
        assert!(!told.iter().any(|source| source == path), "{path}");
        assert!(told.len() < known_from(&before).len(), "{path}");
        assert_eq!(read.functions, before.functions, "{path}");
    }
}

#[test]
fn a_machine_without_a_single_file_is_told_at_once() {
    for put in [pipe as Put, socket, zero] {
        let folder = tree();
        let mut paths = Vec::new();
        for below in ["sys", "proc", "etc", "usr/lib", "opt/qti-aic/versions"] {
            files(folder.path(), below, &mut paths);
        }
        assert!(paths.len() > 100);
        for path in &paths {
            let place = folder.path().join(path);
            fs::remove_file(&place).unwrap();
            put(&place);
        }
        let read = probed(folder.path());
        assert_eq!(read.host.kernel.unknown, Some(Unknown::ReadFailed));
        // What it cannot read at all is told by its place.
        assert!(read.socs.is_empty() && !read.unread.is_empty());
    }
}

#[test]
fn a_settings_file_that_is_a_pipe_makes_what_overrules_ours_unknown() {
    let folder = tree();
    for (path, file) in [
        ("etc/modprobe.d/z.conf", SettingsFile::Modprobe),
        ("usr/lib/sysctl.d/99-z.conf", SettingsFile::Sysctl),
    ] {
        let place = folder.path().join(path);
        fs::remove_file(&place).unwrap();
        pipe(&place);
        let read = probed(folder.path());
        let kept = &read.settings.kept[&file];
        assert_eq!(kept.unknown, Some(Unknown::ReadFailed));
        assert!(kept.source.ends_with(path), "{}", kept.source);
        // One that says that a file is not wanted is no reason at all.
        fs::remove_file(&place).unwrap();
        symlink("/dev/null", &place).unwrap();
        assert!(probed(folder.path()).settings.kept[&file].value.is_some());
    }
}

#[test]
fn a_pipe_in_the_place_of_the_query_tools_file_costs_that_file_alone() {
    let folder = tree();
    let answers = folder.path().join("opt/qti-aic/tools/qaic-util.answers");
    fs::remove_file(answers.join("json")).unwrap();
    let without = probed(folder.path());
    fs::write(answers.join("pipe"), "").unwrap();
    let read = probed(folder.path());
    assert_eq!(read.socs, without.socs);
    assert!(read.socs.iter().all(|soc| soc.qid.value.is_some()));
}
