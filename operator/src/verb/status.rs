//! `status`: what is there, what we changed and what runs; takes no lock.
use std::time::Duration;

use serde_json::json;

use super::setting;
use crate::{
    cli::{Environment, Format, StatusArgs},
    console::Console,
    document,
    engine::observe::{self, Surroundings},
    exit::Exit,
    failure::Failure,
    render,
    room::Opening,
    state::{EngineLock, Journal},
    supervise::{
        WorkerReport,
        control::{self, Reply, Request},
        recorded,
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
    let setting = setting::open(&args.place, environment, console, Opening::Look)?;
    let room = &setting.room;
    let root = room.state.root();
    let mut workers: Vec<WorkerReport> = Vec::new();
    let answered = control::ask(root, &Request::Status {}, Some(PATIENCE), |reply| {
        if let Reply::Status { workers: reported } = reply {
            workers = reported;
        }
    });
    let held = EngineLock::is_held(root);
    let engine = match (held.then(|| EngineLock::holder(root)).flatten(), &answered) {
        (Some(holder), Ok(_)) => format!(
            "`shardplane {}` works here (pid {}, since {})",
            holder.verb, holder.pid, holder.since
        ),
        (Some(holder), Err(_)) => format!(
            "`shardplane {}` works here (pid {}, since {}) and is busy",
            holder.verb, holder.pid, holder.since
        ),
        (None, _) if held => "another run works here".to_owned(),
        (None, _) => "no engine runs on this machine now".to_owned(),
    };
    let around = Surroundings {
        worker: setting.toolchain.clone(),
        workers: recorded::alive(&room.state)?,
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
            &workers,
            console.out_paint(),
        )),
        format @ (Format::Json | Format::Yaml) => {
            let value = json!({
                "room": room.title,
                "engine": engine,
                "running": held,
                "workers": document::json(&workers)?,
                "nodes": nodes.iter().map(|(snapshot, outstanding)| Ok(json!({
                    "node": snapshot.metadata.name,
                    "bootId": snapshot.boot_id.get(),
                    "outstandingSteps": outstanding,
                    "ledger": document::json(&snapshot.ledger)?,
                    "socs": document::json(&snapshot.socs)?,
                }))).collect::<Result<Vec<_>, Failure>>()?,
                "exit": document::exit_json(Exit::Ok),
            });
            console.result(&document::print(&value, format)?);
        }
    }
    Ok(Exit::Ok)
}
