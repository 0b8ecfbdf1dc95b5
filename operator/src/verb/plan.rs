//! `plan`: what apply would do, and why; nothing is touched and no lock is taken.
use std::{collections::BTreeMap, fmt::Write as _};

use reconcile::{FailedSteps, Inputs, NodeInput, SpentResets};

use super::setting;
use crate::{
    cli::{Environment, Format, Leave, PlanArgs},
    console::Console,
    declared::{self, Declared},
    document::{self, SAVED_FORMAT, SavedPlan, Surroundings},
    engine::{
        self, Engine, FailedBuilds, SetAside, approve::Asking, interrupt::StopFlag, observe::Effort,
    },
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    recorded::{self, Expired},
    render::plan::{Detail, Frame},
    room::Opening,
    state::Journal,
    supervise::{Crew, running},
};

/// `plan`
pub fn run(
    args: &PlanArgs,
    environment: &Environment,
    console: &Console,
    stop: &StopFlag,
) -> Result<Exit, Failure> {
    let declared = declared::declared(&args.files.file, console)?;
    let place = SourcePlace::new(environment.current.clone());
    let (plan, nodes, spent_resets, observed) = if args.recordings.snapshot.is_empty() {
        let setting = setting::open(&args.place, environment, console, Opening::Look)?;
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
            leave: &Leave::default(),
            asking: Asking::Apply,
            crew: Crew::Elsewhere(running::alive(&setting.room.state)?),
        };
        for node in &setting.room.nodes {
            // apply could not go on after a damaged journal: whoever plans learns it now.
            Journal::read(&setting.room.state.node_folder(&node.name).join("journal"))?;
        }
        let (plan, nodes) = engine.look(Effort::Remembered)?;
        let spent = engine.spent_resets(&nodes)?;
        (plan, nodes, spent, setting.room.title.clone())
    } else {
        let (plan, nodes) = offline(args, &declared, console)?;
        let count = nodes.len();
        (
            plan,
            nodes,
            SpentResets::new(),
            crate::render::words::counted(count, "recorded snapshot"),
        )
    };
    if args.boot_parameters {
        return boot_parameters(args, &declared, &nodes, console);
    }
    let mut next = command("apply", args);
    if let Some(out) = &args.out {
        let saved = SavedPlan {
            format_version: SAVED_FORMAT.to_owned(),
            kind: "SavedPlan".to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            base: environment.current.clone(),
            room: observed.clone(),
            declaration: declared.declaration.clone(),
            plan: plan.clone(),
            snapshots: nodes.iter().filter_map(read).cloned().collect(),
            spent_resets,
        };
        let text = document::print(&document::json(&saved)?, Format::Json)?;
        let write = |source| Failure::Write {
            path: out.display().to_string(),
            source,
        };
        crate::state::durable::replace(out, text.as_bytes()).map_err(write)?;
        if !args.recordings.snapshot.is_empty() {
            console.note(&format!(
                "note: {} is for reading alone: it was planned for a recording, and `apply` takes only a plan of the machine that it is to change",
                out.display()
            ));
        }
        next = format!("shardplane apply {}{}", out.display(), placed(args));
    }
    if engine::wants_digest(&plan) {
        let _ = write!(next, " --approve-digest {}", plan.digest.0);
    }
    let exit = if args.detailed_exitcode && plan.applyable {
        Exit::Changes
    } else {
        Exit::Ok
    };
    match args.printing.output {
        format @ (Format::Json | Format::Yaml) => {
            let around = Surroundings {
                config: &declared.inputs,
                nodes: &nodes,
            };
            console.document(&document::print(
                &document::plan(&plan, &around, exit)?,
                format,
            )?);
        }
        format @ (Format::Text | Format::Wide) => {
            let detail = if format == Format::Wide {
                Detail::Wide
            } else {
                Detail::Normal
            };
            let frame = Frame {
                observed: &observed,
                next: args.recordings.snapshot.is_empty().then_some(next.as_str()),
            };
            console.result(&crate::render::plan::text(
                &plan,
                &frame,
                console.out_paint(),
                detail,
            ));
        }
    }
    Ok(exit)
}

/// The kernel's command lines for the nodes that could be read.
fn boot_parameters(
    args: &PlanArgs,
    declared: &Declared,
    nodes: &[NodeInput],
    console: &Console,
) -> Result<Exit, Failure> {
    let said: Vec<_> = nodes
        .iter()
        .filter_map(read)
        .map(|snapshot| reconcile::boot_parameters(&declared.declaration, snapshot))
        .collect();
    console.result(&match args.printing.output {
        format @ (Format::Json | Format::Yaml) => document::print(&document::json(&said)?, format)?,
        Format::Text | Format::Wide => crate::render::boot::text(&said),
    });
    Ok(Exit::Ok)
}

fn read(node: &NodeInput) -> Option<&crd::snapshot::HardwareSnapshot> {
    match node {
        NodeInput::Read(snapshot) => Some(snapshot),
        NodeInput::Unreadable { .. } => None,
    }
}

fn offline(
    args: &PlanArgs,
    declared: &Declared,
    console: &Console,
) -> Result<(crd::plan::Plan, Vec<NodeInput>), Failure> {
    let expired = Expired::allowed(args.recordings.allow_expired);
    let snapshots = recorded::snapshots(&args.recordings.snapshot, expired, console)?;
    let mut nodes: BTreeMap<String, NodeInput> = BTreeMap::new();
    for snapshot in snapshots {
        let name = snapshot.metadata.name.to_string();
        if args.place.node.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        if nodes
            .insert(name.clone(), NodeInput::Read(snapshot))
            .is_some()
        {
            return Err(Failure::said(
                Exit::Input,
                format!("two snapshots are of node {name}"),
                "give one a node",
            ));
        }
    }
    let nodes: Vec<NodeInput> = nodes.into_values().collect();
    if nodes.is_empty() {
        return Err(Failure::said(
            Exit::Missing,
            "no snapshot is of the node named with --node",
            "",
        ));
    }
    let models = BTreeMap::new();
    let plan = reconcile::plan(&Inputs {
        declaration: &declared.declaration,
        nodes: &nodes,
        models: &models,
        scope: reconcile::Scope::Everything,
        unbuilt: &BTreeMap::new(),
        sources: reconcile::Sources::Any,
        failed: &BTreeMap::new(),
    });
    Ok((engine::checked(plan, &declared.declaration, &nodes)?, nodes))
}

/// The command that carries out what these arguments plan.
fn command(verb: &str, args: &PlanArgs) -> String {
    let mut text = format!("shardplane {verb}");
    for file in &args.files.file {
        let _ = write!(text, " -f {}", file.display());
    }
    text.push_str(&placed(args));
    text
}

fn placed(args: &PlanArgs) -> String {
    let mut text = String::new();
    if let Some(rack) = &args.place.rack {
        let _ = write!(text, " --rack {}", rack.display());
    }
    if let Some(dir) = &args.place.state_dir {
        let _ = write!(text, " --state-dir {}", dir.display());
    }
    if let Some(node) = &args.place.node {
        let _ = write!(text, " --node {node}");
    }
    if let Some(roots) = &args.place.roots {
        let _ = write!(text, " --roots {}", roots.display());
    }
    text
}
