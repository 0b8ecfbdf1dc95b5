//! A stop that was asked of a verb which works alone: the first signal ends it with nothing left behind, the second at once.
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Exit, Failure};
use super::signals::{Lifeline, at_end_of_input};

/// Whether somebody asked for a stop.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicU8>);

const INTERRUPTED: u8 = 1;
const TERMINATED: u8 = 2;

impl Stop {
    /// Listens from now on, on threads of its own: to signals, and to the end of a supervisor where there is one.
    pub(super) fn listen(lifeline: Lifeline) -> Result<Self, Failure> {
        Self::start(lifeline)
            .map_err(|error| Failure::new(Exit::Internal, &error).doing("listening for signals"))
    }

    fn start(lifeline: Lifeline) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut interrupt, mut quit, mut terminate) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::quit())?,
                signal(SignalKind::terminate())?,
            )
        };
        let stop = Self::default();
        let asked = stop.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        // All of them only wait, and lose nothing when another is first.
                        let by = tokio::select! {
                            _ = interrupt.recv() => INTERRUPTED,
                            _ = quit.recv() => INTERRUPTED,
                            _ = terminate.recv() => TERMINATED,
                        };
                        if asked.0.swap(by, Ordering::SeqCst) != 0 {
                            // What is left of it, the next build there clears.
                            let _ = kill(Pid::this(), Signal::SIGKILL);
                        }
                    }
                });
            })?;
        match lifeline {
            Lifeline::None => {}
            Lifeline::StandardInput => {
                let asked = stop.clone();
                // Nobody waits for the result any more; a signal that came before has the word.
                at_end_of_input(move || {
                    let _ =
                        asked
                            .0
                            .compare_exchange(0, TERMINATED, Ordering::SeqCst, Ordering::SeqCst);
                })?;
            }
        }
        Ok(stop)
    }

    /// Whether somebody asked.
    pub(super) fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// How a program that stopped for it exits.
    pub(super) fn exit(&self) -> Exit {
        match self.0.load(Ordering::SeqCst) {
            INTERRUPTED => Exit::Interrupted,
            _ => Exit::Terminated,
        }
    }
}
