//! The agent: reads requests from standard input, does them one after another, and answers on standard output.
use std::{
    fs::File,
    io::{self, BufRead, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitCode, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use guest::{Reply, Request};

use crate::double;

/// How often something that takes time is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Serves until the machine is switched off.
pub(crate) fn serve() -> Result<ExitCode> {
    double::install().context("setting the doubled tools up")?;
    let mut background = Vec::new();
    say(&Reply::Ready)?;
    for line in io::stdin().lock().lines() {
        let line = line.context("reading a request")?;
        let reply = match serde_json::from_str(&line) {
            Ok(request) => {
                perform(request, &mut background).unwrap_or_else(|error| Reply::Failed {
                    why: format!("{error:#}"),
                })
            }
            Err(error) => Reply::Failed {
                why: format!("no request: {error}"),
            },
        };
        say(&reply)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(reply: &Reply) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(reply)?).context("answering")?;
    out.flush().context("answering")
}

fn perform(request: Request, background: &mut Vec<Child>) -> Result<Reply> {
    match request {
        Request::Run {
            argv,
            uid,
            deadline_ms,
        } => run(&argv, uid, Duration::from_millis(deadline_ms)),
        Request::Start { argv, log } => {
            let log = File::create(&log).with_context(|| format!("creating {log}"))?;
            let child = command(&argv)?
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .with_context(|| format!("starting {argv:?}"))?;
            let pid = child.id();
            background.push(child);
            Ok(Reply::Started { pid })
        }
        Request::Stop { pid, deadline_ms } => {
            let at = background
                .iter()
                .position(|child| child.id() == pid)
                .with_context(|| format!("process {pid} was not started here"))?;
            let asked = command(&["kill".to_owned(), pid.to_string()])?.status()?;
            if !asked.success() {
                bail!("process {pid} has ended already");
            }
            let deadline = Duration::from_millis(deadline_ms);
            ended_by(background.remove(at), now(), deadline, Vec::new())
        }
        Request::Until {
            port,
            word,
            deadline_ms,
        } => until(&port, &word, Duration::from_millis(deadline_ms)),
    }
}

fn command(argv: &[String]) -> Result<Command> {
    let (program, arguments) = argv.split_first().context("no program is named")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "starting programs is what the agent is for"
    )]
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn run(argv: &[String], uid: Option<u32>, deadline: Duration) -> Result<Reply> {
    let mut command = command(argv)?;
    if let Some(uid) = uid {
        command.uid(uid).gid(uid).current_dir("/tmp");
    }
    let started = now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {argv:?}"))?;
    let outputs = vec![collect(child.stdout.take()), collect(child.stderr.take())];
    ended_by(child, started, deadline, outputs)
}

/// Waits for a program's end, or brings it about; what it printed comes with it.
fn ended_by(
    mut child: Child,
    started: Instant,
    deadline: Duration,
    outputs: Vec<JoinHandle<String>>,
) -> Result<Reply> {
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status.code();
        }
        if started.elapsed() > deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(LOOK);
    };
    let took_ms = millis(started);
    let mut texts = outputs
        .into_iter()
        .map(|output| output.join().unwrap_or_default());
    Ok(Reply::Ended {
        status,
        stdout: texts.next().unwrap_or_default(),
        stderr: texts.next().unwrap_or_default(),
        took_ms,
    })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What arrived before a failure is all there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Reads with pciutils, so that nothing of ours vouches for itself.
fn until(port: &str, wanted: &str, deadline: Duration) -> Result<Reply> {
    let started = now();
    loop {
        let argv = ["setpci", "-s", port, "ECAP_ACS+6.w"].map(str::to_owned);
        let output = command(&argv)?.output().context("running setpci")?;
        let word = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if word == wanted || started.elapsed() > deadline {
            let took_ms = millis(started);
            return Ok(Reply::Word { word, took_ms });
        }
        thread::sleep(LOOK);
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "deadlines of a program for tests alone"
)]
fn now() -> Instant {
    Instant::now()
}
