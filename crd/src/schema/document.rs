//! JSON Schemas of whole documents, draft 7: what editors and the loader check against.
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{server_schema, tidy};
use crate::{
    diagnosis::Diagnosis,
    difference::SnapshotDifference,
    journal::Record,
    kind::{API_VERSION, Kind, PerKind, rack::Rack},
    plan::Plan,
    replica::RackReplica,
    snapshot::HardwareSnapshot,
};

/// The schema that a document of this kind is checked against.
pub(crate) fn document_schema(kind: Kind) -> &'static Value {
    static SCHEMAS: PerKind<Value> = PerKind::new(checked);
    SCHEMAS.of(kind)
}

fn checked(kind: Kind) -> Value {
    let mut schema = json_schema(kind);
    if kind.is_stored()
        && let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut)
    {
        // Metadata and status have checks and sentences of their own.
        properties.insert("metadata".to_owned(), json!({}));
        properties.insert("status".to_owned(), json!({}));
        schema["required"] = json!(["apiVersion", "kind", "spec"]);
    }
    schema
}

/// The schema of a kind for editors.
pub(super) fn json_schema(kind: Kind) -> Value {
    let mut schema = match kind {
        Kind::CardPolicy
        | Kind::P2PGroup
        | Kind::ModelBuild
        | Kind::ShardedModel
        | Kind::CardNode
        | Kind::ChangePlan => return stored(kind),
        Kind::HardwareSnapshot => draft7::<HardwareSnapshot>(),
        Kind::Rack => draft7::<Rack>(),
    };
    fix_kind(&mut schema, kind);
    schema
}

/// The schema of a plan.
pub(super) fn plan_schema() -> Value {
    draft7::<Plan>()
}

/// The schema of a diagnosis.
pub(super) fn diagnosis_schema() -> Value {
    draft7::<Diagnosis>()
}

/// The schema of a difference between recordings.
pub(super) fn difference_schema() -> Value {
    draft7::<SnapshotDifference>()
}

/// The schema of what a rack shows otherwise than the recordings that it was made of.
pub(super) fn replica_schema() -> Value {
    draft7::<RackReplica>()
}

/// The schema of a journal record.
pub(super) fn record_schema() -> Value {
    draft7::<Record>()
}

fn draft7<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy::structural(&mut schema, &[]);
    schema
}

fn stored(kind: Kind) -> Value {
    let mut schema = server_schema(kind).cloned().unwrap_or_default();
    tidy::structural(&mut schema, &[]);
    schema["properties"]["metadata"] = metadata(kind);
    schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    fix_kind(&mut schema, kind);
    tidy::closed(&mut schema);
    schema["properties"]["metadata"]["additionalProperties"] = json!(true);
    schema
}

fn fix_kind(schema: &mut Value, kind: Kind) {
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(kind.as_str());
    schema["properties"]["apiVersion"] = json!({
        "type": "string", "enum": [API_VERSION], "description": "Group and version.",
    });
    schema["properties"]["kind"] = json!({
        "type": "string", "enum": [kind.as_str()], "description": "The kind.",
    });
}

fn metadata(kind: Kind) -> Value {
    let mut properties = json!({
        "name": { "type": "string", "minLength": 1, "maxLength": kind.longest_name(), "description": "The object's name." },
        "labels": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Labels." },
        "annotations": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Annotations." },
    });
    if kind.is_namespaced() {
        properties["namespace"] = json!({ "type": "string", "maxLength": 63, "description": "The namespace; absent means `default`." });
    }
    json!({ "type": "object", "required": ["name"], "properties": properties, "description": "Name, labels, annotations." })
}
