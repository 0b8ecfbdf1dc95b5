//! Words for fields, types and values in sentences.
use jsonschema::JsonType;
use serde_json::Value;

/// The field's own words about itself: the first sentence of its documentation.
pub(super) fn description(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    text.trim_end_matches('.').to_owned()
}

/// A type as a sentence names it.
pub(super) fn type_name(wanted: JsonType) -> &'static str {
    match wanted {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "empty",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "text",
    }
}

/// A value as a sentence names it, a number as `told`.
pub(super) fn value_name(found: &Value, told: &str) -> String {
    match found {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("the truth value `{value}`"),
        Value::Number(_) => format!("the number {told}"),
        Value::String(text) => format!("the text `{}`", shortened(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// Text of a length that fits a sentence.
pub(super) fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 60 && line.len() == text.len() {
        return line.to_owned();
    }
    let start: String = line.chars().take(57).collect();
    format!("{start}…")
}

/// `a`, `b` or `c`.
pub(super) fn any_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A pointer as a person reads it: `/spec/members/1/address` is `members[1].address`.
pub(super) fn field_name(pointer: &str) -> String {
    match field_path(pointer) {
        None => "the document".to_owned(),
        Some(path) => format!("`{}`", path.strip_prefix("spec.").unwrap_or(&path)),
    }
}

/// A JSON pointer as the API server writes a field: `/spec/members/1/address` is `spec.members[1].address`, and a key
/// with a dot or a slash stands in brackets. The whole document is no field.
pub(super) fn field_path(pointer: &str) -> Option<String> {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let index = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        if !path.is_empty() && (index || step.contains(['.', '/'])) {
            path.extend(["[", &step, "]"]);
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(&step);
        }
    }
    (!path.is_empty()).then_some(path)
}
