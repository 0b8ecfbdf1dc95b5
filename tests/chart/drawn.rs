//! What is drawn from a schema that is too loose: whatever it fails to refuse is among it.
use serde_json::{Value, json};
use tests::values::{choices, drawn, samples};

/// A schema, and what somebody could say that it allows.
fn loose() -> Vec<(Value, Vec<Value>)> {
    let text = json!({ "type": "string" });
    let name = json!({ "type": "string", "pattern": "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$" });
    let free = json!({ "type": "object", "additionalProperties": text });
    let toleration = json!({ "type": "object", "additionalProperties": false, "properties": {
        "key": text, "operator": { "enum": ["Exists", "Equal"] }, "value": text,
        "effect": { "enum": ["NoSchedule", "NoExecute"] },
        "tolerationSeconds": { "type": "integer", "minimum": 0 } } });
    vec![
        (
            text.clone(),
            vec![
                json!("a: b"),
                json!("a #b"),
                json!("a\n- b"),
                json!("UPPER CASE"),
            ],
        ),
        (
            name,
            vec![
                json!(""),
                json!("123"),
                json!("1e3"),
                json!("true"),
                json!("null"),
                json!("a..b"),
            ],
        ),
        (
            json!({ "type": "string", "pattern": "^(/[A-Za-z0-9._-]+)+$" }),
            vec![json!("/var/../lib")],
        ),
        (
            json!({ "type": "array", "items": { "enum": ["a", "b"] } }),
            vec![json!([]), json!(["a", "a"])],
        ),
        (
            json!({ "type": "array", "items": toleration }),
            vec![json!([{}])],
        ),
        (
            toleration,
            vec![
                json!({}),
                json!({ "key": "a b" }),
                json!({ "value": "a b" }),
                json!({ "tolerationSeconds": 0 }),
            ],
        ),
        (
            json!({ "type": "integer", "minimum": 3, "maximum": 9 }),
            vec![json!(3), json!(6), json!(9)],
        ),
        (
            json!({ "oneOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] }),
            vec![json!("UPPER CASE"), json!(0)],
        ),
        (free, vec![json!({})]),
    ]
}

#[test]
fn whatever_is_not_refused_is_tried() {
    for (schema, could) in loose() {
        let found = drawn(&schema);
        for value in could {
            assert!(found.contains(&value), "{value} is not drawn from {schema}");
        }
    }
}

/// A text without an end is tried longer than any server takes.
#[test]
fn texts_are_drawn_long() {
    let found = drawn(&json!({ "type": "string", "pattern": "^[a-z]([a-z.]*[a-z])?$" }));
    let longest = found.iter().filter_map(Value::as_str).map(str::len).max();
    assert_eq!(longest, Some(5000));
}

/// Of two keys that exclude each other, both are said somewhere, in each of their ways.
#[test]
fn keys_are_drawn_together() {
    let found = drawn(&json!({ "type": "object", "properties": {
        "operator": { "enum": ["Exists", "Equal"] }, "value": { "enum": ["x"] }, "other": { "type": "boolean" } } }));
    for operator in ["Exists", "Equal"] {
        let both = |value: &Value| value["operator"] == operator && value["value"] == "x";
        assert!(found.iter().any(both), "{operator} is alone: {found:?}");
    }
    let maps = drawn(&json!({ "type": "object", "additionalProperties": { "type": "string" } }));
    let odd = |map: &Value| {
        let map = map.as_object().into_iter().flatten();
        map.into_iter().any(|(key, _)| key == "a b!")
    };
    assert!(maps.iter().any(odd), "{maps:?}");
}

/// A rule about two keys, a length or a list holds for what is drawn.
#[test]
fn what_is_refused_is_not_tried() {
    let found = drawn(&json!({ "type": "object", "properties": {
            "operator": { "enum": ["Exists", "Equal"] }, "value": { "type": "string", "maxLength": 3 } },
        "if": { "required": ["operator"], "properties": { "operator": { "const": "Exists" } } },
        "then": { "properties": { "value": { "const": "" } } } }));
    for value in &found {
        let exists = value["operator"] == "Exists";
        let text = value["value"].as_str().unwrap_or_default();
        assert!(
            text.chars().count() <= if exists { 0 } else { 3 },
            "{value}"
        );
    }
    assert!(found.contains(&json!({ "value": "123" })), "{found:?}");
}

/// A default that may be taken away is, unless it is required; and no choice is left out of the samples.
#[test]
fn null_is_said_where_it_may_be() {
    let schema = json!({ "type": "object", "required": ["kept"], "properties": {
        "kept": { "type": "object", "properties": { "on": { "type": "boolean" } } },
        "lost": { "type": "object", "required": ["on"], "properties": { "on": { "type": "boolean" } } } } });
    let defaults = json!({ "kept": { "on": true }, "lost": { "on": true } });
    let choices = choices(&schema, &defaults);
    let nulls: Vec<&str> = choices
        .iter()
        .filter(|(_, of)| of.contains(&Some(Value::Null)))
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(nulls, ["/lost", "/kept/on"]);
    let samples = samples(&choices);
    // A branch that is taken away takes its keys with it.
    for (path, of) in choices.iter().filter(|(path, _)| path != "/lost/on") {
        for choice in of {
            let said = |values: &Value| values.pointer(path) == choice.as_ref();
            assert!(samples.iter().any(said), "{path}: {choice:?}");
        }
    }
}
