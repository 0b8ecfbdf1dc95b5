//! The machine that the node runs on: its programs, its clock, and waiting for what takes time.
use std::{
    fmt::Debug,
    fs::File,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// How long anything may take that takes seconds on a quiet machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);
/// Between two looks at what is waited for: each look starts a program.
const PAUSE: Duration = Duration::from_millis(100);

/// A program of this machine.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the programs that the harness starts"
    )]
    Command::new(program)
}

/// The clock.
pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the harness's clock"
    )]
    Instant::now()
}

/// Runs a program that must succeed, and gives its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {command:?}"))?;
    if !status.success() {
        bail!(
            "{command:?} ended with {status}: {}",
            String::from_utf8_lossy(&stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// A program that runs until this is dropped, and writes to a log.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, its output to `NAME.log` in a folder.
    pub(crate) fn start(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.log")))
            .with_context(|| format!("opening the log of {name}"))?;
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing a log")?)
            .stderr(log)
            // Ctrl-C on the terminal is for whoever decides what ends first.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self(child))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Asks again and again until `is` says so, or fails with what was said last.
pub(crate) fn until<T: Debug>(
    what: &str,
    ask: impl FnMut() -> Result<T>,
    is: impl Fn(&T) -> bool,
) -> Result<T> {
    within(LIMIT, what, ask, is)
}

/// The same, with a limit.
pub(crate) fn within<T: Debug>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<T>,
    is: impl Fn(&T) -> bool,
) -> Result<T> {
    let end = now() + limit;
    loop {
        let answer = ask();
        match answer {
            Ok(answer) if is(&answer) => return Ok(answer),
            Ok(answer) if now() >= end => bail!("{what}: still {answer:?}"),
            Err(error) if now() >= end => return Err(error.context(what.to_owned())),
            Ok(_) | Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Says something to whoever runs this.
pub(crate) fn say(line: &str) {
    #[expect(clippy::print_stdout, reason = "the harness's one printer")]
    {
        println!("{line}");
    }
}
