//! Invalid documents, each beside the diagnostics that a person sees.
use std::{collections::BTreeSet, fs};

use crd::{
    diagnostic::{self, Severity, Style, catalog},
    load::{SourceText, load},
};

use crate::recorded;

fn source(path: &std::path::Path) -> SourceText {
    let name = path
        .file_name()
        .expect("a file has a name")
        .to_string_lossy();
    SourceText::new(
        name,
        fs::read_to_string(path).expect("the document can be read"),
    )
}

#[test]
fn invalid_documents_give_their_recorded_diagnostics() {
    let files = recorded::files("tests/corpus/invalid", "yaml");
    assert!(files.len() >= 60, "only {} documents", files.len());
    let mut seen = BTreeSet::new();
    let mut differences = Vec::new();
    for path in files {
        let sources = [source(&path)];
        let loaded = load(&sources);
        assert!(
            !loaded.diagnostics.is_empty(),
            "{} is clean",
            path.display()
        );
        for found in loaded
            .diagnostics
            .iter()
            .filter(|found| found.help.is_empty())
        {
            let (id, message) = (found.id(), &found.message);
            differences.push(format!(
                "{}: {id} says nothing of what to do: {message}",
                path.display()
            ));
        }
        seen.extend(loaded.diagnostics.iter().map(diagnostic::Diagnostic::id));
        let rendered = diagnostic::render(&loaded.diagnostics, &sources, Style::Plain);
        differences.extend(recorded::compare(&path.with_extension("stderr"), &rendered));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let missing: Vec<_> = catalog::all()
        .iter()
        .map(|explanation| explanation.id)
        .filter(|id| !seen.contains(id))
        .collect();
    assert_eq!(
        missing,
        [
            "SP-V0028", "SP-V0029", "SP-V0035", "SP-V0036", "SP-V0071", "SP-V0086", "SP-V0104",
            "SP-V0105"
        ],
        "every id has a document; what is told of files needs files, an immutable spec a second version, an expiry a clock, a rack its machines, a layout `fmt`"
    );
}

#[test]
fn valid_documents_are_clean() {
    for path in recorded::files("tests/corpus/valid", "yaml") {
        let sources = [source(&path)];
        let loaded = load(&sources);
        let rendered = diagnostic::render(&loaded.diagnostics, &sources, Style::Plain);
        assert!(
            loaded
                .diagnostics
                .iter()
                .all(|d| d.severity == Severity::Note),
            "{rendered}"
        );
    }
}
