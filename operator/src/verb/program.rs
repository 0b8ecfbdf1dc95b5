//! `program`: what lies in the program store, who uses it, and how what nobody uses goes.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    declaration::Declaration,
    id::{ProgramKey, WorkerId},
    snapshot::HardwareSnapshot,
};
use machine::Timestamp;
use reconcile::program::{Use, Wanted, wanted};
use serde_json::{Value, json};

use super::setting::{self, Setting};
use crate::{
    cli::{
        Environment, Format, Place, ProgramArgs, ProgramPlaceArgs, ProgramPruneArgs, ProgramVerb,
    },
    cluster::agent::tenants::Tenants,
    console::Console,
    declared, document,
    engine::observe::{self, Effort, Surroundings},
    exit::{Exit, TABLE},
    failure::Failure,
    place::SourcePlace,
    render::program::{self as text, Keys},
    room::Opening,
    state::{
        LockError,
        left::Left,
        programs::{ProgramStore, Stored},
    },
    supervise::{
        control::{self, Reply, Request},
        running,
    },
};

/// An `up` in the middle of a step answers when that has ended.
const PATIENCE: Duration = Duration::from_mins(2);

/// `program`
pub fn run(
    args: &ProgramArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    match &args.verb {
        ProgramVerb::List(args) => list(args, environment, console),
        ProgramVerb::Prune(args) => prune(args, environment, console),
    }
}

fn list(
    args: &ProgramPlaceArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    let files = declared_beside(&args.files.file, console)?;
    let setting = opened(&args.place, environment, console)?;
    let programs = used(&setting, files.as_ref(), environment)?;
    match args.printing.output {
        Format::Text => console.result(&text::list(&programs, Keys::Short)),
        Format::Wide => console.result(&text::list(&programs, Keys::Whole)),
        format @ (Format::Json | Format::Yaml) => {
            let value = json!({
                "programs": programs.iter().map(as_json).collect::<Vec<_>>(),
                "exit": document::exit_json(Exit::Ok),
            });
            console.document(&document::print(&value, format)?);
        }
    }
    Ok(Exit::Ok)
}

fn prune(
    args: &ProgramPruneArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    let ProgramPruneArgs { dry_run, of } = args;
    let files = declared_beside(&of.files.file, console)?;
    let setting = opened(&of.place, environment, console)?;
    // Before the look: nobody begins to use what is seen to be used by nobody.
    let lock = (!dry_run).then(|| setting::lock(&setting.room, "program prune"));
    let mut unused = used(&setting, files.as_ref(), environment)?;
    unused.retain(|(_, by)| *by == Use::Nobody);
    match lock {
        None => {}
        Some(Ok(_lock)) => {
            let store = ProgramStore::new(setting.room.state.programs());
            store.sweep()?;
            for (stored, _) in &unused {
                store.remove(&stored.key)?;
            }
        }
        Some(Err(Failure::Lock(LockError::Held { folder, holder }))) => {
            // What was never recorded may be what it builds now.
            unused.retain(|(stored, _)| stored.program.is_some());
            if !by_up(&setting, &unused)? {
                return Err(Failure::Lock(LockError::Held { folder, holder }));
            }
            // What it serves by now is there yet.
            unused.retain(|(stored, _)| !setting_has(&setting, &stored.key));
        }
        Some(Err(failure)) => return Err(failure),
    }
    match of.printing.output {
        Format::Text | Format::Wide => {
            console.result(&text::removed(&unused, *dry_run));
        }
        format @ (Format::Json | Format::Yaml) => {
            let value = json!({
                "dryRun": *dry_run,
                "removed": unused.iter().map(as_json).collect::<Vec<_>>(),
                "exit": document::exit_json(Exit::Ok),
            });
            console.document(&document::print(&value, format)?);
        }
    }
    Ok(Exit::Ok)
}

fn setting_has(setting: &Setting, key: &ProgramKey) -> bool {
    ProgramStore::new(setting.room.state.programs())
        .program(key)
        .exists()
}

