//! One document: its value through serde-saphyr, its places through granit-parser, and its typed form.
use std::{collections::BTreeMap, ops::Range};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use super::{
    Lines, Loaded, Places, Recorded, escape,
    limits::{self, DEEPEST, MOST_NODES},
    opened::Unread,
    recorded, syntax, words,
};
use crate::{
    declaration::{Declared, Span},
    diagnostic::{Diagnostic, Severity, Site, catalog},
    id::ObjectRef,
    kind::Kind,
};

/// A document that could be read.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// Its source.
    pub(crate) lines: &'a Lines<'a>,
    /// Its value, with the first of keys given twice.
    pub(crate) value: Value,
    /// Where everything stands.
    pub(crate) places: Places,
}

impl Document<'_> {
    /// Where a pointer's value stands, or the nearest one around it.
    pub(super) fn span(&self, pointer: &str) -> Span {
        let spot = self.places.nearest(pointer).map(super::Place::spot);
        self.lines.span(&spot.unwrap_or(0..0))
    }

    /// Where a pointer's key stands, or its value where it has none.
    pub(super) fn key_span(&self, pointer: &str) -> Span {
        let place = self.places.nearest(pointer);
        let spot = place.map(|place| place.key.clone().unwrap_or_else(|| place.spot()));
        self.lines.span(&spot.unwrap_or(0..0))
    }

    /// A field and where its value stands.
    pub(super) fn site(&self, pointer: &str) -> Site {
        Site {
            span: self.span(pointer),
            field: words::field_path(pointer),
        }
    }

    /// A field and where its key stands.
    pub(super) fn key_site(&self, pointer: &str) -> Site {
        Site {
            span: self.key_span(pointer),
            field: words::field_path(pointer),
        }
    }

    /// A number as it is written, where the value holds it in fewer digits; any other value as JSON has it.
    pub(super) fn told(&self, pointer: &str, found: &Value) -> String {
        let place = self.places.by_pointer.get(pointer);
        let written = place.and_then(|place| self.lines.text().get(place.spot()));
        let digits = |text: &&str| {
            text.trim_start_matches(['-', '+'])
                .starts_with(|c: char| c.is_ascii_digit())
        };
        match written.filter(|_| found.is_f64()).filter(digits) {
            Some(written) => words::shortened(written),
            None => found.to_string(),
        }
    }

    /// Text at a pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    fn spans(&self) -> BTreeMap<String, Span> {
        let places = self.places.by_pointer.iter();
        places
            .map(|(pointer, place)| (pointer.clone(), self.lines.span(&place.spot())))
            .collect()
    }
}

/// Reads one document; `None` when it is empty or broken, which is then reported.
pub(crate) fn read<'a>(
    lines: &'a Lines<'a>,
    chunk: Range<usize>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Document<'a>> {
    let text = &lines.text()[chunk.clone()];
    let places = match Places::read(text, chunk.start) {
        Ok(places) => places,
        Err(Unread::Broken(broken)) => {
            diagnostics.push(syntax::broken(&broken, lines, &chunk));
            return None;
        }
        Err(Unread::TooLarge { at, most }) => {
            diagnostics.push(limits::too_many_nodes(most).at(lines.span(&(at..at))));
            return None;
        }
        Err(Unread::TooManyDocuments { at }) => {
            diagnostics.push(limits::too_many_documents(lines.span(&(at..at))));
            return None;
        }
    };
    report(&places, lines, diagnostics);
    let mut value: Value = match serde_saphyr::from_str_with_options(text, options(&places)) {
        Ok(value) => value,
        Err(error) => {
            // A key that is no text is reported already, with its place.
            if places.odd_keys.is_empty() {
                diagnostics.push(syntax::unreadable(&error, places.most, lines, &chunk));
            }
            return None;
        }
    };
    if !places.merges.is_empty() {
        drop_merges(&mut value);
    }
    if value.is_null() {
        return None;
    }
    Some(Document {
        lines,
        value,
        places,
    })
}

