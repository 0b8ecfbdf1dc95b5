//! `down`: stops the models and puts the machine back, through the `up` that runs, or alone.
use crd::{declaration::Declaration, plan::Plan};
use machine::Clock;
use serde_json::json;

use super::{apply, setting};
use crate::{
    cli::{DownArgs, Environment, Format, Leave},
    console::Console,
    document,
    engine::{Engine, Settled, approve::Asking, interrupt::StopFlag},
    exit::{Exit, TABLE},
    failure::Failure,
    place::SourcePlace,
    render::plan::{Detail, Frame},
    room::Opening,
    supervise::{
        Crew,
        control::{self, Reply, Request},
        process,
    },
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
    if let Some(exit) = through_up(args, state.root(), console)? {
        return Ok(exit);
    }
    let _lock = setting::lock(&setting.room, "down")?;
    process::wait_for_orphans(state, console)?;
    let nothing = Declaration::default();
    let place = SourcePlace::new(environment.current.clone());
    let mut engine = Engine {
        room: &setting.room,
        declaration: &nothing,
        scope: reconcile::Scope::Everything,
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
            console.result(&document::print(
                &apply::as_document(settled, &declared)?,
                format,
            )?);
        }
    }
    Ok(())
}

/// Asks the `up` that holds the state directory, where one does.
fn through_up(
    args: &DownArgs,
    root: &std::path::Path,
    console: &Console,
) -> Result<Option<Exit>, Failure> {
    let Leave {
        yes,
        approve_digest,
    } = args.leave.clone();
    let mut ended: Option<(u8, String, String)> = None;
    // Draining takes as long as the policy says: no deadline of ours, Ctrl-C ends the wait.
    let asked = control::ask(
        root,
        &Request::Down {
            yes,
            approve_digest,
        },
        None,
        |reply| match reply {
            Reply::Note { text } => console.note(&text),
            Reply::Ended { code, why, hint } => ended = Some((code, why, hint)),
            Reply::Status { workers: _ } => {}
        },
    );
    let broken = |what: String| {
        Failure::said(
            Exit::Unavailable,
            format!("asking the running `shardplane up` to stop: {what}"),
            "look whether it still runs with `shardplane status`",
        )
    };
    match asked {
        Ok(false) => Ok(None),
        Err(error) => Err(broken(error.to_string())),
        Ok(true) => {
            let (code, why, hint) =
                ended.ok_or_else(|| broken("it ended without an answer".to_owned()))?;
            let exit = TABLE
                .iter()
                .find(|row| row.code == code)
                .map_or(Exit::Internal, |row| row.exit);
            if exit != Exit::Ok {
                return Err(Failure::said(exit, why, hint));
            }
            match args.printing.output {
                Format::Text | Format::Wide => console
                    .result("Down: workers stopped, machine put back as the deletion rules say.\n"),
                format @ (Format::Json | Format::Yaml) => console.result(&document::print(
                    &json!({ "why": why, "exit": document::exit_json(exit) }),
                    format,
                )?),
            }
            Ok(Some(exit))
        }
    }
}
