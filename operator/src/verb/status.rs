//! `status`: what is there, what we changed and what runs; takes no lock.
use std::{io::ErrorKind, path::Path, time::Duration};

use serde_json::json;

use super::setting;
use crate::{
    cli::{Environment, Format, StatusArgs},
    cluster::agent::tenants::Tenants,
    console::Console,
    document,
    engine::{
        in_hand,
        observe::{self, Surroundings},
    },
    exit::Exit,
    failure::Failure,
    render,
    room::Opening,
    state::{EngineLock, Journal},
    supervise::{
        Trouble, WorkerReport,
        control::{self, Reply, Request},
        running,
    },
};

/// An `up` in the middle of a step answers when the step has ended; nobody should wait that long to learn that.
const PATIENCE: Duration = Duration::from_secs(3);

/// `status`
pub fn run(
    args: &StatusArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    if let Some(seconds) = args.wait {
        let room = setting::open_room(&args.place, environment, console, Opening::Look)?;
        let but = as_declared(room.state.root(), Duration::from_secs(seconds), console)?;
        console.result(&match args.printing.output {
            Format::Text | Format::Wide => render::status::as_declared(&but, console.out_paint()),
            format @ (Format::Json | Format::Yaml) => {
                let said = json!({
                    "asDeclared": true,
                    "troubles": document::json(&but)?,
                    "exit": document::exit_json(Exit::Ok),
                });
                document::print(&said, format)?
            }
        });
        return Ok(Exit::Ok);
    }
    let setting = setting::open(&args.place, environment, console, Opening::Look)?;
    let room = &setting.room;
    let root = room.state.root();
    let mut seen = (Vec::new(), Vec::new());
    let answered = control::ask(root, &Request::Status {}, Some(PATIENCE), |reply| {
        if let Reply::Status { workers, troubles } = reply {
            seen = (workers, troubles);
        }
    });
    if answered.is_err() {
        // Whoever is too busy to answer has written down what runs.
        seen.0 = running::reports(&room.state)?;
    }
    let (workers, troubles): (Vec<WorkerReport>, Vec<Trouble>) = seen;
    let held = EngineLock::is_held(root);
    let engine = match (held.then(|| EngineLock::holder(root)).flatten(), &answered) {
        (Some(holder), Ok(_)) => format!(
            "`shardplane {}` works here (pid {}, since {})",
            holder.verb, holder.pid, holder.since
        ),
        (Some(holder), Err(_)) => format!(
            "`shardplane {}` works here (pid {}, since {}) and is busy{}",
            holder.verb,
            holder.pid,
            holder.since,
            in_hand::of(room).map_or_else(String::new, |step| format!(": {step}")),
        ),
        (None, _) if held => "another run works here".to_owned(),
        (None, _) => "no engine runs on this machine now".to_owned(),
    };
    let around = Surroundings {
        worker: setting.toolchain.clone(),
        workers: running::alive(&room.state)?,
        tenants: Tenants::Strangers,
    };
    let mut nodes = Vec::new();
    for node in &room.nodes {
        let snapshot = observe::node(room, node, &around)?;
        let open = Journal::read(&room.state.node_folder(&node.name).join("journal"))?;
        let outstanding = if held {
            0
        } else {
            crate::state::journal::open_steps(&open).len()
        };
        nodes.push((snapshot, outstanding));
    }
    match args.printing.output {
        Format::Text | Format::Wide => console.result(&render::status::text(
            &room.title,
            &engine,
            &nodes,
            (&workers, &troubles),
            console.out_paint(),
        )),
        format @ (Format::Json | Format::Yaml) => {
            let value = json!({
                "room": room.title,
                "engine": engine,
                "running": held,
                "workers": document::json(&workers)?,
                "troubles": document::json(&troubles)?,
                "nodes": nodes.iter().map(|(snapshot, outstanding)| Ok(json!({
                    "node": snapshot.metadata.name,
                    "bootId": snapshot.boot_id.get(),
                    "outstandingSteps": outstanding,
                    "ledger": document::json(&snapshot.ledger)?,
                    "socs": document::json(&snapshot.socs)?,
                }))).collect::<Result<Vec<_>, Failure>>()?,
                "exit": document::exit_json(Exit::Ok),
            });
            console.document(&document::print(&value, format)?);
        }
    }
    Ok(Exit::Ok)
}

/// Waits until the `up` that works here says that the machine is as declared, and what it says of models and builds then.
fn as_declared(root: &Path, limit: Duration, console: &Console) -> Result<Vec<Trouble>, Failure> {
    let mut ended = false;
    let mut but = Vec::new();
    let mut matter = String::new();
    let asked = control::ask(
        root,
        &Request::AsDeclared {},
        Some(limit),
        |reply| match reply {
            Reply::Note { text } => {
                console.note(&format!("waiting: {text}"));
                matter = text;
            }
            Reply::Ended { .. } => ended = true,
            Reply::Status { troubles, .. } => but = troubles,
            Reply::Begun {} => {}
        },
    );
    match asked {
        Ok(true) if ended => Ok(but),
        Ok(false) => Err(Failure::said(
            Exit::Unavailable,
            "no `shardplane up` works here, so nobody keeps the machine as declared",
            "start it, or its unit: systemctl start shardplane",
        )),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let matter = match matter.as_str() {
                "" => "the `shardplane up` that works here is busy and has not yet said why",
                said => said,
            };
            Err(Failure::said(
                Exit::Blocked,
                format!(
                    "the machine is not as declared after {} s: {matter}",
                    limit.as_secs()
                ),
                "look at `shardplane status` and at what `shardplane up` says",
            ))
        }
        Ok(true) => Err(Failure::said(
            Exit::Unavailable,
            "`shardplane up` ended before the machine was as declared",
            "look at what it said",
        )),
        Err(error) => Err(Failure::said(
            Exit::Unavailable,
            format!("asking the running `shardplane up`: {error}"),
            "",
        )),
    }
}