fn options(places: &Places) -> serde_saphyr::Options {
    // What a list of documents writes was counted; what aliases repeat in it is no more than in one document.
    let most = places.most.min(places.nodes + MOST_NODES);
    serde_saphyr::options! {
        emit_comments: false,
        budget: serde_saphyr::budget! {
            max_nodes: most,
            max_events: most * 3,
            max_depth: DEEPEST,
        },
        duplicate_keys: DuplicateKeyPolicy::FirstWins,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        reject_unsupported_tags: true,
        ignore_binary_tag_for_string: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn report(places: &Places, lines: &Lines<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (key, first, second) in &places.duplicates {
        diagnostics.push(
            Diagnostic::error(
                &catalog::DUPLICATE_KEY,
                format!("`{}` is given twice", words::shortened(key)),
            )
            .at(lines.span(second))
            .related(lines.span(first), "first given here")
            .help("keep one of the two"),
        );
    }
    for merge in &places.merges {
        diagnostics.push(
            Diagnostic::error(
                &catalog::MERGE_KEY,
                "merge keys are not read: `<<` is YAML 1.1 only",
            )
            .at(lines.span(merge))
            .help("write the fields out, or repeat a whole value with `&name` and `*name`"),
        );
    }
    for key in &places.odd_keys {
        diagnostics.push(
            Diagnostic::error(&catalog::KEY_NOT_TEXT, "a field name must be plain text")
                .at(lines.span(key))
                .help("write it in quotes: brackets are a list or mapping there, and `~` stands for nothing"),
        );
    }
    if places.more > 0 {
        diagnostics.push(limits::more_problems(places.more, "document"));
    }
}

fn drop_merges(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.shift_remove("<<");
            map.values_mut().for_each(drop_merges);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_merges),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts a valid document where it belongs. `pruned` is its value without nulls and unknown fields.
pub(super) fn keep(
    kind: Kind,
    document: &Document<'_>,
    object: ObjectRef,
    pruned: Value,
    loaded: &mut Loaded,
) {
    let Loaded {
        declaration,
        racks,
        snapshots,
        diagnostics,
    } = loaded;
    match kind {
        Kind::CardPolicy => keep_spec(
            document,
            object,
            pruned,
            &mut declaration.policies,
            diagnostics,
        ),
        Kind::P2PGroup => keep_spec(
            document,
            object,
            pruned,
            &mut declaration.groups,
            diagnostics,
        ),
        Kind::ModelBuild => keep_spec(
            document,
            object,
            pruned,
            &mut declaration.builds,
            diagnostics,
        ),
        Kind::ShardedModel => keep_spec(
            document,
            object,
            pruned,
            &mut declaration.models,
            diagnostics,
        ),
        Kind::CardNode | Kind::ChangePlan => {}
        Kind::Rack => keep_spec(document, object, pruned, racks, diagnostics),
        Kind::HardwareSnapshot => {
            if let Some(snapshot) = typed(document, "", pruned, diagnostics) {
                let before = diagnostics.len();
                recorded::check(&snapshot, document, diagnostics);
                let mut found = diagnostics[before..].iter();
                snapshots.push(Recorded {
                    snapshot,
                    spans: document.spans(),
                    whole: found.all(|found| found.severity != Severity::Error),
                });
            }
        }
    }
}

fn keep_spec<S: DeserializeOwned>(
    document: &Document<'_>,
    object: ObjectRef,
    mut pruned: Value,
    kept: &mut Vec<Declared<S>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let spec = pruned["spec"].take();
    if let Some(spec) = typed(document, "/spec", spec, diagnostics) {
        kept.push(declared(document, object, spec));
    }
}

fn declared<S>(document: &Document<'_>, object: ObjectRef, spec: S) -> Declared<S> {
    Declared {
        object,
        labels: texts(document.value.pointer("/metadata/labels")),
        annotations: texts(document.value.pointer("/metadata/annotations")),
        spec,
        spans: document.spans(),
    }
}

fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let pairs = map
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter);
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The typed form of a value that its schema and rules accept.
fn typed<T: DeserializeOwned>(
    document: &Document<'_>,
    pointer: &str,
    value: Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    match serde_path_to_error::deserialize(value) {
        Ok(typed) => Some(typed),
        Err(error) => {
            let at = format!("{pointer}{}", inside(error.path()));
            let error = error.into_inner();
            diagnostics.push(
                Diagnostic::error(
                    &catalog::MALFORMED_TEXT,
                    format!("this value cannot be used: {error}"),
                )
                .at(document.site(&at))
                .help("look the form of the field up with `shardplane schema`"),
            );
            None
        }
    }
}

/// The place of a value within what was read, as a JSON pointer.
fn inside(path: &serde_path_to_error::Path) -> String {
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", escape(key))),
        Segment::Enum { variant: _ } | Segment::Unknown => None,
    });
    steps.collect()
}
