//! The `shardplane-worker` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Ranks are this program again; their arguments are written by their leader, never by people.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|verb| verb == "rank")
    {
        return runtime::ranks::rank_main(std::env::args().skip(2));
    }
    runtime::cli::run(std::env::args_os(), std::env::current_exe())
}
