//! The `shardplane-worker` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("rank") => runtime::ranks::rank_main(arguments),
        Some(_) | None => ExitCode::from(64),
    }
}
