//! `snapshot diff`: in what two recordings differ, in words and by JSON pointer.
use std::{collections::BTreeMap, path::Path};

use crd::{
    diagnostic::catalog,
    difference::{DIFFERENCE_FORMAT, NodeDifference, Recorded, SnapshotDifference},
    snapshot::HardwareSnapshot,
};
use reconcile::{recording::difference, snapshot_digest};

use crate::{
    cli::{DiffArgs, Format},
    console::Console,
    document,
    exit::Exit,
    failure::Failure,
    recorded, render,
};

/// `snapshot diff`
pub fn run(args: &DiffArgs, console: &Console) -> Result<Exit, Failure> {
    let (before, after) = (one(&args.before, console)?, one(&args.after, console)?);
    let nodes = match (before.as_slice(), after.as_slice()) {
        // One machine each: the same under another name is worth comparing too, a redacted one with its original.
        ([before], [after]) => vec![node(Some(before), Some(after))],
        (before, after) => by_name(before, after),
    };
    let found = SnapshotDifference {
        format_version: DIFFERENCE_FORMAT.to_owned(),
        kind: "SnapshotDifference".to_owned(),
        nodes,
    };
    let alone = |node: &NodeDifference| node.before.is_none() || node.after.is_none();
    let same = (found.nodes.iter()).all(|node| node.changes.is_empty() && !alone(node));
    let exit = if same { Exit::Ok } else { Exit::Failed };
    match args.printing.output {
        format @ (Format::Json | Format::Yaml) => {
            let mut value = document::json(&found)?;
            value["exit"] = document::exit_json(exit);
            console.document(&document::print(&value, format)?);
        }
        format @ (Format::Text | Format::Wide) => {
            let detail = if format == Format::Wide {
                render::plan::Detail::Wide
            } else {
                render::plan::Detail::Normal
            };
            console.result(&render::difference::text(
                &found,
                [&args.before, &args.after],
                detail,
                console.out_paint(),
            ));
        }
    }
    Ok(exit)
}

/// The snapshots of one file. One that was edited is compared all the same: what was edited is the question.
fn one(path: &Path, console: &Console) -> Result<Vec<HardwareSnapshot>, Failure> {
    let read = recorded::read(&[path.to_owned()], console)?;
    if recorded::errors(&read).any(|problem| problem.id() != catalog::SNAPSHOT_EDITED.id) {
        return Err(recorded::refused(&read));
    }
    if read.loaded.snapshots.is_empty() {
        return Err(Failure::said(
            Exit::Input,
            format!("no HardwareSnapshot in {}", path.display()),
            "record one with `shardplane snapshot --out FILE`",
        ));
    }
    let found = read.loaded.snapshots.into_iter();
    Ok(found.map(|found| found.snapshot).collect())
}

fn by_name(before: &[HardwareSnapshot], after: &[HardwareSnapshot]) -> Vec<NodeDifference> {
    let mut nodes: BTreeMap<&str, [Option<&HardwareSnapshot>; 2]> = BTreeMap::new();
    for (side, snapshots) in [before, after].into_iter().enumerate() {
        for snapshot in snapshots {
            let name = snapshot.metadata.name.as_str();
            nodes.entry(name).or_default()[side] = Some(snapshot);
        }
    }
    let nodes = nodes.into_values();
    nodes.map(|[before, after]| node(before, after)).collect()
}

fn node(before: Option<&HardwareSnapshot>, after: Option<&HardwareSnapshot>) -> NodeDifference {
    let side = |snapshot: &HardwareSnapshot| Recorded {
        node: snapshot.metadata.name.clone(),
        digest: snapshot_digest(snapshot),
    };
    NodeDifference {
        before: before.map(side),
        after: after.map(side),
        changes: match (before, after) {
            (Some(before), Some(after)) => difference(before, after),
            (Some(_) | None, _) => Vec::new(),
        },
    }
}
