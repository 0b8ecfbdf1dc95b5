//! Real processes: a tool that hangs, floods, forks, hides or lies is ended with all that it started, and what it said is kept.
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use machine::{Invocation, Machine, Roots, ToolError, ToolOutput};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::no_files::in_time;

/// Longer than any run of these on a busy machine; a test that waits for it has failed.
const LONG: Duration = Duration::from_mins(2);
/// Long enough for a shell to start on a busy machine.
const SHORT: Duration = Duration::from_secs(3);

fn stubborn(how: &str, folder: &Path, deadline: Duration) -> ToolOutput {
    let tools = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
    let machine = Machine::linux(Roots {
        search: vec![tools],
        ..Roots::default()
    });
    let notes = folder.display().to_string();
    machine
        .run(&Invocation::new("stubborn", &[how, &notes], deadline))
        .expect("it starts")
}

/// Whether the process whose number a tool noted down still runs.
fn runs(folder: &Path, note: &str) -> bool {
    let pid = fs::read_to_string(folder.join(note)).expect("the note is there");
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // A dead process that nobody has reaped yet runs no more.
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Whether it ends: the signal was sent before the call returned, and a busy kernel delivers it when it comes to it.
fn ends(folder: &Path, note: &str) -> bool {
    (0..500_000).any(|_| {
        std::thread::yield_now();
        !runs(folder, note)
    })
}

#[test]
fn a_hanging_tool_goes_with_its_grandchildren() {
    let folder = tempfile::tempdir().unwrap();
    let output = stubborn("children", folder.path(), SHORT);
    assert_eq!((output.status, output.timed_out), (None, true));
    assert_eq!(output.stdout, "early\n");
    for note in ["tool", "child", "grandchild"] {
        assert!(ends(folder.path(), note), "{note}");
    }
}

#[test]
fn what_a_tool_leaves_running_goes_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = stubborn("leftover", folder.path(), LONG);
    assert_eq!((output.status, output.timed_out), (Some(0), false));
    assert_eq!(output.stdout, "done\n");
    assert!(ends(folder.path(), "child"));
}

/// What left the group is not ours to find; but it cannot hold the call up.
#[test]
fn a_pipe_held_by_a_runaway_does_not_hold_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let output = stubborn("escaped", folder.path(), LONG);
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), "done\n"));
    assert!(runs(folder.path(), "child"), "the pipe was really held");
    let pid = fs::read_to_string(folder.path().join("child")).unwrap();
    kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn closed_streams_are_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let output = stubborn("silent", folder.path(), Duration::from_millis(400));
    assert_eq!((output.status, output.timed_out), (None, true));
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
}

#[test]
fn endless_output_is_bounded_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let output = stubborn("flood", folder.path(), Duration::from_millis(1500));
    assert!(output.timed_out);
    assert!(output.stdout.starts_with("stubborn\n"));
    assert!(output.stdout.len() <= 16 << 20, "{}", output.stdout.len());
}

#[test]
fn bytes_are_made_text_and_a_lie_is_not_believed_here() {
    let folder = tempfile::tempdir().unwrap();
    let output = stubborn("garbage", folder.path(), LONG);
    assert_eq!(output.status, Some(0));
    assert_eq!(
        output.stdout, "QID 0\n\tStatus:\u{fffd}\u{fffd}\n\0\n",
        "as far as it is text"
    );
    let output = stubborn("input", folder.path(), LONG);
    assert_eq!(output.stdout, "end\n", "standard input is closed");
    let output = stubborn("words", folder.path(), LONG);
    assert_eq!(output.stdout, "C\n", "messages in one language");
    let output = stubborn("nothing", folder.path(), LONG);
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (Some(255), "what?\n")
    );
}

#[test]
fn files_that_a_tool_leaves_come_back() {
    let machine = Machine::linux(Roots {
        search: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools")],
        ..Roots::default()
    });
    let mut call = Invocation::new("stubborn", &["result", "{dir}"], LONG);
    call.results = vec!["result.json".to_owned(), "other.json".to_owned()];
    let output = machine.run(&call).unwrap();
    let expected = ("result.json".to_owned(), r#"{"device_info":[]}"#.to_owned());
    assert_eq!(output.files, [expected]);
    call.results = vec!["../result.json".to_owned()];
    assert!(matches!(machine.run(&call), Err(ToolError::Start { .. })));
}

#[test]
fn what_is_no_file_does_not_hold_the_call() {
    let machine = Machine::linux(Roots {
        search: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools")],
        ..Roots::default()
    });
    let mut call = Invocation::new("stubborn", &["no-file", "{dir}"], LONG);
    call.results = ["pipe", "link", "folder", "file"].map(str::to_owned).into();
    let output = in_time(move || machine.run(&call).unwrap());
    assert_eq!(output.files, [("file".to_owned(), "{}".to_owned())]);
}
