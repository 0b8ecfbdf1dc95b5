//! Whoever ends at once takes along what runs for it. A program of its own: nothing is started after that.
use std::{fs, path::PathBuf, thread, time::Duration};

use machine::{Invocation, Machine, Roots, ToolError, end_programs};

/// Longer than this test may take.
const LONG: Duration = Duration::from_mins(2);

/// Whether the process that a tool noted down is gone, or dead and not reaped yet.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}

#[test]
fn a_tool_at_work_goes_with_all_that_it_started_and_its_folder() {
    let machine = || {
        Machine::linux(Roots {
            search: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools")],
            ..Roots::default()
        })
    };
    let notes = tempfile::tempdir().unwrap();
    let note = |name: &str| fs::read_to_string(notes.path().join(name)).unwrap_or_default();
    let folder = notes.path().display().to_string();
    let mut hanging = Invocation::new("stubborn", &["children", &folder], LONG);
    hanging.files = vec![("mark".to_owned(), folder.clone())];
    let other = machine();
    let at_work = thread::spawn(move || other.run(&hanging));
    while ["tool", "child", "grandchild"]
        .iter()
        .any(|name| !note(name).ends_with('\n'))
    {
        thread::yield_now();
    }
    let of_call = fs::read_dir(std::env::temp_dir())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| fs::read_to_string(path.join("mark")).is_ok_and(|mark| mark == folder))
        .expect("the call has a folder");
    end_programs();
    assert!(!of_call.exists(), "{}", of_call.display());
    let output = at_work.join().expect("it ends").expect("it had started");
    assert_eq!((output.status, output.timed_out), (None, false));
    for name in ["tool", "child", "grandchild"] {
        while !has_ended(&note(name)) {
            thread::yield_now();
        }
    }
    let next = Invocation::new("stubborn", &["nothing"], LONG);
    assert!(matches!(machine().run(&next), Err(ToolError::Start { .. })));
}
