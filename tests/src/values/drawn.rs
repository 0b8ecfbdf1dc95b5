//! Values of one schema: at its bounds, one key at a time, and thrown together; kept is what the schema allows.
use serde_json::{Map, Value, json};

use super::{Dice, texts::texts};

/// Objects that are thrown together, for each schema of one.
const THROWN: usize = 48;

/// Values that a schema without references allows, none twice.
///
/// # Panics
/// When the schema says something that this does not know how to draw from, or allows nothing that is drawn.
#[must_use]
#[expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a schema that nobody draws from must fail the test"
)]
pub fn drawn(schema: &Value) -> Vec<Value> {
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .build(schema)
        .expect("it is a schema");
    let allowed = |value: &Value| validator.is_valid(value);
    let candidates = match (&schema["enum"], &schema["const"], schema["type"].as_str()) {
        _ if schema["oneOf"].is_array() => {
            let ways = schema["oneOf"].as_array().into_iter().flatten();
            ways.flat_map(drawn).collect()
        }
        (Value::Array(all), ..) => all.clone(),
        (_, only, _) if !only.is_null() => vec![only.clone()],
        (.., Some("boolean")) => vec![json!(false), json!(true)],
        (.., Some("integer")) => integers(schema),
        (.., Some("string")) => texts(schema, &|text| allowed(&json!(text)))
            .into_iter()
            .map(Value::from)
            .collect(),
        (.., Some("array")) => lists(schema),
        (.., Some("object")) => objects(schema),
        _ => panic!("nothing is known to be drawn from {schema}"),
    };
    let mut found: Vec<Value> = Vec::new();
    for value in candidates {
        if allowed(&value) && !found.contains(&value) {
            found.push(value);
        }
    }
    assert!(!found.is_empty(), "nothing was drawn from {schema}");
    found
}

/// The least, the greatest, and one between.
fn integers(schema: &Value) -> Vec<Value> {
    let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
    let greatest = schema["maximum"].as_i64().unwrap_or(i64::MAX);
    let between = i64::midpoint(least, greatest);
    [least, greatest, between].map(Value::from).to_vec()
}

/// None, each alone and twice, some together, and as many as there may be.
fn lists(schema: &Value) -> Vec<Value> {
    let of = drawn(&schema["items"]);
    let most = schema["maxItems"].as_u64().unwrap_or(64);
    let most = usize::try_from(most).unwrap_or(64);
    let mut found = vec![json!([])];
    found.extend(of.iter().map(|item| json!([item])));
    found.extend(of.first().map(|item| json!([item, item])));
    found.extend(of.chunks(3).map(|some| json!(some)));
    found.extend(of.chunks(most).map(|some| json!(some)));
    let greatest: Vec<&Value> = of.iter().cycle().take(most).collect();
    found.push(json!(greatest));
    found
}

fn objects(schema: &Value) -> Vec<Value> {
    match schema["properties"].as_object() {
        Some(properties) => fixed(properties),
        None => free(schema),
    }
}

/// Nothing, each value of each key alone, and keys thrown together.
fn fixed(properties: &Map<String, Value>) -> Vec<Value> {
    let keys: Vec<(&String, Vec<Value>)> = properties
        .iter()
        .map(|(key, schema)| (key, drawn(schema)))
        .collect();
    let mut dice = Dice::new();
    let mut thrown = |some: &dyn Fn(&String, &mut Dice) -> bool| {
        let mut object = Map::new();
        for (key, of) in &keys {
            if some(key, &mut dice) {
                object.insert((*key).clone(), of[dice.below(of.len())].clone());
            }
        }
        Value::Object(object)
    };
    let mut found = vec![json!({})];
    for (key, of) in &keys {
        found.extend(of.iter().map(|value| json!({ (*key): value })));
    }
    // Each pair and all but each, which a rule about two keys goes by.
    for (one, _) in &keys {
        for (other, _) in &keys {
            found.push(thrown(&|key, _| key == *one || key == *other));
        }
        for _ in 0..4 {
            found.push(thrown(&|key, _| key != *one));
        }
    }
    found.extend((0..THROWN).map(|_| thrown(&|_, dice| dice.below(2) == 1)));
    found
}

/// Maps with keys of one's own, by one pattern: none, one of each key and of each value, and as many as were drawn.
/// What is said of the values stands beside the type, and not in `allOf`.
fn free(schema: &Value) -> Vec<Value> {
    let all = schema["allOf"].as_array().into_iter().flatten();
    let patterns = all
        .chain([schema])
        .filter_map(|of| of["patternProperties"].as_object()?.iter().next());
    let patterns: Vec<(&String, &Value)> = patterns.collect();
    let names: Vec<Value> = patterns
        .iter()
        .map(|(pattern, _)| json!({ "pattern": pattern }))
        .chain([json!({})])
        .collect();
    let names = drawn(&json!({ "type": "string", "allOf": names }));
    let values = patterns.last().map(|(_, values)| *values);
    let values = drawn(values.unwrap_or(&schema["additionalProperties"]));
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let pairs = names.len().max(values.len());
    let pairs = names.iter().cycle().zip(values.iter().cycle()).take(pairs);
    let pairs: Vec<(String, Value)> = pairs
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let mut found = vec![json!({})];
    found.extend(
        pairs
            .iter()
            .map(|(name, value)| json!({ name.clone(): value })),
    );
    found.push(Value::Object(pairs.into_iter().collect()));
    found
}
