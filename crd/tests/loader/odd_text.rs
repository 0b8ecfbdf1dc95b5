//! Text that no person meant to write, or wrote for another reader: each says where, why and what to do.
use std::fmt::Write as _;

use crd::{
    diagnostic::Diagnostic,
    load::{SourceText, load},
};

const HEAD: &str = "apiVersion: shardplane.dev/v1alpha1\nkind: CardPolicy\n";

/// The first problem of a text: id, line and column, message and help hold these words.
#[track_caller]
fn check(text: &str, id: &str, place: (u32, u32), message: &str, help: &str) {
    let found = load(&[SourceText::new("input.yaml", text)]).diagnostics;
    let found = found.first().unwrap_or_else(|| panic!("{text:?} is clean"));
    let span = found.span.as_ref().expect("it has a place");
    assert_eq!(
        (found.id(), span.line, span.column),
        (id, place.0, place.1),
        "{found:?}"
    );
    assert!(found.message.contains(message), "{}", found.message);
    assert!(found.help.contains(help), "{}", found.help);
}

#[test]
fn control_characters_are_named() {
    check(
        "kind: Card\0Policy\n",
        "SP-V0001",
        (1, 11),
        "a NUL character",
        "UTF-16",
    );
    let utf16: String = HEAD.chars().flat_map(|c| [c, '\0']).collect();
    check(&utf16, "SP-V0001", (1, 2), "a NUL character", "UTF-16");
    check(
        "kind: Card\u{7}Policy\n",
        "SP-V0001",
        (1, 11),
        "U+0007",
        "remove it",
    );
    check(
        "kind: \"Card\u{1b}Policy\"\n",
        "SP-V0001",
        (1, 12),
        "U+001B",
        "remove it",
    );
}

#[test]
fn aliases_that_never_end_are_named() {
    check(
        "a: &a [*a]\n",
        "SP-V0006",
        (1, 8),
        "inside the value that it repeats",
        "write the value out",
    );
    let mut anchors = String::new();
    for number in 0..50_002 {
        let _ = writeln!(anchors, "a{number}: &a{number} x");
    }
    check(
        &anchors,
        "SP-V0004",
        (50_001, 17),
        "names and repeats more",
        "write the values out",
    );
}

#[test]
fn numbers_of_yaml_1_1_are_told_by_their_fields() {
    let group = |size: &str| {
        format!(
            "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata:\n  name: quad\nspec:\n  size: {size}\n  automatic:\n    per: Switch\n"
        )
    };
    for (size, message, help) in [
        (
            "010",
            "must be a whole number, not the text `010`",
            "write digits alone",
        ),
        (
            "1_6",
            "must be a whole number, not the text `1_6`",
            "write digits alone",
        ),
        (
            "1:04",
            "must be a whole number, not the text `1:04`",
            "write digits alone",
        ),
        (".4e1", "", ""),
        ("-0", "size must be 1, 2, 4, 8 or 16", "take 1"),
        ("1e400", "without end", "write a number"),
    ] {
        if message.is_empty() {
            assert!(
                !load(&[SourceText::new("input.yaml", group(size))]).has_errors(),
                "{size}"
            );
            continue;
        }
        check(
            &group(size),
            if message.starts_with("size") {
                "SP-V0007"
            } else if size == "1e400" {
                "SP-V0006"
            } else {
                "SP-V0022"
            },
            (6, 9),
            message,
            help,
        );
    }
}

#[test]
fn a_broken_document_hides_neither_neighbour() {
    let group = |name: &str, size: u8| {
        format!(
            "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata:\n  name: {name}\nspec:\n  size: {size}\n  automatic:\n    per: Switch\n"
        )
    };
    let text = format!(
        "{}---\na: [\n---\n{}---\n{}",
        group("a", 4),
        group("b", 3),
        group("c", 2)
    );
    let loaded = load(&[SourceText::new("input.yaml", text)]);
    let ids: Vec<_> = loaded.diagnostics.iter().map(Diagnostic::id).collect();
    assert_eq!(ids, ["SP-V0001", "SP-V0007"]);
    assert_eq!(loaded.declaration.groups.len(), 2);
}
