//! One file a verb: what each reads, what it asks the engine for, and what it prints.
mod apply;
mod doctor;
mod down;
mod fmt;
mod plan;
mod probe;
mod program;
mod rack;
pub mod replica;
mod schema;
pub(crate) mod setting;
mod snapshot;
mod status;
mod up;
mod validate;

use serde_json::json;

use crate::{
    artifact,
    cli::{Environment, Format, Verb},
    cluster,
    console::{Console, Tone},
    document,
    engine::interrupt::StopFlag,
    exit::Exit,
    failure::Failure,
};

/// Runs one verb; a failure is printed here, once, with its causes and what to do.
pub fn run(verb: Verb, environment: &Environment, console: &Console, stop: &StopFlag) -> Exit {
    let format = verb.format();
    let ended = match verb {
        _ if verb.standard_inputs() > 1 => Err(Failure::said(
            Exit::Usage,
            "standard input is named more than once, and can be read once",
            "name a file for all but one `-`",
        )),
        Verb::Validate(args) => validate::run(&args, console),
        Verb::Fmt(args) => fmt::run(&args, console),
        Verb::Schema(args) => schema::run(&args, console),
        Verb::Rack(args) => rack::run(args.verb, environment, console),
        Verb::Probe(args) => probe::probe(&args, environment, console),
        Verb::Doctor(args) => doctor::run(&args, environment, console),
        Verb::Snapshot(args) => snapshot::run(&args, environment, console),
        Verb::Plan(args) => plan::run(&args, environment, console, stop),
        Verb::Apply(args) => apply::run(&args, environment, console, stop),
        Verb::Up(args) => up::run(&args, environment, console, stop),
        Verb::Status(args) => status::run(&args, environment, console),
        Verb::Down(args) => down::run(&args, environment, console, stop),
        Verb::Program(args) => program::run(&args, environment, console),
        Verb::Agent(args) => cluster::agent::run(&args, environment, console, stop),
        Verb::Controller(args) => cluster::controller::run(&args, environment, console, stop),
        Verb::Approve(args) => cluster::approve::run(&args, environment, console),
        Verb::Installed(args) => cluster::installed::run(&args, environment, console),
        Verb::Artifact(args) => artifact::run(&args, console),
    };
    let exit = ended.unwrap_or_else(|failure| tell(&failure, format, console));
    delivered(exit, console)
}

/// The outcome, made worse where a result could not be printed.
pub fn delivered(exit: Exit, console: &Console) -> Exit {
    match console.delivered() {
        Ok(()) => exit,
        // Ended by the same failure, which has been told.
        Err(failure) if failure.exit() == exit => exit,
        Err(failure) => exit.worse(tell(&failure, Format::Text, console)),
    }
}

/// Prints a failure, for people and where asked for as the one document, and says the outcome that it leads to.
fn tell(failure: &Failure, format: Format, console: &Console) -> Exit {
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
    if matches!(format, Format::Json | Format::Yaml) {
        // Nothing was printed before: a verb prints its one document when it has ended well.
        let said = json!({
            "error": { "message": failure.chain(), "hint": failure.hint() },
            "exit": document::exit_json(failure.exit()),
        });
        // A document of strings and numbers can always be written.
        if let Ok(text) = document::print(&said, format) {
            console.document(&text);
        }
    }
    failure.exit()
}
