//! Name, namespace, labels and annotations: what Kubernetes asks of every object.
use serde_json::Value;

use super::{
    document::Document,
    envelope::closest,
    escape,
    form::wrong_type,
    words::{field_path, shortened},
};
use crate::{
    diagnostic::{Diagnostic, Site, catalog},
    id::ObjectRef,
    kind::Kind,
};

/// Fields that the API server takes; what we do not read is left alone.
const FIELDS: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// Checks the metadata of a document; answers which object it is, where that can be told.
pub(super) fn check(
    kind: Kind,
    document: &Document<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ObjectRef> {
    let object = |name: &str, namespace| ObjectRef {
        kind: kind.as_str().to_owned(),
        namespace,
        name: name.to_owned(),
    };
    if !kind.is_stored() {
        // File kinds describe their own metadata in their schema.
        return Some(object(
            document.text("/metadata/name").unwrap_or_default(),
            None,
        ));
    }
    let Some(metadata) = document
        .value
        .get("metadata")
        .filter(|metadata| !metadata.is_null())
    else {
        let spot = if document.value.get("metadata").is_some() {
            "/metadata"
        } else {
            "/kind"
        };
        diagnostics.push(
            Diagnostic::error(&catalog::MISSING_FIELD, "`metadata` is missing")
                .at(Site {
                    span: document.key_span(spot),
                    field: field_path("/metadata/name"),
                })
                .help("add `metadata:` with a `name:` below it"),
        );
        return None;
    };
    let Some(metadata) = metadata.as_object() else {
        diagnostics.push(wrong_type(document, "/metadata", metadata, "a mapping"));
        return None;
    };
    for field in metadata
        .keys()
        .filter(|field| !FIELDS.contains(&field.as_str()))
    {
        let help = match closest(field, &FIELDS) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "remove it; what the object is for belongs under `spec`".to_owned(),
        };
        diagnostics.push(
            Diagnostic::error(
                &catalog::UNKNOWN_FIELD,
                format!("`metadata` has no field `{field}`"),
            )
            .at(document.key_site(&format!("/metadata/{}", escape(field))))
            .help(help),
        );
    }
    if metadata.contains_key("generateName") {
        diagnostics.push(
            Diagnostic::error(
                &catalog::GENERATED_NAME,
                "a declared object has a name, not `generateName`",
            )
            .at(document.key_site("/metadata/generateName"))
            .help("write `name:` instead"),
        );
    }
    labels(document, "labels", diagnostics);
    labels(document, "annotations", diagnostics);
    let namespace = namespace(kind, document, diagnostics);
    let name = name(document, diagnostics)?;
    Some(object(&name, namespace))
}

fn name(document: &Document<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let name = match document.value.pointer("/metadata/name") {
        Some(Value::String(name)) => name,
        Some(other) if !other.is_null() => {
            diagnostics.push(wrong_type(document, "/metadata/name", other, "text"));
            return None;
        }
        Some(_) | None => {
            if document.value.pointer("/metadata/generateName").is_none() {
                diagnostics.push(
                    Diagnostic::error(&catalog::MISSING_FIELD, "`metadata.name` is missing")
                        .at(document.key_site("/metadata/name"))
                        .help("add `name:` below `metadata:`"),
                );
            }
            return None;
        }
    };
    if let Some(why) = bad_name(name, 253, Dots::Taken) {
        diagnostics.push(
            Diagnostic::error(&catalog::BAD_NAME, format!("`{}` is no object name: {why}", shortened(name)))
                .at(document.site("/metadata/name"))
                .help("use lower-case letters, digits and `-`, beginning and ending with a letter or digit"),
        );
    }
    Some(name.clone())
}

