//! From text to a declaration, with every problem in one go.
//!
//! Data flows through the rooms in this order: `chunk` cuts a text into documents, `document` reads each (values through
//! serde-saphyr, places through granit-parser), `envelope` says what it is, `shape` checks it against its schema, `ruled`
//! against the CEL rules, `recorded` a snapshot against itself, `reference` against the others.
mod bounds;
mod choice;
mod chunk;
mod document;
mod envelope;
mod form;
mod metadata;
mod opened;
mod place;
mod position;
mod pruned;
mod recorded;
mod reference;
mod retyped;
mod ruled;
mod shape;
mod syntax;
mod words;

use crate::{
    declaration::{Declaration, Declared},
    diagnostic::{Diagnostic, Severity, catalog},
    kind::rack::RackSpec,
};

pub(crate) use chunk::{chunks, is_marker};
pub(crate) use place::{Notation, Place, Places, escape};
pub(crate) use position::Lines;
pub(crate) use retyped::retyped_by_yaml_1_1;

pub(crate) use document::read;
pub use recorded::Recorded;

use document::Document;

/// A text and what to call it: a path as given, `-` for standard input. Labels must differ from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// What diagnostics and spans call it.
    pub label: String,
    /// The text.
    pub text: String,
}

impl SourceText {
    /// A text under a label.
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            text: text.into(),
        }
    }
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The declared objects that are valid.
    pub declaration: Declaration,
    /// `Rack` documents that are valid, in the order read.
    pub racks: Vec<Declared<RackSpec>>,
    /// `HardwareSnapshot` documents that have the form of one, in the order read. What is wrong with one is an error still.
    pub snapshots: Vec<Recorded>,
    /// Every problem, ordered by source, place and id.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether anything is an error: then the declaration is not the whole of what was meant.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many problems are this bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    }
}

/// Reads every document of every text and reports all problems at once.
pub fn load(sources: &[SourceText]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut known = Vec::new();
    for source in sources {
        let lines = Lines::new(source);
        let chunks = chunks(&source.text).into_iter();
        for entry in chunks.flat_map(|chunk| chunk::entries(&source.text, chunk)) {
            if let Some(document) = document::read(&lines, entry, &mut loaded.diagnostics) {
                take(&document, &mut known, &mut loaded);
            }
        }
    }
    reference::check(&known, &mut loaded);
    let declaration = &mut loaded.declaration;
    let spoken_of = !known.is_empty() || !loaded.racks.is_empty() || !loaded.snapshots.is_empty();
    if !spoken_of
        && loaded
            .diagnostics
            .iter()
            .all(|d| d.severity == Severity::Note)
    {
        loaded.diagnostics.push(
            Diagnostic::warning(&catalog::NOTHING_DECLARED, "nothing is declared")
                .help("name a file or folder that holds a CardPolicy, P2PGroup, ModelBuild or ShardedModel"),
        );
    }
    sort(&mut declaration.policies);
    sort(&mut declaration.groups);
    sort(&mut declaration.builds);
    sort(&mut declaration.models);
    order(&mut loaded.diagnostics, sources);
    loaded
}

/// Most problems shown of one document: beyond that one cause is behind many, and nobody reads on.
const MOST_PROBLEMS: usize = 50;

/// Checks one document and puts it where it belongs.
fn take(document: &Document<'_>, known: &mut Vec<reference::Known>, loaded: &mut Loaded) {
    let before = loaded.diagnostics.len();
    let Some(kind) = envelope::kind(document, &mut loaded.diagnostics) else {
        return;
    };
    let object = metadata::check(kind, document, &mut loaded.diagnostics);
    let pruned = shape::check(kind, document, &mut loaded.diagnostics);
    if let Some(pruned) = &pruned {
        ruled::check(kind, document, pruned, &mut loaded.diagnostics);
    }
    retyped::check(document, before, &mut loaded.diagnostics);
    let found = loaded.diagnostics.len() - before;
    if found > MOST_PROBLEMS {
        order(&mut loaded.diagnostics[before..], &[]);
        loaded.diagnostics.truncate(before + MOST_PROBLEMS);
        let last = loaded.diagnostics.last().and_then(|last| last.span.clone());
        loaded.diagnostics.push(
            Diagnostic::error(
                &catalog::TOO_MANY_PROBLEMS,
                format!(
                    "{} more problems of this document are not shown",
                    found - MOST_PROBLEMS
                ),
            )
            .at(last.unwrap_or_else(|| document.span("/kind")))
            .help("mend those above first"),
        );
    }
    let valid = loaded.diagnostics[before..]
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    if let Some(object) = &object {
        known.push(reference::Known::new(kind, object.clone(), document));
    }
    if let (true, Some(pruned), Some(object)) = (valid, pruned, object) {
        document::keep(kind, document, object, pruned, loaded);
    }
}

fn sort<S>(declared: &mut [Declared<S>]) {
    declared.sort_by(|a, b| a.object.cmp(&b.object));
}

/// By source as given, place and id, so that the same input gives the same bytes.
fn order(diagnostics: &mut [Diagnostic], sources: &[SourceText]) {
    diagnostics.sort_by_key(|diagnostic| {
        let place = diagnostic.span.as_ref().map(|span| {
            let source = sources.iter().position(|source| source.label == span.file);
            (source, span.byte)
        });
        (place.is_none(), place, diagnostic.id())
    });
}
