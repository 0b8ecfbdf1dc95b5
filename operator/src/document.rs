//! Documents for programs: the plan as JSON with its surroundings, and the saved plan.
use std::path::PathBuf;

use crd::{declaration::Declaration, plan::Plan, snapshot::HardwareSnapshot};
use reconcile::{NodeInput, SpentResets};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    annotate,
    cli::Format,
    declared::{InputFile, inputs_json},
    exit::Exit,
    failure::Failure,
    render,
};

/// What a plan was made from, beside the declaration itself.
pub struct Surroundings<'a> {
    /// Declared files.
    pub config: &'a [InputFile],
    /// The nodes as they were seen.
    pub nodes: &'a [NodeInput],
}

/// The plan as one document: the wire's plan, with tool, inputs, disruption and outcome.
pub fn plan(plan: &Plan, around: &Surroundings<'_>, exit: Exit) -> Result<Value, Failure> {
    let mut document = Map::new();
    let Value::Object(wire) = json(plan)? else {
        return Err(Failure::said(
            Exit::Internal,
            "a plan is no JSON object",
            "",
        ));
    };
    let disruption = plan
        .nodes
        .iter()
        .map(|node| node.disruption)
        .max()
        .unwrap_or_default();
    for (key, value) in wire {
        let after_kind = key == "kind";
        document.insert(key, value);
        if after_kind {
            document.insert(
                "tool".to_owned(),
                json!({ "name": "shardplane", "version": env!("CARGO_PKG_VERSION") }),
            );
            document.insert(
                "inputs".to_owned(),
                json!({
                    "config": inputs_json(around.config),
                    "snapshots": around.nodes.iter().map(snapshot).collect::<Value>(),
                }),
            );
        }
    }
    document.insert(
        "disruption".to_owned(),
        json!({
            "class": render::plan::class(disruption),
            "disruptive": plan.nodes.iter().any(|node| node.disruptive),
        }),
    );
    document.insert("exit".to_owned(), exit_json(exit));
    Ok(Value::Object(annotate::plan(document, plan)))
}

fn snapshot(node: &NodeInput) -> Value {
    match node {
        NodeInput::Read(snapshot) => json!({
            "node": snapshot.metadata.name,
            "digest": reconcile::snapshot_digest(snapshot),
            "bootId": snapshot.boot_id.get(),
        }),
        NodeInput::Unreadable { node, why, .. } => json!({ "node": node, "unreadable": why }),
    }
}

/// An outcome as JSON.
pub fn exit_json(exit: Exit) -> Value {
    json!({ "code": exit.code(), "name": exit.name() })
}

/// Any value of ours as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<Value, Failure> {
    serde_json::to_value(value)
        .map_err(|error| Failure::said(Exit::Internal, format!("writing JSON: {error}"), ""))
}

/// A value in a format for programs; people's formats are the caller's.
pub fn print(value: &Value, format: Format) -> Result<String, Failure> {
    match format {
        Format::Yaml => yaml(value),
        Format::Json | Format::Text | Format::Wide => {
            Ok(crate::plain::json(format!("{value:#}\n")))
        }
    }
}

/// A value as YAML.
pub fn yaml<T: Serialize>(value: &T) -> Result<String, Failure> {
    crd::write::to_yaml(value)
        .map_err(|error| Failure::said(Exit::Internal, crate::failure::chain(&error), ""))
}

/// A plan saved to be applied exactly.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlan {
    /// Version of this file.
    pub format_version: String,
    /// Always `SavedPlan`.
    pub kind: String,
    /// The version of the tool that saved it.
    pub tool: String,
    /// The folder that declared paths start from.
    pub base: PathBuf,
    /// What was planned for: `rack quickstart`.
    pub room: String,
    /// What was declared.
    pub declaration: Declaration,
    /// What was planned.
    pub plan: Plan,
    /// The nodes as they were seen, to tell which fact moved.
    pub snapshots: Vec<HardwareSnapshot>,
    /// SoCs that the plan leaves alone, because they had all the resets that a boot is given.
    #[serde(default, skip_serializing_if = "SpentResets::is_empty")]
    pub spent_resets: SpentResets,
}

/// The version of saved plans that this program reads and writes.
pub const SAVED_FORMAT: &str = "1.0";

/// Reads a saved plan.
pub fn read_saved(path: &std::path::Path) -> Result<SavedPlan, Failure> {
    let source = crate::source::read_file(path)?;
    let hint = "save one with `shardplane plan --out FILE`; apply declared files with -f";
    let refused = |why: String| {
        Failure::said(
            Exit::Input,
            format!("{} is no saved plan of this version: {why}", path.display()),
            hint,
        )
    };
    let value: Value =
        serde_json::from_str(&source.text).map_err(|error| refused(error.to_string()))?;
    let kind = value.get("kind").and_then(Value::as_str);
    let version = value
        .get("formatVersion")
        .and_then(Value::as_str)
        .unwrap_or("none");
    if kind != Some("SavedPlan") {
        return Err(refused("its kind is not SavedPlan".to_owned()));
    }
    if version.split('.').next() != SAVED_FORMAT.split('.').next() {
        return Err(refused(format!(
            "its formatVersion is {version}, this program reads {SAVED_FORMAT}"
        )));
    }
    let saved: SavedPlan =
        serde_json::from_value(value.clone()).map_err(|error| refused(error.to_string()))?;
    // A later minor version may say more. This one says what it means: a word that was meant to change something must not be
    // passed over.
    if version == SAVED_FORMAT
        && let Some(place) = not_understood(&value, &json(&saved)?)
    {
        return Err(refused(format!(
            "it has `{place}`, which means nothing there"
        )));
    }
    Ok(saved)
}

/// Where a document says something that is not in what was understood of it.
fn not_understood(said: &Value, understood: &Value) -> Option<String> {
    let within = |key: &str, said: &Value, understood: Option<&Value>| {
        // What is absent may be written out.
        let nothing = matches!(said, Value::Null | Value::Bool(false))
            || said.as_array().is_some_and(Vec::is_empty)
            || said.as_object().is_some_and(Map::is_empty);
        match understood {
            Some(understood) => {
                not_understood(said, understood).map(|place| format!("/{key}{place}"))
            }
            None => (!nothing).then(|| format!("/{key}")),
        }
    };
    match (said, understood) {
        (Value::Object(said), Value::Object(understood)) => said
            .iter()
            .find_map(|(key, value)| within(key, value, understood.get(key))),
        (Value::Array(said), Value::Array(understood)) => said
            .iter()
            .enumerate()
            .find_map(|(at, value)| within(&at.to_string(), value, understood.get(at))),
        _ => None,
    }
}
