//! kubectl, as a person runs it.
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// What it printed.
#[derive(Debug)]
pub struct Answer {
    /// Whether it exited with 0.
    pub succeeded: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error: errors, and the server's warnings.
    pub stderr: String,
}

impl Answer {
    /// Its output, or a panic with what it said instead.
    #[track_caller]
    pub fn expected(self) -> String {
        assert!(self.succeeded, "kubectl failed: {}", self.stderr);
        self.stdout
    }
}

/// Runs it with a kubeconfig, its caches in a folder. It waits at most half a minute for the server.
#[expect(
    clippy::disallowed_methods,
    reason = "a test runs the command that people run"
)]
pub fn run(program: &Path, kubeconfig: &Path, folder: &Path, arguments: &[&str]) -> Answer {
    let ended = Command::new(program)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg("--request-timeout=30s")
        .args(arguments)
        .env("HOME", folder)
        .current_dir(tests::root())
        .stdin(Stdio::null())
        .output()
        .expect("kubectl starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Answer {
        succeeded: ended.status.success(),
        stdout: text(ended.stdout),
        stderr: text(ended.stderr),
    }
}
