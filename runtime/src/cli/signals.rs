//! Signals and the supervisor's pipe as orders to the server.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::failure::{Exit, Failure};
use crate::serve::server::Order;

/// Where orders come out, and where they came from.
#[derive(Debug)]
pub(super) struct Orders {
    /// The first asks to drain, further ones to stop.
    pub(super) received: mpsc::Receiver<Order>,
    /// Who gave them.
    pub(super) origin: Origin,
}

/// Who gave the first order.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin(Arc<OnceLock<Source>>);

/// Where an order came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// SIGINT or SIGQUIT.
    Terminal,
    /// SIGTERM.
    Signal,
    /// The end of standard input.
    Supervisor,
}

impl Origin {
    /// The first order's source; `None` while there was none.
    pub(super) fn source(&self) -> Option<Source> {
        self.0.get().copied()
    }

    /// How a program that was made to leave early exits.
    pub(super) fn exit(&self) -> Exit {
        match self.source() {
            Some(Source::Terminal) => Exit::Interrupted,
            Some(Source::Signal | Source::Supervisor) | None => Exit::Terminated,
        }
    }

    fn note(&self, source: Source) {
        // Only the first counts.
        let _: Result<(), Source> = self.0.set(source);
    }
}

/// Whether the end of standard input is an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifeline {
    /// A supervisor holds the other end.
    StandardInput,
    /// Nobody does.
    None,
}

impl Lifeline {
    /// By what `--supervised` says.
    pub(super) fn of(supervised: bool) -> Self {
        if supervised {
            Self::StandardInput
        } else {
            Self::None
        }
    }
}

impl Orders {
    /// Listens from now on; must be called inside the runtime.
    pub(super) fn listen(lifeline: Lifeline) -> Result<Self, Failure> {
        let trouble = |error: std::io::Error| {
            Failure::new(Exit::Internal, &error).doing("listening for signals")
        };
        let (sender, received) = mpsc::channel(8);
        let mut terminate = signal(SignalKind::terminate()).map_err(trouble)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(trouble)?;
        let mut quit = signal(SignalKind::quit()).map_err(trouble)?;
        let origin = Origin::default();
        let (from_signals, noted) = (sender.clone(), origin.clone());
        tokio::spawn(async move {
            loop {
                // All wait without losing a signal, so any may be dropped for another.
                let source = tokio::select! {
                    Some(()) = terminate.recv() => Source::Signal,
                    Some(()) = interrupt.recv() => Source::Terminal,
                    Some(()) = quit.recv() => Source::Terminal,
                    else => return,
                };
                noted.note(source);
                if from_signals.send(Order::Drain).await.is_err() {
                    return;
                }
            }
        });
        match lifeline {
            Lifeline::None => {}
            Lifeline::StandardInput => {
                let noted = origin.clone();
                at_end_of_input(move || {
                    noted.note(Source::Supervisor);
                    // Refused only when the server has ended already.
                    let _: Result<(), mpsc::error::SendError<Order>> =
                        sender.blocking_send(Order::Drain);
                })
                .map_err(trouble)?;
            }
        }
        Ok(Self { received, origin })
    }
}

/// Takes SIGXFSZ, which ends a process that writes past `ulimit -f`: the write then fails, and can be told.
pub(super) fn outlive_file_limits() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    // It stays taken for the life of the process.
    signal(SignalKind::from_raw(Signal::SIGXFSZ as i32)).map(drop)
}

/// Tells of the end of standard input, which comes when the supervisor ends, however it ends: on a thread of its own, which
/// the process does not wait for.
pub(super) fn at_end_of_input(tell: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            let mut ignored = [0; 256];
            let mut input = std::io::stdin().lock();
            while matches!(input.read(&mut ignored), Ok(1..)) {}
            tell();
        })?;
    Ok(())
}
