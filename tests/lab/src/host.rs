//! The machine that the lab runs on: its programs and its clock.
use std::{
    process::{Command, Output},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// A program of this machine.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the programs that the lab starts"
    )]
    Command::new(program)
}

/// The clock.
pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the lab's clock"
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
