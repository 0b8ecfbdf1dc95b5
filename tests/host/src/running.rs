//! A program that runs beside whoever started it, and ends with that.
use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{command, output, until};

/// A program that runs until this is dropped, and writes to a log.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it in a folder, its output to `NAME.log` there.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
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

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn has_ended(&mut self) -> Result<bool> {
        let ended = self.0.try_wait().context("asking a process")?;
        Ok(ended.is_some())
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it runs on.
    pub fn wait(&mut self) -> Result<()> {
        until("a process ends", || self.has_ended(), |ended| *ended)?;
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn signal(&self, name: &str) -> Result<()> {
        output(command("kill").args(["-s", name, &self.pid().to_string()]))?;
        Ok(())
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn crash(&mut self) -> Result<()> {
        self.0.kill().context("killing a process")?;
        self.0.wait().context("waiting for a process")?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}
