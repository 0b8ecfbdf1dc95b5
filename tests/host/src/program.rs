//! Programs of this machine, and what they print.
use std::{
    ffi::OsStr,
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

/// A program of this machine.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the programs that the tiers start"
    )]
    Command::new(program)
}

/// A program that the kernel kills when the thread that started it is gone, however that ended.
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut tied = command("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(program);
    tied
}

/// How a program ended, and what it printed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it exited with 0.
    pub succeeded: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error; why it did not start, where it did not.
    pub stderr: String,
}

impl Answer {
    /// Its output.
    ///
    /// # Panics
    /// With what it said instead, where it failed.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        reason = "often all that is expected is that it went well"
    )]
    pub fn expected(self) -> String {
        assert!(self.succeeded, "it failed: {}", self.stderr);
        self.stdout
    }
}

/// Runs a program to its end.
pub fn answer(command: &mut Command) -> Answer {
    said(command.stdin(Stdio::null()).output())
}

/// Runs a program to its end, on what it reads from standard input. It reads all of it before it prints.
pub fn answer_to(command: &mut Command, input: &str) -> Answer {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    said(piped.spawn().and_then(|mut child| {
        if let Some(mut standard) = child.stdin.take() {
            standard.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    }))
}

fn said(ended: io::Result<Output>) -> Answer {
    match ended {
        Ok(ended) => Answer {
            succeeded: ended.status.success(),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        },
        Err(error) => Answer {
            succeeded: false,
            stdout: String::new(),
            stderr: error.to_string(),
        },
    }
}

/// Runs a program that must succeed, and gives its standard output.
///
/// # Errors
/// When it does not start or fails, with what it said.
pub fn output(command: &mut Command) -> Result<String> {
    let ended = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {command:?}"))?;
    if !ended.status.success() {
        bail!(
            "{command:?} ended with {}: {}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// The last lines of a file.
#[must_use]
pub fn tail(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Says something to whoever runs this.
pub fn say(line: &str) {
    #[expect(clippy::print_stdout, reason = "the tiers' one printer")]
    {
        println!("{line}");
    }
}
