//! `serve`: a program behind the OpenAI API, until told to stop.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::arguments::{Format, Room, Serve};
use super::failure::{Exit, Failure};
use super::signals::{Lifeline, Orders, Source};
use super::{files, model, output};
use crate::program::Program;
use crate::ranks::{RankError, Ranks};
use crate::serve::batch::Limits;
use crate::serve::server::{Deadlines, Ending, ServeError, incoming, serve};

pub(super) fn run(arguments: Serve, executable: PathBuf) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The work is the ranks'; two threads keep connections from waiting for each other.
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(Exit::Internal, &error).doing("starting the asynchronous runtime")
        })?;
    let outcome = runtime.block_on(start(arguments, executable));
    // A thread may still be loading ranks, or waiting for standard input; neither is worth waiting for.
    runtime.shutdown_background();
    outcome
}

async fn start(arguments: Serve, executable: PathBuf) -> Result<(), Failure> {
    let mut orders = Orders::listen(Lifeline::of(arguments.supervised))?;
    let program = model::open(&arguments.running.program)?;
    let limits = limits(&arguments, &program);
    let served = model::served(&program, name(&arguments), limits)?;
    // Before the ranks load, which may take a while: a port in use is known at once.
    let listener = listen(arguments.listen).map_err(|error| not_listening(&arguments, &error))?;
    let running = arguments.running.clone();
    let loading =
        tokio::task::spawn_blocking(move || model::start(&program, &running, limits, executable));
    let ranks: Result<Ranks, RankError> = tokio::select! {
        loaded = loading => loaded
            .map_err(|error| Failure::new(Exit::Internal, &error).doing("starting the ranks"))?,
        // Nothing was promised to anybody yet, so any order ends it at once.
        Some(_) = orders.received.recv() => return match orders.origin.source() {
            Some(Source::Supervisor) => Ok(()),
            Some(Source::Signal | Source::Terminal) | None => Err(Failure::quiet(orders.origin.exit())),
        },
    };
    let ranks = ranks?;
    // After the ranks: what they keep open is counted.
    let bounds = files::bounds(limits)?;
    announce(&arguments, &listener, &served.name, &ranks)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| {
        Failure::new(Exit::Internal, &error).doing("watching the listening socket")
    })?;
    let Orders { received, origin } = orders;
    let deadlines = Deadlines {
        request: Duration::from_secs(arguments.request_deadline),
        farewell: Duration::from_secs(arguments.farewell),
        drain: Duration::from_secs(arguments.drain_deadline),
        // Of a large model one takes seconds.
        step: Duration::from_secs(10),
        goodbye: Duration::from_secs(2),
        // Longer than load balancers keep an idle connection (a minute is usual), so that it is they who close it.
        rest: Duration::from_secs(75),
        // Whoever has begun to ask goes on: a head is one packet, or a few.
        head: Duration::from_secs(10),
        stall: Duration::from_mins(1),
    };
    let incoming = incoming(listener);
    let pids = ranks.pids();
    let step = model::step(ranks);
    match serve(incoming, bounds, served, deadlines, step, received).await {
        Ok(Ending::Drained) => Ok(()),
        Ok(Ending::BrokenOff) => Err(Failure::said(
            origin.exit(),
            "stopped before every request was answered",
        )),
        Ok(Ending::StoodStill) => {
            // Nobody has reaped them: the thread that would is in the step that does not end.
            for pid in pids.into_iter().filter_map(|pid| i32::try_from(pid).ok()) {
                // One that is gone already needs none.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            Err(Failure::said(
                origin.exit(),
                "stopped before every request was answered; a rank stood still, and all were killed",
            ))
        }
        Err(ServeError::Model { source }) => Err(Failure::said(
            Exit::Internal,
            format!(
                "the model stopped working: {}",
                crate::serve::chain(&source)
            ),
        )),
        Err(error @ (ServeError::Thread { .. } | ServeError::Panicked | ServeError::Listen)) => {
            Err(Failure::new(Exit::Internal, &error))
        }
    }
}

fn limits(arguments: &Serve, program: &Program) -> Limits {
    let Room { slots, context } = arguments.room;
    Limits {
        slots,
        context: context
            .unwrap_or_else(|| model::default_context(program.manifest().shape.context)),
        queue: arguments.queue as usize,
        chunk: arguments.prefill_chunk as usize,
        burst: model::BURST.max(arguments.prefill_chunk as usize),
    }
}

/// Without a name, the directory's: it is what the person who built it chose.
fn name(arguments: &Serve) -> String {
    let directory = &arguments.running.program;
    arguments.name.clone().unwrap_or_else(|| {
        let full = directory
            .canonicalize()
            .unwrap_or_else(|_| directory.clone());
        full.file_name().map_or_else(
            || "model".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Why nobody can be heard. A supervisor is told before we end: it knows who chose the port, and whoever reads its words
/// never typed our options.
fn not_listening(arguments: &Serve, error: &std::io::Error) -> Failure {
    let address = arguments.listen;
    if arguments.supervised {
        let told = json!({"event": "not-listening", "address": address.to_string(), "why": error.to_string()});
        // Where nobody reads it, the failure itself still says it.
        let _ = output::json(&told);
    }
    let hint = match error.kind() {
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address: choose one that it has with --listen, or 0.0.0.0 for all"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 are for root, or for whom CAP_NET_BIND_SERVICE allows them: choose a higher one with --listen"
        }
        _ => "stop whoever uses the port, or choose another with --listen; port 0 takes a free one",
    };
    Failure::new(Exit::Unavailable, error)
        .doing(&format!("listening on {address}"))
        .hint(hint)
}

fn announce(
    arguments: &Serve,
    listener: &TcpListener,
    name: &str,
    ranks: &Ranks,
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| {
        Failure::new(Exit::Internal, &error).doing("asking for the listening address")
    })?;
    let pids = ranks.pids();
    match arguments.output.format {
        Format::Json => output::json(
            &json!({"event": "listening", "address": address.to_string(), "model": name, "pids": pids}),
        ),
        Format::Text => output::line(&format!(
            "serving {name} over {} ranks at http://{address}/v1",
            pids.len()
        )),
    }
}
