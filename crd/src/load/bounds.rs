//! Sentences for numbers, texts, lists and maps that are too large or too small for their field.
use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::{Map, Value};

use crate::diagnostic::{Explanation, catalog};

/// Which bound of its schema level a value exceeds, as a sentence about the field `name`, which tells a number as `told`;
/// `None` for any other error.
pub(super) fn exceeded(
    error: &ValidationError<'_>,
    name: &str,
    told: &str,
    schema: &Value,
) -> Option<(&'static Explanation, String)> {
    let found = error.instance();
    Some(match error.kind() {
        ValidationErrorKind::Minimum { .. }
        | ValidationErrorKind::Maximum { .. }
        | ValidationErrorKind::ExclusiveMinimum { .. }
        | ValidationErrorKind::ExclusiveMaximum { .. } => (
            &catalog::OUT_OF_RANGE,
            format!("{name} must be {}, not {told}", range(schema)),
        ),
        ValidationErrorKind::MaxLength { limit } => {
            let length = found.as_str().map_or(0, |text| text.chars().count());
            (
                &catalog::TOO_LONG,
                format!("{name} holds {length} characters, and {limit} is the most"),
            )
        }
        ValidationErrorKind::MaxItems { limit } => {
            let length = found.as_array().map_or(0, Vec::len);
            (
                &catalog::TOO_LONG,
                format!("{name} lists {length} entries, and {limit} is the most"),
            )
        }
        ValidationErrorKind::MaxProperties { limit } => {
            let length = found.as_object().map_or(0, Map::len);
            (
                &catalog::TOO_LONG,
                format!("{name} holds {length} entries, and {limit} is the most"),
            )
        }
        ValidationErrorKind::MinLength { .. } => {
            (&catalog::TOO_SHORT, format!("{name} must not be empty"))
        }
        ValidationErrorKind::MinItems { limit } | ValidationErrorKind::MinProperties { limit } => {
            let word = if *limit == 1 { "entry" } else { "entries" };
            (
                &catalog::TOO_SHORT,
                format!("{name} needs at least {limit} {word}"),
            )
        }
        _ => return None,
    })
}

/// What to do where the field has no words of its own.
pub(super) fn plain_help(explanation: &Explanation) -> &'static str {
    if explanation.id == catalog::OUT_OF_RANGE.id {
        "write a number in that range"
    } else if explanation.id == catalog::TOO_LONG.id {
        "shorten it, or split it between several objects"
    } else {
        "fill it in, or remove it where it is optional"
    }
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(low), Some(high)) => format!("from {low} to {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => "in range".to_owned(),
    }
}
