//! A document's value as the API server sees it: without nulls and unknown fields, whole numbers as integers.
use serde_json::Value;

/// The API server prunes a null in a mapping before it checks anything.
pub(super) fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes out one field.
pub(super) fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, step)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(map)) = value.pointer_mut(parent) {
        map.shift_remove(&step.replace("~1", "/").replace("~0", "~"));
    }
}

/// Numbers that are whole, however they are written, as the API server reads them: every number of a sound document is an
/// integer, and the rules see one.
pub(super) fn integral(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole.into();
            }
        }
        Value::Object(map) => map.values_mut().for_each(integral),
        Value::Array(items) => items.iter_mut().for_each(integral),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// `4.0` as 4, where a float holds the whole number exactly.
pub(super) fn whole(number: &serde_json::Number) -> Option<i64> {
    /// 2^53: beyond it neighbours are not told apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}
