//! The document against the CEL rules of its definition, evaluated as the API server does it.
use std::cell::OnceCell;

use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use serde_json::Value;

use super::{document::Document, escape};
use crate::{
    diagnostic::{Diagnostic, catalog},
    kind::{
        Kind,
        rule::{self, Rule},
    },
    schema,
};

/// Checks a document whose schema holds as far as the API server wants; `pruned` is its value without nulls and unknown
/// fields.
pub(super) fn check(
    kind: Kind,
    document: &Document<'_>,
    pruned: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(schema) = schema::server_schema(kind) else {
        return;
    };
    if document.text("/metadata/name").is_none() {
        // The rule about the name could not be evaluated, and the missing name is reported already.
        return;
    }
    let outcome = RULES.with(|rules| {
        let compiled = rules.schemas[kind as usize].get_or_init(|| compile_schema(schema));
        rules.validator.validate_compiled(compiled, pruned, None)
    });
    if let Err(errors) = outcome {
        diagnostics.extend(
            errors
                .into_vec()
                .iter()
                .map(|error| diagnose(document, error)),
        );
    }
}

/// The evaluator and every kind's rules, compiled once a thread: the evaluator cannot be shared between threads.
struct Rules {
    validator: Validator,
    schemas: [OnceCell<CompiledSchema>; Kind::ALL.len()],
}

thread_local! {
    static RULES: Rules = Rules {
        validator: Validator::new(),
        schemas: [const { OnceCell::new() }; Kind::ALL.len()],
    };
}

fn diagnose(document: &Document<'_>, error: &ValidationError) -> Diagnostic {
    let found = rule::ALL
        .iter()
        .find(|rule| rule.expression == error.rule && rule.message == error.message);
    let (Some(rule), ErrorKind::ValidationFailure) = (found, &error.kind) else {
        return Diagnostic::error(&catalog::MALFORMED_TEXT, error.message.clone())
            .at(document.site(&pointer(&error.field_path)))
            .help("look the field up with `shardplane schema`");
    };
    Diagnostic::error(&rule.explanation, rule.message)
        .at(document.site(&spot(document, rule, &error.field_path)))
        .help(help(document, rule, &error.field_path))
}

/// What to do: the rule's words, or for a group that is merely odd the size that holds it.
fn help(document: &Document<'_>, rule: &Rule, field_path: &str) -> String {
    let size = document.value.pointer(&pointer(field_path));
    match size.and_then(Value::as_u64) {
        Some(size @ 0..16) if rule.explanation == rule::GROUP_SIZE.explanation => format!(
            "take {}: no other size was ever seen to compile, and a model may use fewer shards than its group has SoCs",
            size.next_power_of_two()
        ),
        Some(_) | None => rule.help.to_owned(),
    }
}

/// What a person looks at: for the rule on the whole object, its name; for a list with equal entries, the second.
fn spot(document: &Document<'_>, rule: &Rule, field_path: &str) -> String {
    if [&rule::MEMBERS_UNIQUE, &rule::WINDOW_DAYS]
        .iter()
        .any(|unique| unique.explanation == rule.explanation)
    {
        let list = pointer(field_path);
        let items = document.value.pointer(&list).and_then(Value::as_array);
        let items = items.map_or(&[][..], Vec::as_slice);
        let repeated = (1..items.len()).find(|&index| items[..index].contains(&items[index]));
        return repeated.map_or(list.clone(), |index| format!("{list}/{index}"));
    }
    let of_name = [&rule::SHORT_NAME, &rule::PLAIN_NAME];
    if (of_name.iter()).any(|name| name.explanation == rule.explanation) {
        return "/metadata/name".to_owned();
    }
    pointer(field_path)
}

/// `spec.members[1].address` as a JSON pointer. No field that a rule stands on has a dot in its name.
fn pointer(field_path: &str) -> String {
    let mut pointer = String::new();
    for step in field_path.split(['.', '[']) {
        let step = step.trim_end_matches(']');
        if !step.is_empty() {
            pointer.push('/');
            pointer.push_str(&escape(step));
        }
    }
    pointer
}
