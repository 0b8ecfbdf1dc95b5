//! Values as Python writes them, where the engine writes them otherwise: floats.

use minijinja::Value;
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Tuple, ValueKind};

use super::bytes;

/// Deeper values than any message has are left to the engine.
const DEPTH: usize = 64;

/// The text of a value that has floats in it; `None` where the engine's own text is right.
pub(super) fn text(value: &Value) -> Option<String> {
    if is_float(value) {
        return Some(float(value));
    }
    if let (ValueKind::Bytes, Some(found)) = (value.kind(), value.as_bytes()) {
        return Some(bytes::repr(found));
    }
    holds_floats(value, DEPTH).then(|| repr(value))
}

/// `repr` of a value.
pub(super) fn repr(value: &Value) -> String {
    let list = |items: &Value| -> Vec<String> {
        items
            .try_iter()
            .map(|items| items.map(|item| repr(&item)).collect())
            .unwrap_or_default()
    };
    match value.kind() {
        ValueKind::Number if is_float(value) => float(value),
        ValueKind::Bytes => bytes::repr(value.as_bytes().unwrap_or_default()),
        ValueKind::Seq if value.downcast_object_ref::<Tuple>().is_some() => {
            match list(value).as_slice() {
                [only] => format!("({only},)"),
                items => format!("({})", items.join(", ")),
            }
        }
        ValueKind::Seq => format!("[{}]", list(value).join(", ")),
        ValueKind::Map => {
            let pairs = value.try_iter().into_iter().flatten().map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                format!("{}: {}", repr(&key), repr(&item))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        // A list of one is written by `repr`; the engine agrees about everything but floats.
        _ => {
            let list = Value::from(vec![value.clone()]).to_string();
            list[1..list.len() - 1].to_owned()
        }
    }
}

/// The shortest decimal that reads back, with an exponent from 1e16 on and below 1e-4.
pub(super) fn float_text(value: f64) -> String {
    float(&Value::from(value))
}

fn float(value: &Value) -> String {
    // Without a width or a precision there is nothing that could fail.
    format(FormatStyle::Printf, "%s", std::slice::from_ref(value))
        .unwrap_or_else(|_| value.to_string())
}

fn is_float(value: &Value) -> bool {
    value.kind() == ValueKind::Number && !value.is_integer()
}

fn holds_floats(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value.kind() {
        ValueKind::Number => is_float(value),
        ValueKind::Bytes => true,
        ValueKind::Seq => value
            .try_iter()
            .is_ok_and(|mut items| items.any(|item| holds_floats(&item, depth))),
        ValueKind::Map => value.try_iter().is_ok_and(|mut keys| {
            keys.any(|key| {
                value
                    .get_item(&key)
                    .is_ok_and(|item| holds_floats(&item, depth))
            })
        }),
        _ => false,
    }
}
