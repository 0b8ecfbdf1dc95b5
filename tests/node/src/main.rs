//! A real node: `node [--list] [NAME]…` runs Kubernetes with a kubelet in namespaces of its own and says which scenarios hold;
//! `node --play` gives a person a shell there.
mod cluster;
mod engine;
mod groups;
mod inside;
mod load;
mod outside;
mod place;
mod plane;
mod play;
mod release;
mod scenario;
mod traces;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use host::say;

use place::{Programs, Room};

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (first, rest) = match arguments.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("", &[][..]),
    };
    let went_well = match first {
        "--list" => {
            for (name, _) in scenario::ALL {
                say(name);
            }
            true
        }
        "--play" => outside::run(&["--play".to_owned()])?,
        "--hold" => outside::hold()?,
        // What this program starts itself as.
        "--sweep" => {
            outside::sweep(&room(rest)?)?;
            true
        }
        "--inside" => inside(&room(rest)?, &rest[1..])?,
        word if word.starts_with("--") => {
            bail!("`{word}` means nothing; usage: node [--list | --play | NAME…]")
        }
        _ => {
            // Built before a run begins: inside there is no network.
            Programs::find()?;
            let held = outside::run(&arguments)?;
            say("ok      nothing was left on the machine");
            let killed = arguments.is_empty();
            if killed {
                outside::a_killed_run_leaves_nothing()?;
                say("ok      nothing is left of a run that is killed");
            }
            held
        }
    };
    Ok(if went_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn room(arguments: &[String]) -> Result<Room> {
    let folder = arguments.first().context("a folder is wanted")?;
    Ok(Room {
        folder: PathBuf::from(folder),
    })
}

/// What happens in the namespaces.
fn inside(room: &Room, arguments: &[String]) -> Result<bool> {
    inside::settle(room)?;
    match arguments.first().map(String::as_str) {
        Some("--hold") => play::hold(room).map(|()| true),
        Some("--play") => play::play(room).map(|()| true),
        _ => scenario::run(room, arguments),
    }
}
