//! Schemas generated from the types: custom resource definitions for a cluster, JSON Schemas for editors and the loader.
mod definition;
mod document;
mod named;
mod tidy;

use serde_json::Value;

use crate::{kind::Kind, write};

pub(crate) use definition::server_schema;
pub(crate) use document::document_schema;
pub use named::{Schema, all, named};

/// Every custom resource definition as `(file name, YAML)`, for `charts/shardplane/crds/`.
pub fn crds() -> Vec<(String, String)> {
    definitions()
        .into_iter()
        .filter_map(|(name, definition)| {
            // A JSON value always has a YAML form.
            Some((format!("{name}.yaml"), write::to_yaml(&definition).ok()?))
        })
        .collect()
}

/// Every custom resource definition as `(name, object)`.
pub fn definitions() -> Vec<(String, Value)> {
    Kind::ALL
        .iter()
        .filter_map(|&kind| {
            let definition = definition::definition(kind)?;
            let name = definition.pointer("/metadata/name")?.as_str()?.to_owned();
            Some((name, definition))
        })
        .collect()
}

/// Every JSON Schema as `(path, JSON)`, for `crd/schemas/`: `shardplane.dev/<kind>_v1alpha1.json`, which is where
/// editors and kubeconform look, and beside them the plan, the journal's record, a diagnosis, a difference and what
/// became of recordings in a rack.
pub fn json_schemas() -> Vec<(String, String)> {
    let kinds = Kind::ALL.iter().map(|&kind| {
        let name = format!(
            "shardplane.dev/{}_v1alpha1.json",
            kind.as_str().to_lowercase()
        );
        (name, document::json_schema(kind))
    });
    let records = [
        ("plan.json".to_owned(), document::plan_schema()),
        ("record.json".to_owned(), document::record_schema()),
        ("diagnosis.json".to_owned(), document::diagnosis_schema()),
        ("difference.json".to_owned(), document::difference_schema()),
        ("replica.json".to_owned(), document::replica_schema()),
    ];
    kinds
        .chain(records)
        .map(|(name, schema)| (name, format!("{schema:#}\n")))
        .collect()
}
