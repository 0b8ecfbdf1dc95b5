//! What a document says it is: one of our kinds, somebody else's, or nothing.
use serde_json::Value;

use super::document::Document;
use crate::{
    diagnostic::{Diagnostic, catalog},
    kind::{API_VERSION, GROUP, Kind},
};

/// The kind of a document of ours; `None` for what is not ours or cannot be told, which is then reported.
pub(super) fn kind(document: &Document<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Kind> {
    if !document.value.is_object() {
        diagnostics.push(
            Diagnostic::error(
                &catalog::NOT_AN_OBJECT,
                "a document must be a mapping with `apiVersion` and `kind`",
            )
            .at(document.site(""))
            .help(format!("begin with `apiVersion: {API_VERSION}`")),
        );
        return None;
    }
    let file = document
        .lines
        .label()
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    if matches!(
        file,
        "kustomization.yaml" | "kustomization.yml" | "Kustomization"
    ) {
        diagnostics.push(foreign(document, "a kustomization"));
        return None;
    }
    let version = header(document, "apiVersion", API_VERSION, diagnostics);
    let name = header(document, "kind", "CardPolicy", diagnostics);
    let (version, name) = (version?, name?);
    let (group, _) = version.split_once('/').unwrap_or(("", version));
    if group != GROUP {
        let near =
            Kind::from_name(name).is_some() || strsim::damerau_levenshtein(group, GROUP) <= 2;
        if near {
            diagnostics.push(unknown_version(document, version));
        } else {
            diagnostics.push(foreign(document, &format!("`{name}` of `{version}`")));
        }
        return None;
    }
    if version != API_VERSION {
        diagnostics.push(unknown_version(document, version));
        return None;
    }
    if let Some(kind) = Kind::from_name(name) {
        if matches!(kind, Kind::CardNode | Kind::ChangePlan) {
            diagnostics.push(
                Diagnostic::note(
                    &catalog::WRITTEN_BY_CONTROLLER,
                    format!("a `{kind}` is written by the controller and declares nothing"),
                )
                .at(document.site("/kind"))
                .help("leave it out of what is declared"),
            );
        }
        return Some(kind);
    }
    let names = Kind::ALL.map(Kind::as_str);
    let diagnostic = Diagnostic::error(
        &catalog::UNKNOWN_KIND,
        format!("`{GROUP}` has no kind `{name}`"),
    )
    .at(document.site("/kind"))
    .help(match closest(name, &names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("its kinds are {}", names.join(", ")),
    });
    diagnostics.push(diagnostic);
    None
}

fn header<'a>(
    document: &'a Document<'_>,
    field: &str,
    example: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'a str> {
    let pointer = format!("/{field}");
    match document.value.pointer(&pointer) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        Some(_) => {
            diagnostics.push(
                Diagnostic::error(&catalog::NO_KIND, format!("`{field}` must be text"))
                    .at(document.site(&pointer))
                    .help(format!("such as `{field}: {example}`")),
            );
            None
        }
        None => {
            let near = document.value.as_object().and_then(|map| {
                let keys: Vec<_> = map.keys().map(String::as_str).collect();
                closest(field, &keys)
            });
            let diagnostic = Diagnostic::error(&catalog::NO_KIND, format!("`{field}` is missing"))
                .help(match near {
                    Some(near) => format!("did you mean `{field}` where `{near}` is written?"),
                    None => format!("add `{field}`, such as `{field}: {example}`"),
                });
            let span = near.map_or_else(
                || document.span(""),
                |near| document.key_span(&format!("/{near}")),
            );
            diagnostics.push(diagnostic.at(span));
            None
        }
    }
}

fn unknown_version(document: &Document<'_>, version: &str) -> Diagnostic {
    Diagnostic::error(
        &catalog::UNKNOWN_VERSION,
        format!("there is no API version `{version}`"),
    )
    .at(document.site("/apiVersion"))
    .help(format!("write `apiVersion: {API_VERSION}`"))
}

fn foreign(document: &Document<'_>, what: &str) -> Diagnostic {
    Diagnostic::note(
        &catalog::FOREIGN_DOCUMENT,
        format!("{what} declares nothing here; it is left alone"),
    )
    .at(document.site(if document.value.get("kind").is_some() {
        "/kind"
    } else {
        ""
    }))
    .help("nothing is to be done; what belongs to another tool may lie beside declarations")
}

/// The option that was probably meant: the nearest within a third of the word's length.
pub(super) fn closest<'a>(word: &str, options: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    options
        .iter()
        .map(|option| {
            (
                strsim::damerau_levenshtein(&lower, &option.to_lowercase()),
                *option,
            )
        })
        .filter(|(distance, option)| *distance <= option.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, option)| option)
}
