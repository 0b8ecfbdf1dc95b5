//! The `shardplane-worker` command.

use std::process::ExitCode;
use std::thread;

/// Stack of the thread that all is done on, for which 128 KiB were too few; unused pages cost nothing. The main thread's own
/// is whatever `ulimit -s` leaves.
const STACK: usize = 8 << 20;
/// A fault of ours, as `cli` has it: the panic has been told.
const INTERNAL: u8 = 70;

fn main() -> ExitCode {
    let working = thread::Builder::new()
        .name("command".to_owned())
        .stack_size(STACK)
        .spawn(work);
    match working {
        Ok(working) => working.join().unwrap_or(INTERNAL.into()),
        // What it starts next is refused for the same reason, and told.
        Err(_) => work(),
    }
}

fn work() -> ExitCode {
    // Ranks are this program again; their arguments are written by their leader, never by people.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|verb| verb == "rank")
    {
        return runtime::ranks::rank_main(std::env::args().skip(2));
    }
    runtime::cli::run(std::env::args_os(), std::env::current_exe())
}
