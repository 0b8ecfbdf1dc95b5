//! What generated schemas need before the API server and draft-07 readers take them as they are meant.
use serde_json::{Map, Value};

/// Removes, at every level, what the API server warns about or what would hide a default: `uint*` formats, `nullable`
/// (nulls are pruned instead), every `default`; limits become whole numbers. `keep_default` names the properties whose default stays.
pub(super) fn structural(schema: &mut Value, keep_default: &[&str]) {
    each_level(schema, "", &mut |name, level| {
        level.remove("nullable");
        if !keep_default.contains(&name) {
            level.remove("default");
        }
        let unsigned = level
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(|format| format.starts_with("uint") || format == "partial-date-time");
        if unsigned {
            level.remove("format");
        }
        for limit in ["minimum", "maximum"] {
            let whole = level
                .get(limit)
                .and_then(Value::as_f64)
                .filter(|limit| limit.fract() == 0.0);
            if let Some(whole) = whole {
                level.insert(limit.to_owned(), (whole as i64).into());
            }
        }
    });
}

/// Turns a structural schema into a plain JSON Schema: no Kubernetes extensions, no unknown fields.
pub(super) fn closed(schema: &mut Value) {
    each_level(schema, "", &mut |_, level| {
        level.retain(|key, _| !key.starts_with("x-kubernetes-"));
        if level.contains_key("properties") && !level.contains_key("additionalProperties") {
            level.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    });
}

/// Calls `visit` with the property name (empty for what is none) and the map of every schema inside `schema`.
fn each_level(
    schema: &mut Value,
    name: &str,
    visit: &mut impl FnMut(&str, &mut Map<String, Value>),
) {
    let Value::Object(level) = schema else {
        return;
    };
    visit(name, level);
    for (keyword, inner) in level.iter_mut() {
        match (keyword.as_str(), inner) {
            ("properties" | "definitions" | "$defs", Value::Object(properties)) => {
                for (property, schema) in properties.iter_mut() {
                    each_level(schema, property, visit);
                }
            }
            ("items" | "additionalProperties" | "not", inner) => each_level(inner, "", visit),
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(branches)) => {
                for branch in branches {
                    each_level(branch, "", visit);
                }
            }
            _ => {}
        }
    }
}
