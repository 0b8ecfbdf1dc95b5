//! The document against its schema: every difference as a sentence about the field.
use std::sync::OnceLock;

use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use super::{
    document::Document,
    envelope::closest,
    escape,
    form::{malformed, wrong_type},
    words::{any_of, description, field_name, field_path, shortened, type_name},
};
use crate::{
    diagnostic::{Diagnostic, Explanation, Site, catalog},
    kind::Kind,
    schema,
};

/// Checks a document; answers its value without nulls and unknown fields when nothing but unknown fields is wrong.
pub(super) fn check(
    kind: Kind,
    document: &Document<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Value> {
    let mut value = document.value.clone();
    prune_nulls(&mut value);
    let validator = validator(kind)?;
    let errors: Vec<_> = validator.iter_errors(&value).collect();
    let mut shape = Shape {
        kind,
        document,
        meant: Vec::new(),
        unknown: Vec::new(),
        other: Vec::new(),
    };
    for error in &errors {
        shape.take(error);
    }
    let Shape {
        meant,
        unknown,
        mut other,
        ..
    } = shape;
    // A field that is missing because its name is misspelt is one problem, not two.
    other.retain(|(missing, _)| {
        missing
            .as_ref()
            .is_none_or(|pointer| !meant.contains(pointer))
    });
    let sound = errors.iter().all(|error| {
        matches!(
            error.kind(),
            ValidationErrorKind::AdditionalProperties { .. }
        )
    });
    for (pointer, diagnostic) in unknown {
        remove(&mut value, &pointer);
        diagnostics.push(diagnostic);
    }
    diagnostics.extend(other.into_iter().map(|(_, diagnostic)| diagnostic));
    if kind.is_stored()
        && document
            .value
            .get("status")
            .is_some_and(|status| !status.is_null())
    {
        diagnostics.push(
            Diagnostic::warning(
                &catalog::STATUS_IGNORED,
                "`status` has no effect here: the controller writes it",
            )
            .at(document.key_site("/status"))
            .help("remove it"),
        );
        remove(&mut value, "/status");
    }
    if sound {
        integral(&mut value);
    }
    sound.then_some(value)
}

/// Numbers that are whole, however they are written, as the API server reads them: every number of a sound document is an
/// integer, and the rules see one.
fn integral(value: &mut Value) {
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

fn validator(kind: Kind) -> Option<&'static Validator> {
    static CELLS: [OnceLock<Option<Validator>>; Kind::ALL.len()] =
        [const { OnceLock::new() }; Kind::ALL.len()];
    CELLS[kind as usize]
        .get_or_init(|| {
            jsonschema::options()
                .with_draft(jsonschema::Draft::Draft7)
                .build(schema::document_schema(kind))
                .ok()
        })
        .as_ref()
}

/// The API server prunes a null in a mapping before it checks anything.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, step)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(map)) = value.pointer_mut(parent) {
        map.shift_remove(&step.replace("~1", "/").replace("~0", "~"));
    }
}

struct Shape<'a, 'd> {
    kind: Kind,
    document: &'a Document<'d>,
    /// Pointers of fields that a misspelt one stands for.
    meant: Vec<String>,
    /// Unknown fields by pointer.
    unknown: Vec<(String, Diagnostic)>,
    /// The rest; a missing field with its pointer.
    other: Vec<(Option<String>, Diagnostic)>,
}

