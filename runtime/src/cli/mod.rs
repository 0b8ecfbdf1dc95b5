//! The `shardplane-worker` command: what is typed, what is done, what is printed, how it exits.

mod arguments;
mod build;
mod failure;
mod files;
mod generate;
mod inspect;
mod model;
mod output;
mod serve;
mod signals;
mod stop;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Verb};
use failure::{Exit, Failure};

/// The command line's grammar, for whoever documents it.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs a command line, the program's own name first. `executable` is this program's file: ranks are started from it.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    executable: std::io::Result<PathBuf>,
) -> ExitCode {
    let verb = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { verb }) => verb,
        Err(error) => return usage(&error),
    };
    if let Err(error) = signals::outlive_file_limits() {
        return Failure::new(Exit::Internal, &error)
            .doing("listening for signals")
            .report();
    }
    let executable = executable.map_err(|error| {
        Failure::new(Exit::Internal, &error)
            .doing("finding this program's own file, which ranks are started from")
    });
    let outcome = match verb {
        Verb::Build(arguments) => build::run(&arguments),
        Verb::Serve(arguments) => {
            executable.and_then(|executable| serve::run(arguments, executable))
        }
        Verb::Generate(arguments) => {
            executable.and_then(|executable| generate::run(&arguments, executable))
        }
        Verb::Inspect(arguments) => inspect::run(&arguments),
        Verb::Toolchain(arguments) => inspect::toolchain(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Help and version are no errors; everything else is 64, since 2 means "changes" elsewhere in the project.
fn usage(error: &clap::Error) -> ExitCode {
    // Where even the message cannot be printed, the exit code still tells.
    drop(error.print());
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        ExitCode::SUCCESS
    }
}
