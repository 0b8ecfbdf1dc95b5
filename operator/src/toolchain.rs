//! The worker binary: where it is, what it says of itself, and how it is called. Its processes are started here alone.
use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crd::{Fact, Unknown, snapshot::WorkerToolchain};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{engine::interrupt::StopFlag, exit::Exit, failure::Failure};

/// The worker's program name.
pub const WORKER: &str = "shardplane-worker";

/// How often a running build is looked at for its end and for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);
/// And at first, once it has closed its standard error: it is about to end.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// A worker that is asked what it is answers at once; one that does not is broken.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The worker binary, where there is one.
#[derive(Clone, Debug)]
pub struct WorkerBinary {
    path: Option<PathBuf>,
}

/// How a called worker ended.
#[derive(Debug)]
pub enum Called {
    /// It ended by itself.
    Ended {
        /// Its exit code; absent when a signal ended it.
        code: Option<i32>,
        /// The signal that ended it; absent when it ended by itself.
        signal: Option<i32>,
        /// Standard output.
        stdout: String,
        /// The last lines of standard error.
        stderr: String,
    },
    /// Somebody asked for a stop, and it was stopped.
    Stopped,
}

/// What a signal that ended a process says of why.
pub fn killed_by(signal: i32) -> String {
    let name = Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |signal| signal.as_str().to_owned(),
    );
    if signal == Signal::SIGKILL as i32 {
        format!(
            "killed by {name}, most likely because memory ran out: look at the kernel's log (`dmesg`) or the memory limit of its cgroup, then free memory or declare a smaller precision, context or batch"
        )
    } else {
        format!("killed by {name}")
    }
}

impl WorkerBinary {
    /// The binary at this path, or none.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// The binary's path, or why there is none.
    pub fn path(&self) -> Result<&Path, Failure> {
        self.path.as_deref().ok_or_else(|| {
            Failure::said(
                Exit::Unavailable,
                format!("`{WORKER}` is neither beside `shardplane` nor on PATH"),
                "build it with `cargo build --workspace --bins`, or put it beside `shardplane`",
            )
        })
    }

    /// What it says of itself.
    pub fn toolchain(&self) -> Fact<WorkerToolchain> {
        let source = format!("{WORKER} toolchain");
        let Some(path) = &self.path else {
            return Fact::unknown(Unknown::ToolMissing, source);
        };
        let mut command = command(path);
        command.args(["toolchain", "-o", "json"]);
        command.stdin(Stdio::null());
        match call(command, &StopFlag::default(), Some(ANSWER_LIMIT), |_| {}) {
            Ok(Called::Ended {
                code: Some(0),
                stdout,
                ..
            }) => match serde_json::from_str(&stdout) {
                Ok(toolchain) => Fact::known(toolchain, source),
                Err(_) => Fact::unknown(Unknown::Malformed, source),
            },
            Ok(Called::Ended { .. } | Called::Stopped) | Err(_) => {
                Fact::unknown(Unknown::ToolFailed, source)
            }
        }
    }

    /// Runs `build` to its end; each line that it says on standard error is passed to `heard`. It has a pipe on standard
    /// input, which ends with us, however we end: nobody would wait for it any more.
    pub fn build<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        stop: &StopFlag,
        heard: impl Fn(&str),
    ) -> Result<Called, Failure> {
        let path = self.path()?;
        let mut command = command(path);
        command
            .arg("build")
            .args(arguments)
            .arg("--supervised")
            .stdin(Stdio::piped());
        call(command, stop, None, heard).map_err(|source| start_failed(path, &source))
    }

    /// Starts `serve` with a pipe on standard input (its end means: drain) and on standard output; what it says on
    /// standard error goes to `log`.
    pub fn serve<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        log: std::fs::File,
    ) -> Result<Child, Failure> {
        let path = self.path()?;
        command(path)
            .arg("serve")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|source| start_failed(path, &source))
    }
}

/// A worker in a process group of its own, so that Ctrl-C reaches us alone and we decide.
fn command(path: &Path) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the worker's processes"
    )]
    let mut command = Command::new(path);
    command.process_group(0);
    command
}

fn start_failed(path: &Path, source: &io::Error) -> Failure {
    Failure::said(
        Exit::Unavailable,
        format!("starting {}: {source}", path.display()),
        "",
    )
}

/// How long a worker that is asked to stop has for removing what it has begun.
const TERM_LIMIT: Duration = Duration::from_secs(5);

/// Asks a process to end, and ends it where it does not.
fn end(child: &mut Child) -> io::Result<()> {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended by now; then it is waited for all the same.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let mut waited = Duration::ZERO;
    while waited < TERM_LIMIT {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(LOOK);
        waited += LOOK;
    }
    child.kill()?;
    child.wait().map(drop)
}

/// Lines of standard error that are kept for the sentence about a failure.
const KEPT_LINES: usize = 20;

/// Runs a command, whose standard input is set, to its end. Where that is a pipe, its end stays ours until then.
fn call(
    mut command: Command,
    stop: &StopFlag,
    limit: Option<Duration>,
    heard: impl Fn(&str),
) -> io::Result<Called> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (lines, said) = mpsc::sync_channel::<String>(64);
    let errors = child.stderr.take();
    let reader = thread::spawn(move || {
        let lines_of = errors
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines());
        for line in lines_of.map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let output = child.stdout.take();
    let printed = thread::spawn(move || {
        let mut text = String::new();
        if let Some(output) = output {
            // An answer is short; what is beyond this bound is cut off.
            let _ = output.take(1 << 20).read_to_string(&mut text);
        }
        text
    });
    let mut kept: Vec<String> = Vec::new();
    let (mut waited, mut look) = (Duration::ZERO, FIRST_LOOK);
    let status = loop {
        match said.recv_timeout(LOOK) {
            Ok(line) => {
                heard(&line);
                if kept.len() == KEPT_LINES {
                    kept.remove(0);
                }
                kept.push(line);
                continue;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => waited += LOOK,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                thread::sleep(look);
                waited += look;
                look = LOOK.min(look * 2);
            }
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if stop.asked().is_some() || limit.is_some_and(|limit| waited > limit) {
            end(&mut child)?;
            return Ok(Called::Stopped);
        }
    };
    let _ = reader.join();
    kept.extend(said.try_iter());
    Ok(Called::Ended {
        code: status.code(),
        signal: status.signal(),
        stdout: printed.join().unwrap_or_default(),
        stderr: kept.join("\n"),
    })
}
