//! One file a verb: what each reads, what it asks the engine for, and what it prints.
mod apply;
mod down;
mod files;
mod plan;
mod probe;
mod rack;
mod setting;
mod status;
mod up;

use crate::{
    cli::{Environment, Verb},
    console::{Console, Tone},
    engine::interrupt::StopFlag,
    exit::Exit,
    failure::Failure,
};

/// Runs one verb; a failure is printed here, once, with its causes and what to do.
pub fn run(verb: Verb, environment: &Environment, console: &Console, stop: &StopFlag) -> Exit {
    let ended = match verb {
        Verb::Validate(args) => files::validate(&args, console),
        Verb::Fmt(args) => files::fmt(&args, console),
        Verb::Schema(args) => files::schema(&args, console),
        Verb::Rack(args) => rack::run(args.verb, environment, console),
        Verb::Probe(args) => probe::probe(&args, environment, console),
        Verb::Snapshot(args) => probe::snapshot(&args, environment, console),
        Verb::Plan(args) => plan::run(&args, environment, console, stop),
        Verb::Apply(args) => apply::run(&args, environment, console, stop),
        Verb::Up(args) => up::run(&args, environment, console, stop),
        Verb::Status(args) => status::run(&args, environment, console),
        Verb::Down(args) => down::run(&args, environment, console, stop),
    };
    ended.unwrap_or_else(|failure| tell(&failure, console))
}

/// Prints a failure, and says the outcome that it leads to.
fn tell(failure: &Failure, console: &Console) -> Exit {
    let paint = console.err_paint();
    console.note(&format!(
        "{} {}",
        paint.tone(Tone::Delete, "error:"),
        failure.chain()
    ));
    if !failure.hint().is_empty() {
        console.note(&format!(
            "  {} {}",
            paint.tone(Tone::Read, "help:"),
            failure.hint()
        ));
    }
    if failure.exit() == Exit::Internal {
        console.note(&format!(
            "  this is a fault of shardplane {}; please report it",
            env!("CARGO_PKG_VERSION")
        ));
    }
    failure.exit()
}