impl Shape<'_, '_> {
    fn take(&mut self, error: &ValidationError<'_>) {
        let pointer = error.instance_path().as_str();
        let name = field_name(pointer);
        let found = error.instance().as_ref();
        let limits = |low, high| self.limits(error, low, high);
        let (explanation, message, help): (&'static Explanation, String, String) = match error
            .kind()
        {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for field in unexpected {
                    self.unknown_field(error, pointer, field);
                }
                return;
            }
            ValidationErrorKind::Required { property } => {
                if let Some(property) = property.as_str() {
                    self.missing(error, pointer, property);
                }
                return;
            }
            ValidationErrorKind::OneOfNotValid { context }
            | ValidationErrorKind::AnyOf { context } => {
                if let Some(options) = constants(error, context) {
                    self.no_option(pointer, found, &options, self.describe(error));
                } else if let Some(branch) = meant_branch(error, context) {
                    for error in branch {
                        self.take(error);
                    }
                }
                return;
            }
            ValidationErrorKind::Type { kind } => {
                let wanted = match kind {
                    TypeKind::Single(wanted) => type_name(*wanted),
                    TypeKind::Multiple(_) => "another type",
                };
                self.other
                    .push((None, wrong_type(self.document, pointer, found, wanted)));
                return;
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<_> = options
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|option| {
                        option
                            .as_str()
                            .map_or_else(|| option.to_string(), str::to_owned)
                    })
                    .collect();
                let words: Vec<_> = options.iter().map(String::as_str).collect();
                self.no_option(pointer, found, &words, self.describe(error));
                return;
            }
            ValidationErrorKind::Constant { expected_value } => (
                &catalog::NOT_AN_OPTION,
                format!(
                    "{name} must be `{}`",
                    expected_value.as_str().unwrap_or_default()
                ),
                String::new(),
            ),
            ValidationErrorKind::Minimum { .. }
            | ValidationErrorKind::Maximum { .. }
            | ValidationErrorKind::ExclusiveMinimum { .. }
            | ValidationErrorKind::ExclusiveMaximum { .. } => (
                &catalog::OUT_OF_RANGE,
                format!(
                    "{name} must be {}, not {found}",
                    limits("minimum", "maximum")
                ),
                self.describe(error),
            ),
            ValidationErrorKind::MaxLength { limit } => (
                &catalog::TOO_LONG,
                format!(
                    "{name} holds {} characters, and {limit} is the most",
                    found.as_str().map_or(0, |text| text.chars().count())
                ),
                self.describe(error),
            ),
            ValidationErrorKind::MaxItems { limit } => (
                &catalog::TOO_LONG,
                format!(
                    "{name} lists {} entries, and {limit} is the most",
                    found.as_array().map_or(0, Vec::len)
                ),
                self.describe(error),
            ),
            ValidationErrorKind::MaxProperties { limit } => (
                &catalog::TOO_LONG,
                format!(
                    "{name} holds {} entries, and {limit} is the most",
                    found.as_object().map_or(0, serde_json::Map::len)
                ),
                self.describe(error),
            ),
            ValidationErrorKind::MinLength { .. } => (
                &catalog::TOO_SHORT,
                format!("{name} must not be empty"),
                self.describe(error),
            ),
            ValidationErrorKind::MinItems { limit }
            | ValidationErrorKind::MinProperties { limit } => (
                &catalog::TOO_SHORT,
                format!(
                    "{name} needs at least {limit} {}",
                    if *limit == 1 { "entry" } else { "entries" }
                ),
                self.describe(error),
            ),
            ValidationErrorKind::Pattern { pattern } => {
                let (message, help) = malformed(&name, pattern, found.as_str().unwrap_or_default());
                (&catalog::MALFORMED_TEXT, message, help)
            }
            // Keywords that no schema of ours has; a sentence all the same, should one come to have it.
            _ => (
                &catalog::MALFORMED_TEXT,
                format!("{name} is not as its schema wants it: {error}"),
                String::new(),
            ),
        };
        let diagnostic = Diagnostic::error(explanation, message)
            .at(self.document.site(pointer))
            .help(help);
        self.other.push((None, diagnostic));
    }

    fn no_option(&mut self, pointer: &str, found: &Value, options: &[&str], about: String) {
        let text = found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned);
        let help = match closest(&text, options) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => about,
        };
        let message = format!(
            "{} must be {}, not `{}`",
            field_name(pointer),
            any_of(options),
            shortened(&text)
        );
        let diagnostic = Diagnostic::error(&catalog::NOT_AN_OPTION, message)
            .at(self.document.site(pointer))
            .help(help);
        self.other.push((None, diagnostic));
    }

    fn unknown_field(&mut self, error: &ValidationError<'_>, parent: &str, field: &str) {
        let fields = self.fields(error);
        let at = format!("{parent}/{}", escape(field));
        let owner = match parent {
            "" => format!("a `{}`", self.kind),
            parent => field_name(parent),
        };
        let help = match closest(field, &fields) {
            Some(meant) => {
                let pointer = format!("{parent}/{}", escape(meant));
                if self.document.value.pointer(&pointer).is_none() {
                    self.meant.push(pointer);
                }
                format!("did you mean `{meant}`?")
            }
            None => format!("its fields are {}", fields.join(", ")),
        };
        let diagnostic = Diagnostic::error(
            &catalog::UNKNOWN_FIELD,
            format!("{owner} has no field `{field}`"),
        )
        .at(self.document.key_site(&at))
        .help(help);
        self.unknown.push((at, diagnostic));
    }

    fn missing(&mut self, error: &ValidationError<'_>, parent: &str, property: &str) {
        let at = format!("{parent}/{}", escape(property));
        let what = match parent {
            "" => format!("`{property}`"),
            parent => format!("`{property}` of {}", field_name(parent)),
        };
        let empty = self.document.value.pointer(&at).is_some();
        let (message, span) = if empty {
            (format!("{what} has no value"), self.document.key_span(&at))
        } else {
            let spot = if parent.is_empty() { "/kind" } else { parent };
            (format!("{what} is missing"), self.document.key_span(spot))
        };
        let schema = self
            .schema(error)
            .pointer(&format!("/properties/{}", escape(property)))
            .unwrap_or(&Value::Null);
        let help = match description(schema) {
            text if text.is_empty() => format!("add `{property}:`"),
            text => format!("add `{property}:` ({text})"),
        };
        self.other.push((
            Some(at.clone()),
            Diagnostic::error(&catalog::MISSING_FIELD, message)
                .at(Site {
                    span,
                    field: field_path(&at),
                })
                .help(help),
        ));
    }

    /// The schema level whose keyword an error is about.
    fn schema(&self, error: &ValidationError<'_>) -> &'static Value {
        let keyword = error.schema_path().as_str();
        let level = keyword.rsplit_once('/').map_or("", |(level, _)| level);
        schema::document_schema(self.kind)
            .pointer(level)
            .unwrap_or(&Value::Null)
    }

    fn fields(&self, error: &ValidationError<'_>) -> Vec<&'static str> {
        let properties = self
            .schema(error)
            .get("properties")
            .and_then(Value::as_object);
        properties
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str))
            .collect()
    }

    fn describe(&self, error: &ValidationError<'_>) -> String {
        description(self.schema(error))
    }

    fn limits(&self, error: &ValidationError<'_>, low: &str, high: &str) -> String {
        let schema = self.schema(error);
        match (schema.get(low), schema.get(high)) {
            (Some(low), Some(high)) => format!("from {low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => "in range".to_owned(),
        }
    }
}

