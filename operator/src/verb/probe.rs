//! `probe`: what a machine is.
use std::path::Path;

use crd::snapshot::HardwareSnapshot;
use serde_json::Value;

use super::setting;
use crate::{
    cli::{Environment, Format, Place, ProbeArgs},
    cluster::agent::tenants::Tenants,
    console::Console,
    document,
    engine::observe::{self, Surroundings},
    exit::Exit,
    failure::Failure,
    plain::plain,
    render,
    room::Opening,
    state::durable,
    supervise::running,
};

/// `probe`
pub fn probe(
    args: &ProbeArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    let snapshots = look(&args.place, environment, console)?;
    let paint = console.out_paint();
    let shown = |detail| {
        let text = render::machine::text(&snapshots, detail, paint);
        plain(&text, paint).into_owned()
    };
    let text = match args.printing.output {
        Format::Text => shown(render::plan::Detail::Normal),
        Format::Wide => shown(render::plan::Detail::Wide),
        format @ (Format::Json | Format::Yaml) => programs_form(&snapshots, format)?,
    };
    put(args.out.as_deref(), &text, console)
}

/// Every machine of a place, as it is.
pub(super) fn look(
    place: &Place,
    environment: &Environment,
    console: &Console,
) -> Result<Vec<HardwareSnapshot>, Failure> {
    let setting = setting::open(place, environment, console, Opening::Look)?;
    let around = Surroundings {
        worker: setting.toolchain,
        workers: running::alive(&setting.room.state)?,
        tenants: Tenants::Strangers,
    };
    setting
        .room
        .nodes
        .iter()
        .map(|node| observe::closely(&setting.room, node, &around))
        .collect()
}

/// One document a snapshot; JSON holds several in a list.
fn programs_form(snapshots: &[HardwareSnapshot], format: Format) -> Result<String, Failure> {
    match (format, snapshots) {
        (Format::Yaml, _) => {
            let documents = snapshots
                .iter()
                .map(document::yaml)
                .collect::<Result<Vec<_>, _>>()?;
            Ok(documents.join("---\n"))
        }
        (Format::Json | Format::Text | Format::Wide, [one]) => {
            document::print(&document::json(one)?, Format::Json)
        }
        (Format::Json | Format::Text | Format::Wide, several) => {
            let values = several
                .iter()
                .map(document::json)
                .collect::<Result<Vec<Value>, _>>()?;
            document::print(&Value::Array(values), Format::Json)
        }
    }
}

/// Prints a result, or writes it to a file as a whole.
pub(super) fn put(out: Option<&Path>, text: &str, console: &Console) -> Result<Exit, Failure> {
    match out {
        None => console.document(text),
        Some(path) => {
            let write = |source| Failure::Write {
                path: path.display().to_string(),
                source,
            };
            durable::replace(path, text.as_bytes()).map_err(write)?;
        }
    }
    Ok(Exit::Ok)
}
