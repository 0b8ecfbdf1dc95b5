//! `rack from-snapshot`: recorded servers as a rack, to plan, apply and break there what stands somewhere else.
mod named;
mod shown;

pub use shown::compare;

use crd::{
    kind::{
        API_VERSION, RACK_KIND, Rack,
        rack::{RackMetadata, RackSpec, Server},
    },
    replica::{REPLICA_FORMAT, RackReplica},
    snapshot::HardwareSnapshot,
};

use super::rack::put_new;
use crate::{
    cli::{Format, FromSnapshotArgs},
    console::Console,
    document,
    exit::Exit,
    failure::Failure,
    recorded::{self, Expired},
    render,
};

/// `rack from-snapshot`
pub fn run(args: &FromSnapshotArgs, console: &Console) -> Result<Exit, Failure> {
    // A machine that is rehearsed on is one of then, whenever that was.
    let snapshots = recorded::snapshots(&args.snapshot, Expired::Used, console)?;
    let document = match args.printing.output {
        Format::Text | Format::Wide => None,
        format @ (Format::Json | Format::Yaml) => Some(format),
    };
    if document.is_some() && args.out.as_os_str() == "-" {
        return Err(Failure::said(
            Exit::Usage,
            "the rack's file and the report of it cannot both be printed",
            "name a file for the rack: --out FILE",
        ));
    }
    let name = args.name.clone().unwrap_or_else(|| name(&snapshots));
    let (snapshots, renamed) = named::fitting(snapshots);
    for (before, after) in &renamed {
        console.note(&format!(
            "note: {before} is called {after} here: a rack's servers have names of a-z, 0-9, `-` and `.`, up to 63"
        ));
    }
    let rack = rack(name, snapshots);
    machine::rack::examine(&rack)?;
    let nodes = shown::compare(&rack)?;
    for node in &nodes {
        for line in render::replica::lines(node) {
            console.note(&format!("note: {}: {line}", node.node));
        }
    }
    let exit = put_new(&args.out, &document::yaml(&rack)?, console)?;
    if let Some(format) = document {
        let mut report = document::json(&RackReplica {
            format_version: REPLICA_FORMAT.to_owned(),
            kind: "RackReplica".to_owned(),
            rack: rack.metadata.name,
            file: args.out.display().to_string(),
            nodes,
        })?;
        report["exit"] = document::exit_json(exit);
        console.document(&document::print(&report, format)?);
    }
    Ok(exit)
}

/// A rack of these servers.
pub fn rack(name: String, snapshots: Vec<HardwareSnapshot>) -> Rack {
    Rack {
        api_version: API_VERSION.to_owned(),
        kind: RACK_KIND.to_owned(),
        metadata: RackMetadata { name },
        spec: RackSpec {
            seed: 1,
            speedup: None,
            servers: snapshots.into_iter().map(server).collect(),
        },
    }
}

fn server(snapshot: HardwareSnapshot) -> Server {
    Server {
        name: snapshot.metadata.name.clone(),
        labels: std::collections::BTreeMap::new(),
        host: None,
        sdk: None,
        settings: None,
        qid_order: None,
        durations: None,
        tenants: Vec::new(),
        vendor_agent: None,
        faults: Vec::new(),
        root_ports: Vec::new(),
        // A rack file is there to be edited: it carries no seal. What changes by itself is the rack's own.
        recorded: Some(Box::new(HardwareSnapshot {
            readings: None,
            recording: None,
            ..snapshot
        })),
    }
}

/// A rack's name: the only server's as far as it can be one, else a word.
fn name(snapshots: &[HardwareSnapshot]) -> String {
    let [only] = snapshots else {
        return "recorded".to_owned();
    };
    named::label(only.metadata.name.as_str()).replace('.', "-")
}
