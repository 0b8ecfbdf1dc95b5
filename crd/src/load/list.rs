//! Documents that are lists of documents: `[…, …]` at the top, and a `List` as `kubectl get` prints it, in either style.
use std::collections::BTreeMap;

use serde_json::Value;

use super::{Place, Places, document::Document, envelope::closest, escape, form::wrong_type};
use crate::{
    diagnostic::{Diagnostic, catalog},
    kind::{API_VERSION, Kind},
};

/// What a `List` may hold. Its `metadata` is the server's, and says nothing of its entries.
const FIELDS: [&str; 4] = ["apiVersion", "kind", "metadata", "items"];

/// The documents that one is: its entries where it is a list, which may be lists again, else itself. Each entry keeps its
/// own places.
pub(super) fn entries<'a>(
    document: Document<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Document<'a>> {
    let base = match &document.value {
        Value::Array(items) if items.iter().any(is_object) => "",
        Value::Object(_) if is_list(&document) => {
            check(&document, diagnostics);
            "/items"
        }
        _ => return vec![document],
    };
    let mut entries = Vec::new();
    for entry in split(document, base) {
        entries.append(&mut self::entries(entry, diagnostics));
    }
    entries
}

/// Whether an entry says what it is. A list without such an entry is another tool's, and one problem, not many.
fn is_object(entry: &Value) -> bool {
    entry.get("apiVersion").is_some() || entry.get("kind").is_some()
}

/// `List` of `v1`, which `kubectl get` prints whatever it lists, or the list of one of our kinds, as API clients write it.
fn is_list(document: &Document<'_>) -> bool {
    let of_ours = |name: &str| {
        name.strip_suffix("List")
            .and_then(Kind::from_name)
            .is_some()
    };
    match (document.text("/apiVersion"), document.text("/kind")) {
        (Some("v1"), Some("List")) => true,
        (Some(API_VERSION), Some(name)) => of_ours(name),
        (_, _) => false,
    }
}

/// Checks the list itself: that it has entries, and nothing beside them that would have no effect.
fn check(document: &Document<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let map = document.value.as_object();
    let unknown: Vec<&str> = (map.into_iter().flat_map(|map| map.keys()))
        .map(String::as_str)
        .filter(|field| !FIELDS.contains(field))
        .collect();
    for field in &unknown {
        let help = match closest(field, &FIELDS) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "what is declared stands in the entries of `items`".to_owned(),
        };
        diagnostics.push(
            Diagnostic::error(
                &catalog::UNKNOWN_FIELD,
                format!("a list has no field `{field}`"),
            )
            .at(document.key_site(&format!("/{}", escape(field))))
            .help(help),
        );
    }
    match document.value.get("items") {
        // Programs write `null` for a list of nothing.
        Some(Value::Array(_) | Value::Null) => {}
        Some(other) => diagnostics.push(wrong_type(document, "/items", other, "a list")),
        None if closest("items", &unknown).is_some() => {}
        None => diagnostics.push(
            Diagnostic::error(&catalog::LIST_DOCUMENT, "the list has no `items`")
                .at(document.site("/kind"))
                .help("add `items:`, and below it each object as an entry that begins with `- `"),
        ),
    }
}

/// The entries of the list at a pointer, each with what stands in it.
fn split<'a>(document: Document<'a>, base: &str) -> Vec<Document<'a>> {
    let Document {
        lines,
        mut value,
        places,
    } = document;
    let Some(Value::Array(items)) = value.pointer_mut(base).map(Value::take) else {
        return Vec::new();
    };
    // Where an alias stands for the whole list, each entry stands there.
    let around = places.nearest(base).cloned();
    let mut found: Vec<BTreeMap<String, Place>> = items
        .iter()
        .map(|_| {
            let root = around.iter().map(|place| (String::new(), place.clone()));
            root.collect()
        })
        .collect();
    for (pointer, place) in places.by_pointer {
        let Some(rest) = pointer
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        let (index, inner) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let entry = index
            .parse()
            .ok()
            .and_then(|index: usize| found.get_mut(index));
        if let Some(entry) = entry {
            entry.insert(inner.to_owned(), place);
        }
    }
    items
        .into_iter()
        .zip(found)
        .map(|(value, by_pointer)| Document {
            lines,
            value,
            places: Places {
                by_pointer,
                ..Places::default()
            },
        })
        .collect()
}