fn namespace(
    kind: Kind,
    document: &Document<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let pointer = "/metadata/namespace";
    let default = || kind.is_namespaced().then(|| "default".to_owned());
    let value = match document.value.pointer(pointer) {
        None | Some(Value::Null) => return default(),
        Some(value) => value,
    };
    if !kind.is_namespaced() {
        diagnostics.push(
            Diagnostic::error(
                &catalog::NAMESPACE_ON_CLUSTER_KIND,
                format!("a `{kind}` belongs to the whole cluster and has no namespace"),
            )
            .at(document.key_site(pointer))
            .help("remove `namespace`"),
        );
        return None;
    }
    let Value::String(namespace) = value else {
        diagnostics.push(wrong_type(document, pointer, value, "text"));
        return default();
    };
    if let Some(why) = bad_name(namespace, 63, Dots::Refused) {
        diagnostics.push(
            Diagnostic::error(
                &catalog::BAD_NAMESPACE,
                format!("`{namespace}` is no namespace: {why}"),
            )
            .at(document.site(pointer))
            .help("use lower-case letters, digits and `-`, at most 63 of them"),
        );
    }
    Some(namespace.clone())
}

/// A character as a sentence shows it: itself, unless nobody could see it.
fn shown(c: char) -> String {
    match c {
        '\'' | '"' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    }
}

/// Why a text is no DNS-1123 subdomain (with dots) or label.
fn bad_name(name: &str, longest: usize, dots: Dots) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    let length = name.chars().count();
    if length > longest {
        return Some(format!(
            "it has {length} characters, and {longest} is the most"
        ));
    }
    let taken = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || c == '-'
            || (dots == Dots::Taken && c == '.')
    };
    if let Some(c) = name.chars().find(|&c| !taken(c)) {
        return Some(format!("it holds `{}`", shown(c)));
    }
    let whole = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if !name.split('.').all(whole) {
        return Some("each part must begin and end with a letter or digit".to_owned());
    }
    None
}

fn labels(document: &Document<'_>, field: &str, diagnostics: &mut Vec<Diagnostic>) {
    let pointer = format!("/metadata/{field}");
    let labels = match document.value.pointer(&pointer) {
        None | Some(Value::Null) => return,
        Some(Value::Object(labels)) => labels,
        Some(other) => {
            diagnostics.push(wrong_type(document, &pointer, other, "a mapping"));
            return;
        }
    };
    for (key, value) in labels {
        let at = format!("{pointer}/{}", escape(key));
        if let Some(why) = bad_label_key(key) {
            diagnostics.push(
                Diagnostic::error(&catalog::BAD_LABEL, format!("`{key}` is no key of {field}: {why}"))
                    .at(document.key_site(&at))
                    .help("such as `example.com/rack`: a DNS prefix and `/` if any, then letters, digits, `-`, `_`, `.`"),
            );
        }
        match value {
            Value::String(text) if field == "labels" => {
                if let Some(why) = bad_label_part(text, Empty::Taken) {
                    diagnostics.push(
                        Diagnostic::error(&catalog::BAD_LABEL, format!("`{text}` is no label value: {why}"))
                            .at(document.site(&at))
                            .help("use at most 63 letters, digits, `-`, `_`, `.`; free text belongs in an annotation"),
                    );
                }
            }
            Value::String(_) => {}
            other => diagnostics.push(wrong_type(document, &at, other, "text")),
        }
    }
}

fn bad_label_key(key: &str) -> Option<String> {
    match key.split_once('/') {
        Some((prefix, name)) => {
            bad_name(prefix, 253, Dots::Taken).or_else(|| bad_label_part(name, Empty::Refused))
        }
        None => bad_label_part(key, Empty::Refused),
    }
}

fn bad_label_part(text: &str, empty: Empty) -> Option<String> {
    if text.is_empty() {
        return (empty == Empty::Refused).then(|| "it is empty".to_owned());
    }
    let length = text.chars().count();
    if length > 63 {
        return Some(format!("it has {length} characters, and 63 is the most"));
    }
    let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(c) = text.chars().find(|&c| !taken(c)) {
        return Some(format!("it holds `{}`", shown(c)));
    }
    let edge = |c: char| c.is_ascii_alphanumeric();
    (!text.starts_with(edge) || !text.ends_with(edge))
        .then(|| "it must begin and end with a letter or digit".to_owned())
}

/// Whether a name may hold dots: objects yes, namespaces no.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Taken,
    Refused,
}

/// Whether a text may be empty: label values yes, keys no.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Taken,
    Refused,
}
