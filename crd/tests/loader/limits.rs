//! Files of any size end in a few problems that a person can read, and warnings never become errors.
use std::fmt::Write as _;

use crd::{
    diagnostic::{Severity, Style, render},
    load::{Loaded, SourceText, load},
};

fn read(text: &str) -> Loaded {
    load(&[SourceText::new("input.yaml", text)])
}

fn last(loaded: &Loaded) -> (&'static str, Severity, &str) {
    let last = loaded.diagnostics.last().expect("there is a problem");
    (last.id(), last.severity, last.message.as_str())
}

fn group(number: usize) -> String {
    format!(
        "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata:\n  name: g{number}\nspec:\n  size: 4\n  automatic:\n    per: Switch\n"
    )
}

#[test]
fn many_warnings_are_no_error() {
    let mut text = "apiVersion: shardplane.dev/v1alpha1\nkind: CardPolicy\nmetadata:\n  name: lab\n  annotations:\n"
        .to_owned();
    for number in 0..60 {
        let _ = writeln!(text, "    a{number}: off");
    }
    text.push_str("spec:\n  enforcement: Observe\n  approval:\n    mode: Manual\n");
    let loaded = read(&text);
    assert!(!loaded.has_errors(), "{:?}", last(&loaded));
    assert_eq!(loaded.declaration.policies.len(), 1);
    assert_eq!(loaded.diagnostics.len(), 51);
    assert_eq!(
        last(&loaded),
        (
            "SP-V0008",
            Severity::Warning,
            "10 more problems of this document are not shown"
        )
    );
    // An error among them is shown, however many warnings stand before it.
    let loaded = read(&text.replace("Observe", "Observed"));
    assert!(
        loaded
            .diagnostics
            .iter()
            .any(|found| found.id() == "SP-V0023")
    );
}

#[test]
fn keys_given_twice_are_counted_beyond_those_shown() {
    let text = format!("{}{}", group(0), "  size: 1\n".repeat(80));
    let loaded = read(&text);
    assert_eq!(loaded.diagnostics.len(), 51);
    assert_eq!(
        last(&loaded),
        (
            "SP-V0008",
            Severity::Error,
            "30 more problems of this document are not shown"
        )
    );
}

#[test]
fn a_file_shows_a_thousand_problems() {
    let text = "---\na\n".repeat(1200);
    let loaded = read(&text);
    assert_eq!(loaded.diagnostics.len(), 1001);
    assert_eq!(
        last(&loaded),
        (
            "SP-V0008",
            Severity::Error,
            "200 more problems of this file are not shown"
        )
    );
    // So do files against each other: one group is declared again and again.
    let loaded = read(&vec![group(0); 1011].join("---\n"));
    assert_eq!(loaded.diagnostics.len(), 1001);
    assert!(last(&loaded).2.starts_with("10 more problems"));
}

#[test]
fn a_file_holds_so_many_documents() {
    let documents = |count: usize| -> String {
        let text: Vec<String> = (0..count).map(group).collect();
        text.join("---\n")
    };
    let loaded = read(&"---\n".repeat(10_001));
    assert_eq!(last(&loaded).2, "the file holds more than 10000 documents");
    let list = format!("[{}]", "{kind: a, apiVersion: b},".repeat(10_001));
    let loaded = read(&list);
    assert!(
        loaded
            .diagnostics
            .iter()
            .any(|found| found.message == "the file holds more than 10000 documents")
    );
    let loaded = read(&documents(300));
    assert!(!loaded.has_errors());
    assert_eq!(loaded.declaration.groups.len(), 300);
}

#[test]
fn a_document_holds_so_many_values_and_a_list_more() {
    let wide = format!("a: [{}]\n", "1,".repeat(500_001));
    assert_eq!(
        last(&read(&wide)),
        (
            "SP-V0004",
            Severity::Error,
            "the document holds more than 500000 values and keys, those that aliases repeat counted each time"
        )
    );
    let entry = format!(
        "{{apiVersion: v1, kind: ConfigMap, list: [{}]}},",
        "1,".repeat(500_001)
    );
    let listed = format!("[{entry}]");
    assert!(!read(&listed).has_errors());
}

#[test]
fn a_problem_far_down_is_drawn_by_its_own_lines() {
    let text = format!("{}{}  sise: 4\n", "# a comment\n".repeat(200_000), group(1));
    let sources = [SourceText::new("input.yaml", text)];
    let loaded = load(&sources);
    let drawn = render(&loaded.diagnostics, &sources, Style::Plain);
    assert_eq!(
        drawn,
        "error[SP-V0020]: `spec` has no field `sise`\n      --> input.yaml:200009:3\n       |\n200009 |   sise: 4\n       |   ^^^^\n       |\n       = help: did you mean `size`?\n\n"
    );
}
