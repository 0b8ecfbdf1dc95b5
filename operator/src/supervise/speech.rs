//! What passes between the supervisor and one worker: its command line, its log, what it says on standard output.
use std::{
    ffi::OsString,
    fs::File,
    io::{BufRead, BufReader},
    sync::mpsc::SyncSender,
    thread,
};

use crd::{
    id::WorkerId,
    kind::{Connectivity, Target},
    step::WorkerRequest,
};
use machine::opened::{self, For};
use serde::Deserialize;

use super::Event;
use crate::{
    exit::Exit,
    failure::Failure,
    state::{StateDir, programs::ProgramStore},
};

/// The command line of `shardplane-worker serve`.
pub(super) fn arguments(
    request: &WorkerRequest,
    state: &StateDir,
    drain_seconds: u32,
) -> Result<Vec<OsString>, Failure> {
    let program = &request.program;
    if program.target == Target::AI100 {
        return Err(Failure::said(
            Exit::Unavailable,
            format!(
                "worker {} needs a runtime on cards, which this version does not have",
                request.id
            ),
            "serve the model with target CPU",
        ));
    }
    let Some(key) = &program.key else {
        return Err(Failure::said(
            Exit::Unavailable,
            format!("the program of worker {} has no key yet", request.id),
            "",
        ));
    };
    let connectivity = match program.topology.connectivity {
        Connectivity::P2P => "p2p",
        Connectivity::ThroughHost => "through-host",
    };
    let mut arguments: Vec<OsString> = vec![
        "--program".into(),
        ProgramStore::new(state.programs()).program(key).into(),
    ];
    for (flag, value) in [
        (
            "--listen",
            format!("127.0.0.1:{}", request.port.unwrap_or(0)),
        ),
        ("--connectivity", connectivity.to_owned()),
        ("--slots", request.slots.to_string()),
        ("--context", request.context_length.to_string()),
        ("--queue", request.queue.to_string()),
        ("--name", request.model.name.clone()),
        ("--drain-deadline", drain_seconds.to_string()),
    ] {
        arguments.push(flag.into());
        arguments.push(value.into());
    }
    if let Some(seconds) = request.request_seconds {
        arguments.extend(["--request-deadline".into(), seconds.to_string().into()]);
    }
    arguments.extend(["--supervised".into(), "-o".into(), "json".into()]);
    Ok(arguments)
}

fn log_path(state: &StateDir, id: &WorkerId) -> std::path::PathBuf {
    state
        .logs()
        .join(format!("{}.log", id.as_str().replace('/', "-")))
}

/// A worker's log, begun anew at each start: the last life's is what matters.
pub(super) fn open_log(state: &StateDir, id: &WorkerId) -> Result<File, Failure> {
    let path = log_path(state, id);
    opened::regular(&path, For::Making)
        .and_then(|log| log.set_len(0).map(|()| log))
        .map_err(|source| Failure::Write {
            path: path.display().to_string(),
            source,
        })
}

/// The last line that a worker said.
pub(super) fn last_line(state: &StateDir, id: &WorkerId) -> Option<String> {
    let bytes = opened::whole(&log_path(state, id)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .iter()
        .rev()
        .take(3)
        .rev()
        .copied()
        .collect::<Vec<_>>()
        .join(" / ");
    (!last.is_empty()).then_some(last)
}

/// What a worker says on standard output.
#[derive(Deserialize)]
struct Said {
    event: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    pids: Vec<u32>,
    #[serde(default)]
    why: String,
}

/// Passes on what a worker says until it closes its standard output. The thread ends with the worker.
pub(super) fn listen(
    stdout: Option<std::process::ChildStdout>,
    id: WorkerId,
    generation: u64,
    events: SyncSender<Event>,
) {
    thread::spawn(move || {
        let lines = stdout
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines());
        for line in lines.map_while(Result::ok) {
            let Ok(said) = serde_json::from_str::<Said>(&line) else {
                continue;
            };
            let id = id.clone();
            let event = match said.event.as_str() {
                "listening" => Event::Listening {
                    id,
                    generation,
                    address: said.address,
                    pids: said.pids,
                },
                "not-listening" => Event::NotListening {
                    id,
                    generation,
                    why: said.why,
                },
                _ => continue,
            };
            if events.send(event).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Ended { id, generation });
    });
}