/// What `-f` names, where it names anything.
fn declared_beside(
    files: &[std::path::PathBuf],
    console: &Console,
) -> Result<Option<Declaration>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    declared::declared(files, console).map(|declared| Some(declared.declaration))
}

fn opened(place: &Place, environment: &Environment, console: &Console) -> Result<Setting, Failure> {
    setting::open(place, environment, console, Opening::Look)
}

/// Every program with whoever uses it.
fn used(
    setting: &Setting,
    files: Option<&Declaration>,
    environment: &Environment,
) -> Result<Vec<(Stored, Use)>, Failure> {
    let state = &setting.room.state;
    let around = Surroundings {
        worker: setting.toolchain.clone(),
        workers: running::alive(state)?,
        tenants: Tenants::Strangers,
    };
    let nodes = setting.room.nodes.iter();
    let snapshots = nodes
        .map(|node| observe::node(&setting.room, node, &around))
        .collect::<Result<Vec<HardwareSnapshot>, Failure>>()?;
    let mut declarations: Vec<(Declaration, SourcePlace)> = Left::of_every_room(state)?
        .into_iter()
        .map(|left| (left.declaration, SourcePlace::new(left.base)))
        .collect();
    let here = SourcePlace::new(environment.current.clone());
    declarations.extend(files.map(|declaration| (declaration.clone(), here)));
    let mut all = Wanted::default();
    for (declaration, place) in &declarations {
        let models = observe::models(declaration, place, &setting.room, Effort::Remembered)?;
        let Wanted { keys, untold } = wanted(declaration, &models, &snapshots);
        all.keys.extend(keys);
        all.untold.extend(untold);
    }
    let served: BTreeMap<ProgramKey, WorkerId> = (around.workers.into_values().flatten())
        .filter_map(|known| Some((known.worker.program?, known.worker.id)))
        .collect();
    let stored = ProgramStore::new(state.programs()).stored()?;
    let with = |stored: Stored| {
        let target = stored.program.as_ref().map(|program| program.target);
        let by = all.use_of(&stored.key, target, &served);
        (stored, by)
    };
    Ok(stored.into_iter().map(with).collect())
}

/// Has the `up` that works here remove them; false where there is none.
fn by_up(setting: &Setting, unused: &[(Stored, Use)]) -> Result<bool, Failure> {
    let request = Request::Prune {
        programs: unused
            .iter()
            .map(|(stored, _)| stored.key.clone())
            .collect(),
    };
    let mut ended = None;
    let asked = control::ask(
        setting.room.state.root(),
        &request,
        Some(PATIENCE),
        |reply| {
            if let Reply::Ended { code, why, hint } = reply {
                ended = Some((code, why, hint));
            }
        },
    );
    let busy = |what: String| {
        Failure::said(
            Exit::Locked,
            format!("asking the running `shardplane up` to remove programs: {what}"),
            "try again when its step has ended: `shardplane status` says which it is in",
        )
    };
    match (asked, ended) {
        (Ok(false), _) => Ok(false),
        (Ok(true), Some((0, _, _))) => Ok(true),
        (Ok(true), Some((code, why, hint))) => {
            let row = TABLE.iter().find(|row| row.code == code);
            let exit = row.map_or(Exit::Internal, |row| row.exit);
            Err(Failure::said(exit, why, hint))
        }
        (Ok(true), None) => Err(busy("it ended without an answer".to_owned())),
        (Err(error), _) => Err(busy(error.to_string())),
    }
}

fn as_json((stored, by): &(Stored, Use)) -> Value {
    let Stored {
        key,
        program,
        bytes,
        used,
    } = stored;
    let (used_by, object) = match by {
        Use::Served(worker) => ("served", Some(worker.to_string())),
        Use::Declared(object) => ("declared", Some(object.to_string())),
        Use::Untold(object) => ("untold", Some(object.to_string())),
        Use::Nobody => ("nobody", None),
    };
    json!({
        "key": key,
        "target": program.as_ref().map(|program| program.target),
        "model": program.as_ref().map(|program| &program.model),
        "bytes": bytes,
        "lastUsed": used.map(|used: Timestamp| used.to_string()),
        "use": used_by,
        "by": object,
    })
}
