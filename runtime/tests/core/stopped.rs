//! A build that somebody stops, or that may write no more: an exit code, a sentence, and nothing left behind.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::program::{BuildError, BuildOutcome, BuildRequest, build};
use sys::Deadline;
use tempfile::TempDir;

use crate::command::speaking;
use crate::programs::{checkpoint, request};

/// No machine is so slow that a process takes longer to get as far as it must.
const PATIENCE: Duration = Duration::from_mins(1);

/// `build` into `program` of a folder, under a shell that runs `before`; its standard input ends when the child is waited for,
/// or drops it.
fn start(before: &str, more: &[&str], checkpoint: &Path, place: &Path) -> Child {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested is the command, as a process"
    )]
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &format!("{before} exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_shardplane-worker"))
        .args(["build", "--shards", "1", "--checkpoint"])
        .arg(checkpoint)
        .arg("--out")
        .arg(place.join("program"))
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start")
}

/// Whether the process has the file open.
fn has_open(pid: u32, path: &Path) -> bool {
    let fds = fs::read_dir(format!("/proc/{pid}/fd"));
    let mut links = fds.into_iter().flatten().flatten();
    links.any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link == path))
}

fn names(place: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(place.path()).expect("a folder");
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Starts a build that waits for another builder, has it end by `by`, and checks how it does.
fn ends(more: &[&str], by: impl FnOnce(&mut Child), code: i32) {
    let checkpoint = speaking();
    let place = TempDir::new().expect("a folder");
    let lock = fs::canonicalize(place.path()).expect("a path");
    let lock = lock.join(".program.lock");
    let held = fs::File::create(&lock).expect("lock file");
    held.lock().expect("lock");
    let mut child = start("", more, checkpoint.path(), place.path());
    let deadline = Deadline::after(PATIENCE);
    while !has_open(child.id(), &lock) {
        assert!(!deadline.passed(), "it never came to its lock");
        std::thread::yield_now();
    }
    by(&mut child);
    let ended = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(code), "{said}");
    assert!(
        said.contains("stopped before the program was whole"),
        "{said}"
    );
    assert_eq!(names(&place), [".program.lock"]);
}

#[test]
fn a_signal_ends_a_build_with_its_code_and_nothing_left() {
    for (signal, code) in [
        (Signal::SIGINT, 130),
        (Signal::SIGQUIT, 130),
        (Signal::SIGTERM, 143),
    ] {
        let by = |child: &mut Child| {
            let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
            kill(pid, signal).expect("signal");
        };
        ends(&[], by, code);
    }
}

#[test]
fn the_end_of_its_supervisor_ends_a_build_with_nothing_left() {
    ends(&["--supervised"], |child| drop(child.stdin.take()), 143);
}

#[test]
fn the_largest_size_of_a_file_is_an_error_and_no_end() {
    let checkpoint = speaking();
    let place = TempDir::new().expect("a folder");
    let child = start("ulimit -f 1;", &[], checkpoint.path(), place.path());
    let ended = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(73), "{said}");
    assert!(said.contains("ulimit -f"), "{said}");
    assert_eq!(names(&place), Vec::<String>::new());
}

#[test]
fn a_stopped_build_leaves_nothing_and_neither_does_a_finished_one() {
    let checkpoint = checkpoint();
    // Stopped when it is asked for the first time, the second, and so on, until it is through.
    for turn in 1.. {
        let place = TempDir::new().expect("a folder");
        let out = place.path().join("program");
        let left = Cell::new(turn);
        let result = build(&BuildRequest {
            stop: &|| {
                left.set(left.get() - 1);
                left.get() == 0
            },
            ..request(checkpoint.path(), &out)
        });
        match result {
            Ok(_) => {
                assert!(turn > 10, "it was asked {turn} times alone");
                assert_eq!(names(&place), ["program"]);
                return;
            }
            Err(error) => {
                assert!(matches!(error, BuildError::Stopped), "{error}");
                assert_eq!(names(&place), Vec::<String>::new(), "{turn}");
            }
        }
    }
}

#[test]
fn whatever_is_read_to_its_end_asks_whether_to_stop() {
    let checkpoint = checkpoint();
    let place = TempDir::new().expect("a folder");
    let out = place.path().join("program");
    let (asked, packing, packed) = (Cell::new(0), Cell::new(None), Cell::new(0));
    let request = BuildRequest {
        // Without a key, the weights are hashed to know the program by.
        key: None,
        progress: &|progress| {
            if packing.get().is_none() {
                packing.set(Some(asked.get()));
            }
            if progress.done == progress.total {
                packed.set(asked.get());
            }
        },
        stop: &|| {
            asked.set(asked.get() + 1);
            false
        },
        ..request(checkpoint.path(), &out)
    };
    let built = build(&request).expect("build").manifest;
    let weights = fs::read_dir(checkpoint.path()).expect("a folder").count();
    let files = built.slices.len() + built.copies.len();
    let before = packing.get().expect("it told of its progress");
    assert!(before > weights, "{before} times for {weights} files");
    // Every slice goes to the disk, and every file is described.
    let after = asked.get() - packed.get();
    assert!(
        after > built.slices.len() + 2 * files,
        "{after} times for {files} files"
    );
    // The same again is hashed to see that it is whole.
    asked.set(0);
    assert_eq!(
        build(&request).expect("again").outcome,
        BuildOutcome::Reused
    );
    let again = asked.get();
    assert!(
        again > weights + 2 * files,
        "{again} times for {files} files"
    );
}

#[test]
fn whoever_waits_for_a_build_locks_what_has_the_name() {
    let (checkpoint, place) = (checkpoint(), TempDir::new().expect("a folder"));
    let out = place.path().join("program");
    let builds = || {
        let built = build(&request(checkpoint.path(), &out)).expect("build");
        built.outcome
    };
    // However they take turns, one builds it and the others find it.
    let outcomes: Vec<BuildOutcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(builds)).collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().expect("built"));
        ends.collect()
    });
    let fresh = outcomes.iter().filter(|end| **end == BuildOutcome::Fresh);
    assert_eq!(fresh.count(), 1, "{outcomes:?}");
}
