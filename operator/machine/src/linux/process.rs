//! Programs of the machine: started without a shell, in a process group of their own, with a deadline.
use std::{
    fs, io,
    io::Read,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{Roots, clock, place};
use crate::access::{Invocation, ToolError, ToolOutput};

/// Output beyond this is read and dropped.
const MOST_OUTPUT: usize = 16 << 20;
/// How often we look whether a program has ended.
const POLL: Duration = Duration::from_millis(5);
/// How long a closed program's output may take to arrive; a grandchild that escaped its group may hold the pipe for ever.
const DRAIN: Duration = Duration::from_millis(500);

pub(crate) fn run(roots: &Roots, invocation: &Invocation) -> Result<ToolOutput, ToolError> {
    let program = find(roots, &invocation.program).ok_or_else(|| ToolError::Missing {
        program: invocation.program.clone(),
    })?;
    let start = |source| ToolError::Start {
        program: invocation.program.clone(),
        source,
    };
    let (_folder, arguments) = materialise(invocation).map_err(start)?;
    run_to_end(&program, &arguments, invocation).map_err(start)
}

/// Writes the call's files into a fresh folder and puts its path for `{dir}`. The folder goes when the first value does.
pub(crate) fn materialise(invocation: &Invocation) -> io::Result<(tempfile::TempDir, Vec<String>)> {
    let folder = tempfile::Builder::new().prefix("shardplane-").tempdir()?;
    for (name, text) in &invocation.files {
        let plain = Path::new(name)
            .file_name()
            .is_some_and(|only| only == name.as_str());
        if !plain {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{name}` is not a plain file name"),
            ));
        }
        fs::write(folder.path().join(name), text)?;
    }
    let path = folder.path().to_string_lossy().into_owned();
    let arguments = invocation
        .arguments
        .iter()
        .map(|argument| argument.replace("{dir}", &path))
        .collect();
    Ok((folder, arguments))
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
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(invocation.directory.as_ref().unwrap_or(&root))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());

    let deadline = clock::now().plus(invocation.deadline);
    let mut timed_out = false;
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if clock::now() >= deadline {
            timed_out = true;
            kill_group(child.id());
            break child.wait()?;
        }
        thread::sleep(POLL);
    };
    // What it left running in its group must not outlive the call.
    kill_group(child.id());
    Ok(ToolOutput {
        status: if status.signal().is_some() {
            None
        } else {
            status.code()
        },
        stdout: stdout.text(),
        stderr: stderr.text(),
        timed_out,
    })
}

fn kill_group(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        // The group may be empty already; there is nothing to do about a failure.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// A pipe that a thread of its own reads to its end, so that neither pipe can fill up and stop the program.
struct Collected {
    text: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Collected {
    /// What has arrived by the end of the pipe, or by [`DRAIN`] from now.
    fn text(&self) -> String {
        // Either the pipe ended or the time did; what is there counts both ways.
        let _ = self.ended.recv_timeout(DRAIN);
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Collected {
    let (sender, ended) = mpsc::sync_channel(1);
    let text = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&text);
    thread::spawn(move || {
        if let Some(mut pipe) = pipe {
            let mut chunk = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MOST_OUTPUT.saturating_sub(sink.len()).min(count);
                sink.extend_from_slice(&chunk[..room]);
            }
        }
        // The receiver may have stopped waiting.
        let _ = sender.send(());
    });
    Collected { text, ended }
}
