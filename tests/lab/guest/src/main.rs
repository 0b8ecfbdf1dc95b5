//! One program under several names: `guest agent` does what the lab asks; under a vendor tool's name it is that tool's double.
mod agent;
mod double;

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let program = arguments.first().map_or("guest", String::as_str);
    let name = Path::new(program)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let outcome = match (name.as_str(), arguments.get(1).map(String::as_str)) {
        ("guest", Some("agent")) => agent::serve(),
        ("guest", _) => Err(anyhow::anyhow!("usage: guest agent")),
        (_, _) => double::run(program, &arguments[1..]),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the edge of a program for tests alone")]
            {
                eprintln!("{name}: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