/// The words of a choice in which every branch is one word; `None` for any other choice.
fn constants<'e>(
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'_>>],
) -> Option<Vec<&'e str>> {
    let word = |error: &'e ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Constant { expected_value } => expected_value.as_str(),
        _ => None,
    };
    branches
        .iter()
        .map(|branch| {
            let here = branch
                .iter()
                .all(|inner| inner.instance_path() == error.instance_path());
            branch.iter().find_map(word).filter(|_| here)
        })
        .collect()
}

/// The branch of a choice that was meant: one whose type the value has, and of those the one with the fewest problems.
fn meant_branch<'e, 'v>(
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'v>>],
) -> Option<&'e Vec<ValidationError<'v>>> {
    let of_another_type = |branch: &[ValidationError<'_>]| {
        branch.iter().any(|inner| {
            matches!(inner.kind(), ValidationErrorKind::Type { .. })
                && inner.instance_path() == error.instance_path()
        })
    };
    branches
        .iter()
        .min_by_key(|branch| (of_another_type(branch), wants_null(branch), branch.len()))
}

/// Whether a branch only says that nothing may stand here.
fn wants_null(branch: &[ValidationError<'_>]) -> bool {
    branch.iter().any(|inner| match inner.kind() {
        ValidationErrorKind::Type {
            kind: TypeKind::Single(wanted),
        } => *wanted == JsonType::Null,
        _ => false,
    })
}
