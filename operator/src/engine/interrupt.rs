//! Signals: the first asks for a stop between two steps, the second stops waiting.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
};

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Watched, SignalKind, signal};

use crate::{console::Console, exit::Exit};

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT or SIGQUIT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Stop {
    /// The outcome of a run that had begun nothing.
    pub fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// Whether somebody asked for a stop; shared by everything that works on one command.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicU8>, Arc<AtomicBool>);

impl StopFlag {
    /// What was asked for first, if anything was.
    pub fn asked(&self) -> Option<Stop> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Stop::Interrupt),
            _ => Some(Stop::Terminate),
        }
    }

    /// From here on something may be in hand, which a stop waits for. Before, as while a declaration is read from a terminal,
    /// it is simply left.
    pub fn takes_in_hand(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    /// Whether something may be in hand.
    pub fn has_in_hand(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }

    /// Asks for a stop, as a signal would.
    pub fn ask(&self, stop: Stop) {
        let word = match stop {
            Stop::Interrupt => 1,
            Stop::Terminate => 2,
        };
        let _ = self
            .0
            .compare_exchange(0, word, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Watches SIGHUP until `tell` says that nobody listens. Without this it ends the process.
pub fn hangups(tell: impl Fn() -> bool + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    thread::Builder::new()
        .name("hangups".to_owned())
        .spawn(move || {
            runtime.block_on(async { while hangup.recv().await.is_some() && tell() {} });
        })?;
    Ok(())
}

/// Whether a terminal stands behind this process, whatever its standard streams are. Only then may SIGHUP tell that it went away.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP asks `up` to read again what is declared. Where a terminal stands behind it and no service manager does, it
/// says that the terminal went away, and ends `up` as SIGTERM does.
pub fn reads_again_on_hangup(console: &Console) -> bool {
    console.notify().is_there() || !has_terminal()
}

/// What SIGHUP means: the terminal of whoever runs a command went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// The same as SIGTERM: a machine is not left in the middle of a step.
    Stops,
    /// Somebody else's, or the system's own.
    Elsewhere,
}

/// Watches SIGINT, SIGQUIT and SIGTERM for the life of the process: sets the flag and tells of every signal, until `tell` says
/// that nobody listens.
pub fn watch(
    flag: StopFlag,
    hangup: Hangup,
    tell: impl Fn(Stop) -> bool + Send + 'static,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut quit, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        let hangup = match hangup {
            // Whoever said `nohup` wants it ignored.
            Hangup::Stops if !is_ignored(Signal::SIGHUP) => Some(signal(SignalKind::hangup())?),
            Hangup::Stops | Hangup::Elsewhere => None,
        };
        // Taken, it ends nobody who writes past `ulimit -f`: the write fails, and is told.
        drop(signal(SignalKind::from_raw(Signal::SIGXFSZ as i32))?);
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
            signal(SignalKind::terminate())?,
            hangup,
        )
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    // The receivers only wait: whichever is dropped loses nothing, the kernel's signal stays pending in it.
                    let stop = tokio::select! {
                        _ = interrupt.recv() => Stop::Interrupt,
                        // The other key of a terminal: no machine is left in the middle of a step for it either.
                        _ = quit.recv() => Stop::Interrupt,
                        _ = terminate.recv() => Stop::Terminate,
                        () = hung_up(&mut hangup) => Stop::Terminate,
                    };
                    flag.ask(stop);
                    if !tell(stop) {
                        return;
                    }
                }
            });
        })?;
    Ok(())
}

/// Waits for SIGHUP; for ever where nobody asked for it.
async fn hung_up(hangup: &mut Option<Watched>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with a signal ignored.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal as i32 - 1) & 1 == 1)
}
