//! `down`: stops the models and puts the machine back, through the `up` that runs, or alone.
mod asked;

use crd::{declaration::Declaration, plan::Plan};
use machine::Clock;
use serde_json::json;

use super::{apply, setting};
use crate::{
    cli::{DownArgs, Environment, Format},
    console::Console,
    document,
    engine::{Engine, FailedBuilds, SetAside, Settled, approve::Asking, interrupt::StopFlag},
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    render::plan::{Detail, Frame},
    room::Opening,
    supervise::{Crew, process},
};

/// `down`
pub fn run(
    args: &DownArgs,
    environment: &Environment,
    console: &Console,
    stop: &StopFlag,
) -> Result<Exit, Failure> {
    let setting = setting::open(
        &args.place,
        environment,
        console,
        Opening::Work(Clock::Virtual),
    )?;
    let state = &setting.room.state;
    if let Some(why) = asked::up(&args.leave, &setting.room, console, stop)? {
        match args.printing.output {
            Format::Text | Format::Wide => console
                .result("Down: workers stopped, machine put back as the deletion rules say.\n"),
            format @ (Format::Json | Format::Yaml) => console.document(&document::print(
                &json!({ "why": why, "exit": document::exit_json(Exit::Ok) }),
                format,
            )?),
        }
        return Ok(Exit::Ok);
    }
    stop.takes_in_hand();
    let _lock = setting::lock(&setting.room, "down")?;
    process::wait_for_orphans(state, console, stop)?;
    let nothing = Declaration::default();
    let place = SourcePlace::new(environment.current.clone());
    let mut engine = Engine {
        room: &setting.room,
        declaration: &nothing,
        scope: reconcile::Scope::Everything,
        builds: FailedBuilds::default(),
        aside: SetAside::default(),
        place: &place,
        binary: &setting.binary,
        toolchain: setting.toolchain.clone(),
        console,
        stop,
        leave: &args.leave,
        asking: Asking::Apply,
        crew: Crew::Nobody,
    };
    let people = matches!(args.printing.output, Format::Text | Format::Wide);
    let settled = engine.converge(|plan: &Plan| {
        if people {
            let frame = Frame {
                observed: &setting.room.title,
                next: None,
            };
            console.result(&crate::render::plan::text(
                plan,
                &frame,
                console.out_paint(),
                Detail::Normal,
            ));
        }
        // What nobody could read is not carried out.
        console.delivered()
    })?;
    print(&settled, args, console)?;
    Ok(settled.exit)
}

fn print(settled: &Settled, args: &DownArgs, console: &Console) -> Result<(), Failure> {
    match args.printing.output {
        Format::Text | Format::Wide => console.result(&apply::outcome(settled, console)),
        format @ (Format::Json | Format::Yaml) => {
            let declared = crate::declared::Declared {
                declaration: Declaration::default(),
                inputs: Vec::new(),
            };
            console.document(&document::print(
                &apply::as_document(settled, &declared)?,
                format,
            )?);
        }
    }
    Ok(())
}
