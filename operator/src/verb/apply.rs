//! `apply`: carries out what is declared, or exactly what a saved plan says.
use crd::{declaration::Declaration, kind::Target, plan::Plan};
use machine::Clock;
use serde_json::{Value, json};

use super::setting;
use crate::{
    cli::{ApplyArgs, Environment, Format},
    console::{Console, Tone},
    declared::{self, Declared},
    document::{self, SavedPlan, Surroundings},
    engine::{Engine, FailedBuilds, Settled, approve::Asking, interrupt::StopFlag},
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    render::{
        plan::{Detail, Frame},
        words::counted,
    },
    room::Opening,
    staleness,
    supervise::{Crew, process},
};

/// `apply`
pub fn run(
    args: &ApplyArgs,
    environment: &Environment,
    console: &Console,
    stop: &StopFlag,
) -> Result<Exit, Failure> {
    let saved = args.plan.as_deref().map(document::read_saved).transpose()?;
    let declared = match &saved {
        Some(saved) => Declared {
            declaration: saved.declaration.clone(),
            inputs: Vec::new(),
        },
        None => declared::declared(&args.files.file, console)?,
    };
    let base = saved
        .as_ref()
        .map_or_else(|| environment.current.clone(), |saved| saved.base.clone());
    let place = SourcePlace::new(base);
    let setting = setting::open(
        &args.place,
        environment,
        console,
        Opening::Work(Clock::Virtual),
    )?;
    if builds_for_cpu(&declared.declaration) {
        // Before anything is touched: a machine half configured for a program that cannot be built helps nobody.
        setting.binary.path()?;
    }
    let _lock = setting::lock(&setting.room, "apply")?;
    process::wait_for_orphans(&setting.room.state, console)?;
    let mut engine = Engine {
        room: &setting.room,
        declaration: &declared.declaration,
        scope: reconcile::Scope::Everything,
        builds: FailedBuilds::End,
        place: &place,
        binary: &setting.binary,
        toolchain: setting.toolchain.clone(),
        console,
        stop,
        leave: &args.leave,
        asking: Asking::Apply,
        crew: Crew::Nobody,
    };
    if let Some(saved) = &saved {
        refuse_other(saved, &engine)?;
    }
    let people = matches!(args.printing.output, Format::Text | Format::Wide);
    let detail = if args.printing.output == Format::Wide {
        Detail::Wide
    } else {
        Detail::Normal
    };
    let show = |plan: &Plan| {
        if people {
            let frame = Frame {
                observed: &setting.room.title,
                next: None,
            };
            console.result(&crate::render::plan::text(
                plan,
                &frame,
                console.out_paint(),
                detail,
            ));
        }
        // What nobody could read is not carried out.
        console.delivered()
    };
    let settled = engine.converge(show)?;
    if people {
        console.result(&outcome(&settled, console));
    } else {
        console.result(&document::print(
            &as_document(&settled, &declared)?,
            args.printing.output,
        )?);
    }
    Ok(settled.exit)
}

/// Whether something declared is built by the worker's binary.
fn builds_for_cpu(declaration: &Declaration) -> bool {
    let builds = declaration
        .builds
        .iter()
        .map(|build| Some(build.spec.target));
    let models = declaration.models.iter().map(|model| model.spec.target);
    builds
        .chain(models)
        .any(|target| target == Some(Target::CPU))
}

/// A saved plan is carried out only where planning again, for what is there now, gives the same steps.
fn refuse_other(saved: &SavedPlan, engine: &Engine<'_>) -> Result<(), Failure> {
    if saved.room != engine.room.title {
        return Err(Failure::said(
            Exit::Stale,
            format!(
                "the plan was saved for {}, and this is {}",
                saved.room, engine.room.title
            ),
            "name the same machine, with --rack where it was a rack",
        ));
    }
    let nodes = engine.observe()?;
    let plan = engine.plan(&nodes, crate::engine::observe::Effort::Remembered)?;
    staleness::refuse_stale(saved, &plan, &nodes)
}

/// The last lines for a person.
pub fn outcome(settled: &Settled, console: &Console) -> String {
    let paint = console.out_paint();
    let deferred = settled.plan.summary.deferred;
    let mut text = String::from("\n");
    let headline = match settled.exit {
        Exit::Ok => {
            let done = if settled.steps == 0 {
                "Nothing to do".to_owned()
            } else {
                format!(
                    "Done: {} carried out and verified",
                    counted(settled.steps as usize, "step")
                )
            };
            paint.tone(Tone::Create, format!("{done}."))
        }
        Exit::Blocked => paint.tone(
            Tone::Update,
            format!(
                "{} carried out; {} blocked, see above.",
                counted(settled.steps as usize, "step"),
                counted(settled.plan.summary.blocked as usize, "goal")
            ),
        ),
        exit => paint.tone(
            Tone::Delete,
            format!(
                "{} ({}): {}",
                crate::render::words::ended(exit),
                exit.code(),
                settled.why
            ),
        ),
    };
    text.push_str(&headline);
    text.push('\n');
    if deferred > 0 && matches!(settled.exit, Exit::Ok | Exit::Blocked) {
        text.push_str(&counted(deferred as usize, "worker step"));
        text.push_str(" for `shardplane up` to carry out.\n");
    }
    if settled.exit == Exit::Blocked && settled.steps > 0 {
        text.push_str(&crate::render::report::text(&settled.plan.report, paint));
    }
    text
}

/// The outcome for programs: the plan that is left, and how it went.
pub fn as_document(settled: &Settled, declared: &Declared) -> Result<Value, Failure> {
    let around = Surroundings {
        config: &declared.inputs,
        nodes: &settled.nodes,
    };
    let mut document = document::plan(&settled.plan, &around, settled.exit)?;
    document["run"] = json!({ "steps": settled.steps, "why": settled.why });
    Ok(document)
}
