//! From text to a declaration, with every problem in one go.
//!
//! Data flows through the rooms in this order: `chunk` cuts a text into documents, `document` reads each (values through
//! serde-saphyr, places through granit-parser), `list` takes lists of documents apart, `envelope` says what it is, `shape` checks it against its schema, `ruled`
//! against the CEL rules, `recorded` a snapshot against itself, `reference` against the others.
mod bounds;
mod choice;
mod chunk;
mod document;
mod envelope;
mod form;
mod limits;
mod list;
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
pub(crate) use limits::{MOST_DOCUMENTS, too_many_documents};
pub(crate) use place::{Notation, Place, Places, escape};
pub(crate) use position::Lines;
pub(crate) use retyped::retyped_by_yaml_1_1;

pub(crate) use document::read;
pub use recorded::Recorded;

use document::Document;
use limits::{Hidden, MOST_PROBLEMS, MOST_TOLD};

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
        text(source, &mut known, &mut loaded);
    }
    let first = loaded.diagnostics.len();
    reference::check(&known, sources, &mut loaded);
    let mut hidden = Hidden::default();
    hidden.take(&mut loaded.diagnostics, first, MOST_TOLD);
    hidden.tell(&mut loaded.diagnostics, first, "declaration");
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

/// Reads every document of one text.
fn text(source: &SourceText, known: &mut Vec<reference::Known>, loaded: &mut Loaded) {
    let lines = Lines::new(source);
    let first = loaded.diagnostics.len();
    let mut hidden = Hidden::default();
    let mut count = 0;
    for chunk in chunks(&source.text) {
        let begins = lines.span(&(chunk.start..chunk.start));
        let document = document::read(&lines, chunk, &mut loaded.diagnostics);
        let mut entries = document.map_or_else(Vec::new, |document| {
            list::entries(document, &mut loaded.diagnostics)
        });
        // A document that says nothing, or nothing that can be read, is one all the same.
        let documents = entries.len().max(1);
        entries.truncate(MOST_DOCUMENTS - count);
        for entry in &entries {
            take(entry, known, loaded);
            hidden.take(&mut loaded.diagnostics, first, MOST_TOLD);
        }
        hidden.take(&mut loaded.diagnostics, first, MOST_TOLD);
        count += documents;
        if count > MOST_DOCUMENTS {
            let last = entries.last().map(|entry| entry.span(""));
            let too_many = limits::too_many_documents(last.unwrap_or(begins));
            loaded.diagnostics.push(too_many);
            break;
        }
    }
    hidden.tell(&mut loaded.diagnostics, first, "file");
}

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
    // What is not shown is what weighs least.
    loaded.diagnostics[before..].sort_by_key(|found| {
        let at = found.span.as_ref().map(|span| span.byte);
        (found.severity, at, found.id())
    });
    let mut hidden = Hidden::default();
    hidden.take(&mut loaded.diagnostics, before, MOST_PROBLEMS);
    hidden.tell(&mut loaded.diagnostics, before, "document");
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
        // What counts the rest stands below what is shown.
        let rest = diagnostic.id() == catalog::TOO_MANY_PROBLEMS.id;
        (place.is_none(), place, rest, diagnostic.id())
    });
}
