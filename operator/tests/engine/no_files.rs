//! Something else in place of a file of the state directory: every verb says so at once, and none waits for it.
use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::lab::{Ended, Lab, ended};

/// A command that waits for a pipe waits forever; one that does not takes a second on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// Runs a command to its end, which comes soon.
fn soon(lab: &Lab, arguments: &[&str]) -> Ended {
    let command = lab.command(arguments, "state");
    let (sender, end) = mpsc::channel();
    thread::spawn(move || sender.send(ended(command)));
    end.recv_timeout(DEADLINE)
        .unwrap_or_else(|_| panic!("{arguments:?} still waits"))
}

fn pipe(at: &Path) {
    mkfifo(at, Mode::S_IRWXU).unwrap();
}

fn socket(at: &Path) {
    // Its name stays when nobody listens any more.
    drop(UnixListener::bind(at).unwrap());
}

fn device(at: &Path) {
    symlink("/dev/zero", at).unwrap();
}

/// Puts something else where a file of ours is, runs commands and puts the file back.
fn instead(file: &Path, put: fn(&Path), run: impl FnOnce()) {
    let kept = fs::read(file).ok();
    let _ = fs::remove_file(file);
    put(file);
    run();
    fs::remove_file(file).unwrap();
    if let Some(kept) = kept {
        fs::write(file, kept).unwrap();
    }
}

/// What is said of something, and what puts it there.
type Kind = (&'static str, fn(&Path));

const KINDS: [Kind; 3] = [
    ("a pipe stands there", pipe),
    ("a socket stands there", socket),
    ("a device stands there", device),
];

#[test]
fn what_is_no_file_is_said_and_not_waited_for() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared", "--yes"])
        .expect(0);
    let state = lab.path("state");
    let reads: [&[&str]; 3] = [&["status"], &["plan", "-f", "declared"], &["snapshot"]];
    let files = [
        // Which verbs read it: all, or the first so many.
        ("lab/aic-01/ledger.json", 3),
        ("lab/aic-01/rack/registers.json", 3),
        ("workers.json", 3),
        ("lab/aic-01/journal", 1),
    ];
    for (name, readers) in files {
        let file = state.join(name);
        for (says, put) in KINDS {
            instead(&file, put, || {
                for arguments in &reads[..readers] {
                    let told = soon(&lab, arguments);
                    assert_ne!(told.code, 0, "{name} {arguments:?}: {}", told.stdout);
                    assert!(
                        told.stderr.contains(says) && told.stderr.contains(name),
                        "{name} {arguments:?}: {}",
                        told.stderr
                    );
                }
            });
        }
    }
}

#[test]
fn what_writes_waits_for_nothing_either() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared", "--yes"])
        .expect(0);
    let state = lab.path("state");
    let apply = ["apply", "-f", "declared", "--yes"];
    for name in [
        "engine.lock",
        "lab/aic-01/rack/rack.lock",
        "lab/aic-01/journal",
    ] {
        for (says, put) in KINDS {
            instead(&state.join(name), put, || {
                let told = soon(&lab, &apply);
                assert_ne!(told.code, 0, "{name}: {}", told.stdout);
                assert!(told.stderr.contains(says), "{name}: {}", told.stderr);
            });
        }
    }
    for name in ["engine.lock.json", "control.sock", "models.json"] {
        instead(&state.join(name), pipe, || {
            soon(&lab, &["status"]).expect(0);
        });
    }
    soon(&lab, &apply).expect(0);
}

#[test]
fn a_state_directory_that_is_none_is_not_waited_for() {
    let lab = Lab::new();
    pipe(&lab.path("state"));
    for arguments in [&["status"][..], &["plan", "-f", "declared"], &["down"]] {
        let told = soon(&lab, arguments);
        assert_ne!(told.code, 0, "{arguments:?}: {}", told.stdout);
    }
}
