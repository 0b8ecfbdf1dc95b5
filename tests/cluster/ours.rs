//! Our own command: run to its end, or with what starts it, on a machine whose clock may be wrong.
use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use tests::binary;

/// The clock on the wall of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As here.
    Right,
    /// So many seconds ahead, or behind.
    Ahead(i64),
}

/// How a run of our command ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs our command to its end.
pub fn shardplane(arguments: &[&str]) -> Said {
    shardplane_at(Clock::Right, arguments)
}

/// The same under a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a test runs the command that people run"
)]
pub fn shardplane_at(clock: Clock, arguments: &[&str]) -> Said {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    let (program, arguments) = command(clock, arguments);
    let ended = Command::new(program)
        .args(arguments)
        .current_dir(tests::root())
        .stdin(Stdio::null())
        .output()
        .expect("shardplane starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said {
        code: ended.status.code(),
        stdout: text(ended.stdout),
        stderr: text(ended.stderr),
    }
}

/// What to start for our command with these arguments under a clock: with one heap, as the chart starts it.
pub fn command(clock: Clock, arguments: Vec<String>) -> (PathBuf, Vec<String>) {
    let mut all = vec!["MALLOC_ARENA_MAX=1".to_owned()];
    if let Clock::Ahead(seconds) = clock {
        let test = env::current_exe().expect("a test knows its own path");
        let shim = test.with_file_name("libclock.so");
        assert!(shim.is_file(), "{} is built with the tests", shim.display());
        all.push(format!("LD_PRELOAD={}", shim.display()));
        all.push(format!("CLOCK_AHEAD={seconds}"));
    }
    all.push(binary("shardplane").display().to_string());
    all.extend(arguments);
    (PathBuf::from("env"), all)
}
