//! The `shardplane` command: acts on what `reconcile` decided, and decides nothing again.
//!
//! Rooms, in the order data flows: [`cli`] (the grammar), [`declared`] and [`source`] (what `-f` says), [`recorded`] (what `--snapshot` says), [`room`] (the
//! machines) and [`state`] (what outlives a run), [`engine`] (observe, plan, check, approve, journal, perform, verify),
//! [`supervise`] (workers and the control socket), [`cluster`] (the controller and the agents of a Kubernetes cluster), `artifact` (programs in a registry), [`verb`] (one file a verb), [`render`] and [`document`] (text and JSON),
//! [`console`] (the one printer), [`notify`] (what a service manager is told), [`exit`] and [`failure`] (how it ends).
//!
//! Invariants, and what holds each:
//! - An exit code means one thing, and an error beats "changes": `exit` tests.
//! - A record is durable before the next thing happens; any prefix of a journal opens: `state::frame`, `tests/journal.rs`.
//! - After kill -9 or power loss at any record the next run converges, without a second reset: `tests/crash.rs`.
//! - One run at a time works on a state directory: `state::lock` tests.
//! - The same program is the same artifact, and memory does not grow with it: `tests/engine/artifacts.rs`.
//! - The environment is read in `main` alone, processes are started in `toolchain` alone, text is printed in `console`
//!   alone: clippy bans.
pub mod annotate;
mod artifact;
pub mod cli;
pub mod cluster;
pub mod console;
pub mod declared;
pub mod document;
pub mod engine;
pub mod exit;
pub mod failure;
pub mod notify;
pub mod place;
pub mod plain;
pub mod recorded;
pub mod render;
pub mod room;
pub mod source;
pub mod staleness;
pub mod state;
pub mod supervise;
pub mod toolchain;
pub mod verb;

use std::{
    ffi::OsString,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use clap::{Parser, error::ErrorKind};

use cli::{Cli, Environment, Verb};
use console::{ColorChoice, Console};
use engine::interrupt::{self, Hangup, Stop, StopFlag};
use exit::Exit;
use notify::Notify;

/// How long a verb that was asked to stop may take before it is said what it waits for.
const SILENCE: Duration = Duration::from_secs(2);

/// What can end the wait for a verb.
enum Ending {
    /// The verb has ended.
    Verb(Exit),
    /// Somebody asked for a stop.
    Signal(Stop),
}

/// Runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let console = Console::new(
                ColorChoice::Auto,
                environment.no_color,
                environment.dumb_terminal,
            );
            return usage(&error, &console);
        }
    };
    let console = Console::new(cli.color, environment.no_color, environment.dumb_terminal);
    let console = match (&cli.verb, &environment.notify_socket) {
        (Verb::Up(_), Some(socket)) => match Notify::open(socket, environment.watchdog) {
            Ok(notify) => console.with_notify(notify),
            Err(error) => {
                console.note(&format!("error: NOTIFY_SOCKET cannot be used: {error}"));
                return Exit::Unavailable;
            }
        },
        _ => console,
    };
    // A verb that changes machines is given the time to end its step, once it may have begun one; any other is simply left.
    let flag = StopFlag::default();
    if matches!(cli.verb, Verb::Agent(_) | Verb::Controller(_)) {
        flag.takes_in_hand();
    }
    let hand = Hand {
        flag: flag.clone(),
        asks: matches!(cli.verb, Verb::Down(_)),
    };
    // The verb takes the console along.
    let told = Console::new(cli.color, environment.no_color, environment.dumb_terminal);
    let (endings, ended) = mpsc::sync_channel(16);
    let signals = endings.clone();
    // Without a terminal `up` takes SIGHUP for a reload.
    let hangup = match cli.verb {
        Verb::Up(_) if interrupt::reads_again_on_hangup(&console) => Hangup::Elsewhere,
        Verb::Controller(_) => Hangup::Elsewhere,
        _ => Hangup::Stops,
    };
    if let Err(error) = interrupt::watch(flag.clone(), hangup, move |stop| {
        signals.send(Ending::Signal(stop)).is_ok()
    }) {
        refused(&told, "listening for signals", &error);
        return Exit::Unavailable;
    }
    let at_work = thread::Builder::new()
        .name("verb".to_owned())
        .spawn(move || {
            let exit = to_its_end(|| verb::run(cli.verb, &environment, &console, &flag));
            // Nobody waits any more after a second signal.
            let _ = endings.send(Ending::Verb(exit));
        });
    if let Err(error) = at_work {
        refused(&told, "starting a thread", &error);
        return Exit::Unavailable;
    }
    let exit = until_the_end(&ended, &hand, &told);
    // Nobody waits any more for what still runs.
    machine::end_programs();
    exit
}

/// What a verb may have begun when a signal comes.
struct Hand {
    flag: StopFlag,
    /// Whether it asks another to work at first: that takes the request back by itself, at once, and says what became of it.
    asks: bool,
}

/// Waits for the verb to end, or for signals to end it: one that is patient may end what it has in hand.
fn until_the_end(ended: &mpsc::Receiver<Ending>, hand: &Hand, told: &Console) -> Exit {
    let mut asked = false;
    let mut patience = None;
    loop {
        let ending = match patience {
            Some(patience) => ended.recv_timeout(patience),
            None => ended.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match ending {
            Ok(Ending::Verb(exit)) => return exit,
            Ok(Ending::Signal(stop)) if !hand.asks && !hand.flag.has_in_hand() => {
                return stop.exit();
            }
            Ok(Ending::Signal(_)) if !asked => {
                asked = true;
                patience = Some(SILENCE);
            }
            Ok(Ending::Signal(_)) if !hand.flag.has_in_hand() => {}
            Ok(Ending::Signal(_)) => {
                told.note("ended at once, with a step or workers in hand; the next run goes on from the journal");
                return Exit::Partial;
            }
            Err(RecvTimeoutError::Timeout) if !hand.flag.has_in_hand() => patience = None,
            Err(RecvTimeoutError::Timeout) => {
                patience = None;
                told.note("stopping once what is in hand has ended: a step, up to its deadline, or workers that drain; a second signal ends at once");
            }
            // Nobody is left to tell anything: a fault of ours.
            Err(RecvTimeoutError::Disconnected) => return Exit::Internal,
        }
    }
}

/// Says what the system refused before the verb could begin, and what to do about it.
fn refused(console: &Console, what: &str, error: &std::io::Error) {
    console.note(&format!("error: {what}: {error}"));
    match failure::cure(error) {
        "" => {}
        cure => console.note(&format!("  help: {cure}")),
    }
}

/// What a verb comes to. One that panics has said so on standard error; that it is over must be told all the same, since
/// whoever watches signals keeps the channel open.
fn to_its_end(verb: impl FnOnce() -> Exit) -> Exit {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(verb)).unwrap_or(Exit::Internal)
}

/// Prints what clap has to say. A wrong command line is 64, never clap's own 2, which would read as "changes".
fn usage(error: &clap::Error, console: &Console) -> Exit {
    let text = match console.out_paint() {
        console::Paint::Colored => error.render().ansi().to_string(),
        console::Paint::Plain => error.render().to_string(),
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            console.result(&text);
            verb::delivered(Exit::Ok, console)
        }
        _ => {
            console.note(text.trim_end());
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_that_panics_has_an_end() {
        assert_eq!(to_its_end(|| Exit::Ok), Exit::Ok);
        let panics = || -> Exit { std::panic::panic_any("a fault") };
        assert_eq!(to_its_end(panics), Exit::Internal);
    }
}
