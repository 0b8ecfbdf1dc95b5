//! `apply`: carries out what is declared, or exactly what a saved plan says.
use crd::plan::{Plan, ReportKind, ReportLine, ReportReason};
use machine::Clock;
use reconcile::FailedSteps;
use serde_json::{Value, json};

use super::setting;
use crate::{
    cli::{ApplyArgs, Environment, Format},
    console::{Console, Tone},
    declared::{self, Declared},
    document::{self, SavedPlan, Surroundings},
    engine::{Engine, FailedBuilds, SetAside, Settled, approve::Asking, interrupt::StopFlag},
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
    stop.takes_in_hand();
    let place = SourcePlace::new(base);
    let setting = setting::open(
        &args.place,
        environment,
        console,
        Opening::Work(Clock::Virtual),
    )?;
    let _lock = setting::lock(&setting.room, "apply")?;
    process::wait_for_orphans(&setting.room.state, console, stop)?;
    let mut engine = Engine {
        room: &setting.room,
        declaration: &declared.declaration,
        scope: reconcile::Scope::Everything,
        builds: FailedBuilds::default(),
        aside: SetAside::before(FailedSteps::new()),
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
        refuse_other(saved, &mut engine)?;
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
    let settled = engine
        .within(saved.as_ref().map(|saved| &saved.plan), show)?
        .but(&engine.builds);
    if people {
        console.result(&outcome(&settled, console));
    } else {
        console.document(&document::print(
            &as_document(&settled, &declared)?,
            args.printing.output,
        )?);
    }
    Ok(settled.exit)
}

/// A saved plan is carried out only where planning again, for what is there now, gives the same steps.
fn refuse_other(saved: &SavedPlan, engine: &mut Engine<'_>) -> Result<(), Failure> {
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
    let (plan, nodes) = engine.look(crate::engine::observe::Effort::Remembered)?;
    staleness::refuse_stale(saved, &plan, (&nodes, &engine.spent_resets(&nodes)?))
}

/// The last lines for a person.
pub fn outcome(settled: &Settled, console: &Console) -> String {
    let paint = console.out_paint();
    let deferred = settled.plan.summary.deferred;
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
        Exit::Blocked => {
            let rest = if settled.why.is_empty() {
                let blocked = counted(settled.plan.summary.blocked as usize, "goal");
                format!("{blocked} blocked, see above.")
            } else {
                settled.why.clone()
            };
            let steps = counted(settled.steps as usize, "step");
            paint.tone(Tone::Update, format!("{steps} carried out; {rest}"))
        }
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
    let rests = matches!(settled.exit, Exit::Ok | Exit::Blocked) || !settled.without.is_empty();
    let later = if deferred > 0 && rests {
        let steps = counted(deferred as usize, "worker step");
        format!("{steps} for `shardplane up` to carry out.\n")
    } else {
        String::new()
    };
    let report = if rests && settled.steps > 0 {
        still_blocked(&settled.plan.report, console)
    } else {
        String::new()
    };
    if settled.without.is_empty() {
        format!("\n{headline}\n{later}{report}")
    } else {
        // What failed is what is read last.
        format!("{report}\n{later}{headline}\n")
    }
}

/// The report, where a goal is blocked by more than a build, which is told beside it.
fn still_blocked(report: &[ReportLine], console: &Console) -> String {
    let lines: Vec<ReportLine> = report
        .iter()
        .filter(|line| line.reason != ReportReason::BuildFailed)
        .cloned()
        .collect();
    let stands = |line: &ReportLine| matches!(line.kind, ReportKind::Blocked | ReportKind::Error);
    if lines.iter().any(stands) {
        crate::render::report::text(&lines, console.out_paint())
    } else {
        String::new()
    }
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
