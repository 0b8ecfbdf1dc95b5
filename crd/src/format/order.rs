//! The order of keys: that of the types' declarations, which documentation and examples follow too.
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::tree::{Block, Entry, Node};
use crate::kind::{
    CardNodeSpec, CardPolicySpec, ChangePlanSpec, Kind, ModelBuildSpec, P2PGroupSpec, PerKind,
    ShardedModelSpec, rack::RackSpec,
};

/// Sorts the entries of a mapping, and of all below it, by the order of properties in a schema.
pub(super) fn sort(block: &mut Block, schema: &Value) {
    let level = level(schema);
    let names: Vec<&str> = level
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect();
    let rank = |name: &str| {
        names
            .iter()
            .position(|known| *known == name)
            .unwrap_or(names.len())
    };
    block.entries.sort_by_key(|entry| rank(&entry.name));
    for entry in &mut block.entries {
        let inner = level
            .get("properties")
            .and_then(|properties| properties.get(&entry.name));
        let inner = inner
            .or_else(|| level.get("additionalProperties"))
            .unwrap_or(&Value::Null);
        match &mut entry.node {
            Node::Map(block) => sort(block, inner),
            Node::List(list) => sort_items(list, inner),
            Node::Empty | Node::Lines { .. } => {}
        }
    }
}

fn sort_items(list: &mut Block, schema: &Value) {
    let items = level(schema).get("items").cloned().unwrap_or_default();
    for entry in &mut list.entries {
        match &mut entry.node {
            Node::Map(block) => sort(block, &items),
            Node::List(inner) => sort_items(inner, &items),
            Node::Empty | Node::Lines { .. } => {}
        }
        raise(entry);
    }
}

/// Comments above the first field of a list's entry stand above its `-`: a field that begins on that line has no place for them.
fn raise(entry: &mut Entry) {
    let (Node::Map(inner) | Node::List(inner)) = &mut entry.node else {
        return;
    };
    if let Some(first) = inner.entries.first_mut()
        && !first.above.is_empty()
    {
        entry.above.append(&mut first.above);
        entry.apart = first.apart;
    }
}

/// The level that has the properties: an optional value is `anyOf` it and null.
fn level(schema: &Value) -> &Value {
    schema.pointer("/anyOf/0").unwrap_or(schema)
}

/// The schema of a kind in the order of its type.
pub(super) fn schema(kind: Kind) -> &'static Value {
    static SCHEMAS: PerKind<Value> = PerKind::new(ordered);
    SCHEMAS.of(kind)
}

fn ordered(kind: Kind) -> Value {
    let spec = match kind {
        Kind::CardPolicy => natural::<CardPolicySpec>(),
        Kind::P2PGroup => natural::<P2PGroupSpec>(),
        Kind::ModelBuild => natural::<ModelBuildSpec>(),
        Kind::ShardedModel => natural::<ShardedModelSpec>(),
        Kind::CardNode => natural::<CardNodeSpec>(),
        Kind::ChangePlan => natural::<ChangePlanSpec>(),
        Kind::Rack => natural::<RackSpec>(),
        // Recorded by a program, never arranged by a person.
        Kind::HardwareSnapshot => Value::Null,
    };
    json!({ "properties": {
        "apiVersion": {},
        "kind": {},
        "metadata": { "properties": { "name": {}, "namespace": {}, "labels": {}, "annotations": {} } },
        "spec": spec,
    }})
}

fn natural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}
