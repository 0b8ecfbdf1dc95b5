//! The document against its schema: every difference as a sentence about the field.
use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use super::{
    bounds,
    choice::{constants, meant_branch},
    document::Document,
    envelope::closest,
    escape,
    form::{malformed, wrong_type},
    pruned::{integral, prune_nulls, remove},
    words::{any_of, description, field_name, field_path, shortened, type_name},
};
use crate::{
    diagnostic::{Diagnostic, Explanation, Site, catalog},
    kind::{Kind, PerKind},
    schema,
};

/// Checks a document; answers its value without nulls and unknown fields where the API server would go on to the rules.
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
    // A value of another type is none of the words either: the words say more.
    let unlisted: Vec<_> = (other.iter().map(|(_, found)| found))
        .filter(|found| found.id() == catalog::NOT_AN_OPTION.id)
        .map(|found| found.field.clone())
        .collect();
    other.retain(|(_, found)| {
        found.id() != catalog::WRONG_TYPE.id || !unlisted.contains(&found.field)
    });
    // Of a value of another type, whether it would be in range is no second problem.
    let mistyped: Vec<_> = (other.iter().map(|(_, found)| found))
        .filter(|found| found.id() == catalog::WRONG_TYPE.id)
        .map(|found| found.field.clone())
        .collect();
    other.retain(|(_, found)| {
        found.id() == catalog::WRONG_TYPE.id || !mistyped.contains(&found.field)
    });
    let goes_on = errors.iter().all(|error| !ends(error.kind()));
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
    if goes_on {
        integral(&mut value);
    }
    goes_on.then_some(value)
}

/// Whether the API server evaluates no rule of a document with such an error: not where something is missing, of another
/// type, none of the words or too much, but where it is only out of range or malformed.
fn ends(kind: &ValidationErrorKind) -> bool {
    !matches!(
        kind,
        ValidationErrorKind::AdditionalProperties { .. }
            | ValidationErrorKind::Minimum { .. }
            | ValidationErrorKind::Maximum { .. }
            | ValidationErrorKind::ExclusiveMinimum { .. }
            | ValidationErrorKind::ExclusiveMaximum { .. }
            | ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::Pattern { .. }
    )
}

fn validator(kind: Kind) -> Option<&'static Validator> {
    static VALIDATORS: PerKind<Option<Validator>> = PerKind::new(|kind| {
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .build(schema::document_schema(kind))
            .ok()
    });
    VALIDATORS.of(kind).as_ref()
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
        let told = self.document.told(pointer, found);
        if let Some((explanation, message)) =
            bounds::exceeded(error, &name, &told, self.schema(error))
        {
            let diagnostic = Diagnostic::error(explanation, message)
                .at(self.document.site(pointer))
                .help(match self.describe(error) {
                    about if about.is_empty() => bounds::plain_help(explanation).to_owned(),
                    about => about,
                });
            self.other.push((None, diagnostic));
            return;
        }
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
                    self.no_option(pointer, found, &options, &self.describe(error));
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
                self.no_option(pointer, found, &words, &self.describe(error));
                return;
            }
            ValidationErrorKind::Constant { expected_value } => (
                &catalog::NOT_AN_OPTION,
                format!(
                    "{name} must be `{}`",
                    expected_value.as_str().unwrap_or_default()
                ),
                format!("write {expected_value}"),
            ),
            ValidationErrorKind::Pattern { pattern } => {
                let (message, help) = malformed(&name, pattern, found.as_str().unwrap_or_default());
                (&catalog::MALFORMED_TEXT, message, help)
            }
            // Keywords that no schema of ours has; a sentence all the same, should one come to have it.
            _ => (
                &catalog::MALFORMED_TEXT,
                format!("{name} is not as its schema wants it: {error}"),
                "look the field up with `shardplane schema`".to_owned(),
            ),
        };
        let diagnostic = Diagnostic::error(explanation, message)
            .at(self.document.site(pointer))
            .help(help);
        self.other.push((None, diagnostic));
    }

    fn no_option(&mut self, pointer: &str, found: &Value, options: &[&str], about: &str) {
        let text = found
            .as_str()
            .map_or_else(|| self.document.told(pointer, found), str::to_owned);
        let help = match closest(&text, options) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if about.is_empty() => "write one of them".to_owned(),
            None => format!("write one of them ({about})"),
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
}
