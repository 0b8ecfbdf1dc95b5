//! The kernel lab: `lab [--list] [--look] [--rack FILE]… [--declared FILE]… [NAME]…` boots virtual machines, two at a time, and says
//! which scenarios hold; `lab --rack FILE --run LINE` boots the first server of a file and runs a line of shell in it.
mod archive;
mod image;
mod place;
mod projection;
mod qemu;
mod room;
mod scenario;
mod topology;
mod vm;

use std::{
    env,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, bail};

use place::Places;
use scenario::{Depth, Scenario, Stage};

/// Machines at a time: one a core of the smallest machine that runs them.
const AT_A_TIME: usize = 2;

fn main() -> Result<ExitCode> {
    let mut racks = Vec::new();
    let mut declared = Vec::new();
    let mut names = Vec::new();
    let mut only_list = false;
    let mut depth = Depth::Hold;
    let mut lines = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => only_list = true,
            "--look" => depth = Depth::Look,
            "--rack" => racks.push(PathBuf::from(
                arguments.next().context("--rack wants a file")?,
            )),
            "--declared" => declared.push(PathBuf::from(
                arguments.next().context("--declared wants a file")?,
            )),
            "--run" => lines.push(arguments.next().context("--run wants a line of shell")?),
            word if word.starts_with('-') => {
                bail!(
                    "`{word}` means nothing; usage: lab [--list] [--look] [--rack FILE]… [--declared FILE]… [--run LINE]… [NAME]…"
                )
            }
            word => names.push(word.to_owned()),
        }
    }
    let places = Places::find()?;
    if !lines.is_empty() {
        let file = racks.into_iter().next().context("--run wants a --rack")?;
        let stage = Stage::new(places, declared)?;
        for said in scenario::inside(&stage, &file, &lines)? {
            say(&said);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let given = !racks.is_empty();
    let all = if given {
        scenario::of_racks(racks, depth)?
    } else {
        scenario::all(&places)?
    };
    let chosen: Vec<Scenario> = all
        .into_iter()
        .filter(|scenario| {
            names.is_empty()
                || names
                    .iter()
                    .any(|name| scenario.name.contains(name.as_str()))
        })
        .collect();
    if only_list {
        for scenario in &chosen {
            say(&scenario.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if chosen.is_empty() {
        bail!("no scenario has such a name; `lab --list` names them");
    }
    let stage = Stage::new(places, declared)?;
    say(&format!("kernel {}", stage.places.release));
    let failed = run(&stage, &chosen);
    say(&format!(
        "{} passed, {failed} failed",
        chosen.len() - failed
    ));
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs every scenario and counts those that do not hold.
fn run(stage: &Stage, chosen: &[Scenario]) -> usize {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(scenario) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = host::now();
                    let outcome = (scenario.hold)(stage);
                    let took = started.elapsed().as_secs_f32();
                    match outcome {
                        Ok(()) => say(&format!("ok      {:<32} {took:5.1} s", scenario.name)),
                        Err(error) => {
                            say(&format!(
                                "FAILED  {:<32} {took:5.1} s\n  {error:#}",
                                scenario.name
                            ));
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                        }
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Says something to whoever runs the lab.
fn say(line: &str) {
    #[expect(clippy::print_stdout, reason = "the lab's one printer")]
    {
        println!("{line}");
    }
}
