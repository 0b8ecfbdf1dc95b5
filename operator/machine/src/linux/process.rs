//! Programs of the machine: started without a shell, in a process group of their own that ends with them, with a deadline.
use std::{
    fs, io,
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};

use super::{
    Roots, clock,
    opened::{self, For},
    place, running,
};
use crate::access::{Invocation, MOST_OUTPUT, ToolError, ToolOutput};

/// How much of one stream is read before we look at the clock again: a tool that never stops talking still has a deadline.
const TURN: usize = 1 << 20;
/// How often we look whether a silent program has ended: at first, and at most after it has been silent for a while.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const SLOWEST_LOOK: Duration = Duration::from_millis(50);
/// How long an ended program's output may take to arrive; a grandchild that left its group may hold the pipe for ever.
const DRAIN: Duration = Duration::from_millis(500);

pub(crate) fn run(roots: &Roots, invocation: &Invocation) -> Result<ToolOutput, ToolError> {
    let program = find(roots, &invocation.program).ok_or_else(|| ToolError::Missing {
        program: invocation.program.clone(),
    })?;
    let start = |source| ToolError::Start {
        program: invocation.program.clone(),
        source,
    };
    let (folder, arguments) = materialise(invocation).map_err(start)?;
    let _with_us = running::folder(folder.path());
    let mut output = run_to_end(&program, &arguments, invocation).map_err(start)?;
    output.files = results(invocation, folder.path());
    Ok(output)
}

/// Writes the call's files into a fresh folder and puts its path for `{dir}`. The folder goes when the first value does.
pub(crate) fn materialise(invocation: &Invocation) -> io::Result<(tempfile::TempDir, Vec<String>)> {
    let folder = tempfile::Builder::new().prefix("shardplane-").tempdir()?;
    for (name, text) in &invocation.files {
        let path = folder.path().join(plain(name)?);
        // What failed is said of the program, and its disk may have room.
        fs::write(&path, text).map_err(|error| {
            io::Error::new(error.kind(), format!("writing {}: {error}", path.display()))
        })?;
    }
    for name in &invocation.results {
        plain(name)?;
    }
    let path = folder.path().to_string_lossy().into_owned();
    let arguments = invocation
        .arguments
        .iter()
        .map(|argument| argument.replace("{dir}", &path))
        .collect();
    Ok((folder, arguments))
}

/// A name that leads nowhere but into the call's own folder.
fn plain(name: &str) -> io::Result<&str> {
    let alone = Path::new(name).file_name().is_some_and(|only| only == name);
    if alone {
        return Ok(name);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{name}` is not a plain file name"),
    ))
}

/// The files that the program was to leave in the call's folder and that are there.
pub(crate) fn results(invocation: &Invocation, folder: &Path) -> Vec<(String, String)> {
    let read = |name: &String| {
        // What the tool put there is whatever the tool put there: a pipe would be read for ever, a link leads anywhere.
        let bytes = opened::read(&folder.join(name), For::ReadingNoLink).ok()?;
        Some((name.clone(), text(&bytes)))
    };
    invocation.results.iter().filter_map(read).collect()
}

pub(crate) fn find(roots: &Roots, program: &str) -> Option<PathBuf> {
    let candidates = if program.starts_with('/') {
        vec![place(roots, program)]
    } else {
        roots
            .search
            .iter()
            .map(|folder| folder.join(program))
            .collect()
    };
    candidates.into_iter().find(|path| path.is_file())
}

fn run_to_end(
    program: &Path,
    arguments: &[String],
    invocation: &Invocation,
) -> io::Result<ToolOutput> {
    let root = PathBuf::from("/");
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the starting of vendor tools"
    )]
    let mut command = Command::new(program);
    command
        .args(arguments)
        // What is read from them must not depend on a person's language.
        .env("LC_ALL", "C")
        .current_dir(invocation.directory.as_ref().unwrap_or(&root))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let (mut child, group) = running::start(|| command.spawn())?;
    let mut streams = [
        Stream::of(child.stdout.take().map(OwnedFd::from)),
        Stream::of(child.stderr.take().map(OwnedFd::from)),
    ];
    let end = clock::monotonic() + invocation.deadline;
    let ended = wait_for(&child, &mut streams, end);
    // While its leader is not reaped, the group's number is nobody else's: whatever runs in it goes now.
    kill_group(&child);
    drop(group);
    let status = child.wait()?;
    let timed_out = !ended?;
    drain(&mut streams)?;
    let [stdout, stderr] = streams;
    Ok(ToolOutput {
        status: if status.signal().is_some() {
            None
        } else {
            status.code()
        },
        stdout: text(&stdout.bytes),
        stderr: text(&stderr.bytes),
        timed_out,
        files: Vec::new(),
    })
}

/// Reads both streams until the program has ended; false where its time was over first.
fn wait_for(child: &Child, streams: &mut [Stream; 2], end: Instant) -> io::Result<bool> {
    let mut look = FIRST_LOOK;
    loop {
        if has_ended(child)? {
            return Ok(true);
        }
        let now = clock::monotonic();
        if now >= end {
            return Ok(false);
        }
        if pump(streams, look.min(end - now))? {
            look = FIRST_LOOK;
        } else {
            look = (look * 2).min(SLOWEST_LOOK);
        }
    }
}

/// Reads what an ended program left in its pipes.
fn drain(streams: &mut [Stream; 2]) -> io::Result<()> {
    let end = clock::monotonic() + DRAIN;
    while streams.iter().any(|stream| stream.pipe.is_some()) {
        let now = clock::monotonic();
        if now >= end {
            break;
        }
        pump(streams, end - now)?;
    }
    Ok(())
}

/// Waits until a stream has something to read, but no longer than `most`, and reads it; says whether there was anything.
fn pump(streams: &mut [Stream; 2], most: Duration) -> io::Result<bool> {
    let mut open: Vec<PollFd<'_>> = streams
        .iter()
        .filter_map(|stream| stream.pipe.as_ref())
        .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
        .collect();
    let wait =
        PollTimeout::try_from(most.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
    let ready = match poll(&mut open, wait) {
        Ok(ready) => ready > 0,
        Err(nix::errno::Errno::EINTR) => true,
        Err(error) => return Err(error.into()),
    };
    if ready {
        for stream in streams {
            stream.read()?;
        }
    }
    Ok(ready)
}

/// Whether the program has ended; it is not reaped yet.
fn has_ended(child: &Child) -> io::Result<bool> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(pid(child)), flags) {
        Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::EINTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn kill_group(child: &Child) {
    // Nobody but the leader may be left in the group; there is nothing to do about a failure.
    let _ = killpg(pid(child), Signal::SIGKILL);
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One of the program's streams: the pipe until it ends, and what came through it.
struct Stream {
    pipe: Option<fs::File>,
    bytes: Vec<u8>,
}

impl Stream {
    fn of(pipe: Option<OwnedFd>) -> Self {
        let pipe = pipe.filter(|pipe| {
            // A pipe that cannot be read without waiting is not read: a deadline must hold.
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok()
        });
        Self {
            pipe: pipe.map(fs::File::from),
            bytes: Vec::new(),
        }
    }

    /// Reads what is there now.
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 8192];
        for _ in 0..TURN / chunk.len() {
            let Some(pipe) = &mut self.pipe else {
                return Ok(());
            };
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = MOST_OUTPUT.saturating_sub(self.bytes.len()).min(count);
                    self.bytes.extend_from_slice(&chunk[..room]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
