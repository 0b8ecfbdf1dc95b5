//! The `shardplane` command: reads the environment, and leaves the rest to the library.
use std::{env, ffi::OsString, path::PathBuf, process::ExitCode, thread, time::Duration};

use operator::{cli::Environment, exit::Exit};

#[expect(
    clippy::disallowed_methods,
    reason = "main is where the environment is read"
)]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name)?.to_str()?.parse().ok()
}

/// Stack of the thread that the command line is read on, for which 128 KiB were too few; unused pages cost nothing. The main
/// thread's own is whatever `ulimit -s` leaves.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let reading = thread::Builder::new()
        .name("command".to_owned())
        .stack_size(STACK)
        .spawn(work);
    let exit = match reading {
        // Where it panicked, it has said so.
        Ok(reading) => reading.join().unwrap_or(Exit::Internal),
        // What it starts next is refused for the same reason, and told.
        Err(_) => work(),
    };
    exit.into()
}

fn work() -> Exit {
    // A watchdog that was set for another process of ours is none of ours.
    let watched = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let environment = Environment {
        home: variable("HOME").map(PathBuf::from),
        xdg_state_home: variable("XDG_STATE_HOME").map(PathBuf::from),
        kubeconfig: variable("KUBECONFIG").map(PathBuf::from),
        path: variable("PATH"),
        no_color: variable("NO_COLOR").is_some(),
        dumb_terminal: variable("TERM").is_some_and(|term| term == "dumb"),
        is_root: nix::unistd::geteuid().is_root(),
        own_folder: env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(PathBuf::from)),
        notify_socket: variable("NOTIFY_SOCKET"),
        watchdog: number("WATCHDOG_USEC")
            .filter(|_| watched)
            .map(Duration::from_micros),
        current: env::current_dir().unwrap_or_default(),
    };
    operator::run(env::args_os(), environment)
}
