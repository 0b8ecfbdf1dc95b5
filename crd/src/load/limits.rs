//! How much is read of a file, how much is said of it, and what is said of more.
use crate::{
    declaration::Span,
    diagnostic::{Diagnostic, Severity, catalog},
};

/// Most documents in one file, those of its lists counted each: more objects than any cluster declares.
pub(crate) const MOST_DOCUMENTS: usize = 10_000;
/// Most values and keys in one document. A recorded snapshot of 64 SoCs behind switches holds some 40,000.
pub(crate) const MOST_NODES: usize = 500_000;
/// Most in a document that is a list of documents: more than the largest file that is read holds of snapshots.
pub(super) const MOST_LISTED: usize = 3_000_000;
/// Deepest nesting. Our deepest kind nests 12 levels.
pub(super) const DEEPEST: usize = 64;
/// Most problems shown of one document: beyond that one cause is behind many, and nobody reads on.
pub(super) const MOST_PROBLEMS: usize = 50;
/// Most problems shown of one file, and of files against each other.
pub(super) const MOST_TOLD: usize = 1_000;

/// A file with too many documents; `span` is where the first of them begins that is not read.
pub(crate) fn too_many_documents(span: Span) -> Diagnostic {
    Diagnostic::error(
        &catalog::TOO_LARGE,
        format!("the file holds more than {MOST_DOCUMENTS} documents"),
    )
    .at(span)
    .help("split it into several files")
}

/// A document with too many values, as written or as its aliases repeat them.
pub(super) fn too_many_nodes(most: usize) -> Diagnostic {
    Diagnostic::error(
        &catalog::TOO_LARGE,
        format!("the document holds more than {most} values and keys, those that aliases repeat counted each time"),
    )
    .help("split it into several documents, and repeat less with `*name`")
}

/// A document that nests too deep.
pub(super) fn too_deep() -> Diagnostic {
    Diagnostic::error(
        &catalog::TOO_LARGE,
        format!("nested deeper than {DEEPEST} levels"),
    )
    .help("no kind nests that deep; look for a bracket that is never closed")
}

/// Problems that are counted and not shown.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    count: usize,
    worst: Option<Severity>,
}

impl Hidden {
    /// Takes away those beyond the first `most` from `first` on.
    pub(super) fn take(&mut self, diagnostics: &mut Vec<Diagnostic>, first: usize, most: usize) {
        if diagnostics.len() - first <= most {
            return;
        }
        for hidden in diagnostics.drain(first + most..) {
            self.count += 1;
            // An error comes before a warning, and a warning before a note.
            let worst = self.worst.unwrap_or(hidden.severity);
            self.worst = Some(worst.min(hidden.severity));
        }
    }

    /// Says how many there are, as bad as the worst of them, below those from `first` on that are shown. `whole` is what
    /// they are problems of.
    pub(super) fn tell(self, diagnostics: &mut Vec<Diagnostic>, first: usize, whole: &str) {
        let Some(worst) = self.worst else {
            return;
        };
        let mut said = more_problems(self.count, whole);
        said.severity = worst;
        let shown = diagnostics[first..]
            .iter()
            .filter_map(|shown| shown.span.as_ref());
        said.span = shown.max_by_key(|span| span.byte).cloned();
        diagnostics.push(said);
    }
}

/// That `count` errors of `whole` are not shown.
pub(super) fn more_problems(count: usize, whole: &str) -> Diagnostic {
    let (word, is) = match count {
        1 => ("problem", "is"),
        _ => ("problems", "are"),
    };
    Diagnostic::error(
        &catalog::TOO_MANY_PROBLEMS,
        format!("{count} more {word} of this {whole} {is} not shown"),
    )
    .help("mend those above first")
}
