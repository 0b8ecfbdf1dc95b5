//! The canonical form: recorded examples, and that it is a fixed point that loses nothing.
use std::fs;

use crd::{
    declaration::{Declaration, Declared},
    diagnostic::Diagnostic,
    load::{SourceText, load},
};
use proptest::prelude::*;

use crate::{cases::config, recorded};

/// The canonical form, without what is said of it.
fn form(source: &SourceText) -> Result<String, Vec<Diagnostic>> {
    crd::format::format(source).map(|formatted| formatted.text)
}

fn source(text: &str) -> SourceText {
    SourceText::new("input", text)
}

/// The declaration without its places.
fn meaning(text: &str) -> Declaration {
    fn bare<S>(declared: &mut [Declared<S>]) {
        for declared in declared {
            declared.spans.clear();
        }
    }
    let mut declaration = load(&[source(text)]).declaration;
    bare(&mut declaration.policies);
    bare(&mut declaration.groups);
    bare(&mut declaration.builds);
    bare(&mut declaration.models);
    declaration
}

fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<_> = text
        .lines()
        .filter_map(|line| {
            line.split_once("# ")
                .map(|(_, comment)| comment.trim().to_owned())
        })
        .collect();
    comments.sort();
    comments
}

fn check(text: &str) -> Result<String, TestCaseError> {
    let formatted = form(&source(text))
        .map_err(|problems| TestCaseError::fail(format!("{text}\n{problems:?}")))?;
    let again = form(&source(&formatted))
        .map_err(|problems| TestCaseError::fail(format!("{formatted}\n{problems:?}")))?;
    prop_assert_eq!(&again, &formatted, "not a fixed point:\n{}", text);
    prop_assert_eq!(
        meaning(&formatted),
        meaning(text),
        "{}\n{}",
        text,
        formatted
    );
    prop_assert_eq!(
        comments(&formatted),
        comments(text),
        "{}\n{}",
        text,
        formatted
    );
    Ok(formatted)
}

/// What is put aside by a `#` before each of its lines is of any length.
#[test]
fn comments_in_a_row_are_read_and_kept_however_many() {
    let head = "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata: {name: g}\nspec:\n";
    for many in [33, 97, 3000] {
        let aside = "  # aside\n".repeat(many);
        for text in [
            format!("{aside}{head}  size: 4\n  automatic: {{per: Card}}\n"),
            format!("{head}{aside}  size: 4\n  automatic: {{per: Card}}\n"),
            format!("{head}  size: 4\n  automatic:\n  {aside}    per: Card\n"),
            format!("{head}  size: 4\n  members:\n    addresses:\n{aside}    - \"0000:25:00.0\"\n"),
        ] {
            let problems = load(&[source(&text)]).diagnostics;
            let unread =
                |problem: &&crd::diagnostic::Diagnostic| problem.message.contains("cannot be read");
            assert!(
                problems.iter().find(unread).is_none(),
                "{many}: {problems:?}"
            );
            check(&text).unwrap();
        }
    }
}

#[test]
fn documents_have_their_recorded_form() {
    let mut differences = Vec::new();
    for path in recorded::files("tests/corpus/format", "yaml") {
        let text = fs::read_to_string(&path).expect("the document can be read");
        let formatted = check(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        differences.extend(recorded::compare(
            &path.with_extension("formatted"),
            &formatted,
        ));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn broken_text_has_no_canonical_form() {
    for text in ["a: [1\n", "a: 1\na: 2\n"] {
        let problems = form(&source(text)).expect_err("broken text is refused");
        assert!(problems[0].span.is_some());
    }
}

#[test]
fn a_document_that_keeps_its_layout_says_why() {
    const HEAD: &str = "apiVersion: shardplane.dev/v1alpha1\nkind: CardPolicy\n";
    let plain = format!("{HEAD}metadata:\n  name: plain\nspec: {{}}\n");
    for (body, why, shown) in [
        (
            "metadata: &m\n  name: lab\n",
            "a value that `&name` names",
            "&m",
        ),
        (
            "metadata:\n  name: lab\n  labels: {a: &a b, c: *a}\n",
            "a value that `&name` names",
            "&a b",
        ),
        ("metadata:\n  name: !!str lab\n", "a tag", "!!str lab"),
        (
            "metadata:\n  name: lab\n  annotations:\n    ? |\n      two\n      lines\n    : x\n",
            "a key is more than text on one line",
            "two",
        ),
        (
            "metadata:\n  name: lab\n  annotations:\n    ? # why\n      a\n    : x\n",
            "a comment or a directive",
            HEAD.lines().next().unwrap_or_default(),
        ),
    ] {
        let text = format!("{plain}---\n{HEAD}{body}");
        let formatted = crd::format::format(&source(&text))
            .unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let [note] = formatted.kept.as_slice() else {
            panic!("{text}: {:?}", formatted.kept);
        };
        assert!(
            note.message
                .starts_with("CardPolicy/lab keeps its own order and layout: "),
            "{}",
            note.message
        );
        assert!(note.message.contains(why), "{}", note.message);
        let span = note.span.as_ref().expect("the note has a place");
        let line = text.lines().nth(span.line as usize - 1).unwrap_or_default();
        assert!(line.contains(shown), "{shown} is not in {line}");
    }
    let listed = format!("- {}", plain.trim_end().replace('\n', "\n  "));
    for (text, name) in [
        (
            format!("apiVersion: v1\nkind: List\nitems:\n{listed}\n"),
            "this List",
        ),
        (format!("{listed}\n"), "this list"),
        (
            "{\"apiVersion\": \"shardplane.dev/v1alpha1\", \"kind\": \"CardPolicy\"}\n".to_owned(),
            "this CardPolicy",
        ),
    ] {
        let text = text.replace("plain", "on");
        let formatted = crd::format::format(&source(&text))
            .unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(
            formatted.text,
            text.replace(": on", ": \"on\""),
            "quotes are added all the same"
        );
        assert!(
            formatted.kept[0].message.starts_with(name),
            "{}",
            formatted.kept[0].message
        );
    }
    assert_eq!(
        crd::format::format(&source(&plain)).map(|formatted| formatted.kept),
        Ok(Vec::new())
    );
}

/// Documents with keys in any order, comments anywhere and any indentation.
fn documents() -> impl Strategy<Value = String> {
    let comment = prop_oneof![3 => Just(String::new()), 1 => "[a-z ]{0,6}".prop_map(|text| format!("# x{text}"))];
    let line = (comment.clone(), comment, any::<bool>());
    (
        proptest::collection::vec(line, 16),
        any::<u64>(),
        1..4usize,
        any::<bool>(),
    )
        .prop_map(|(lines, seed, step, inset)| {
            let mut keys: Vec<Vec<(usize, &str)>> = vec![
                vec![(0, "apiVersion: shardplane.dev/v1alpha1")],
                vec![(0, "kind: CardPolicy")],
                vec![
                    (0, "metadata:"),
                    (1, "labels: {on: \"a\",  b: c}"),
                    (1, "name: on"),
                ],
                vec![
                    (0, "spec:"),
                    (1, "enforcement: Enforce"),
                    (1, "approval:"),
                    (2, "mode: Automatic"),
                    (1, "devices:"),
                    (2, "skus:"),
                    (3, "- PCIe Ultra"),
                    (3, "- on"),
                    (2, "addresses: [0000:21:00.0,"),
                    (4, "0000:3b:00.0]"),
                    (1, "mdp: Groups"),
                ],
            ];
            let count = keys.len();
            keys.rotate_left((seed % count as u64) as usize);
            let mut out = String::new();
            let mut lines = lines.iter().cycle();
            for (depth, key) in keys.into_iter().flatten() {
                let (above, right, apart) = lines.next().expect("the lines repeat");
                let indent = " ".repeat(if key.starts_with('-') && !inset {
                    (depth - 1) * step
                } else {
                    depth * step
                });
                let flow = key.starts_with("0000");
                if *apart && !flow {
                    out.push('\n');
                }
                if !above.is_empty() && !flow {
                    out.extend([indent.as_str(), above, "\n"]);
                }
                out.push_str(&indent);
                out.push_str(key);
                if !right.is_empty() {
                    out.extend([" ", right]);
                }
                out.push('\n');
            }
            out
        })
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn the_form_is_a_fixed_point_that_keeps_meaning_and_comments(text in documents()) {
        check(&text)?;
    }

    #[test]
    fn no_text_makes_the_loader_or_the_formatter_panic(text in "([ a-z:\\[\\]{}#&*!|>'\"%@`,?<~\t\r\n-]|apiVersion: shardplane.dev/v1alpha1\n|kind: P2PGroup\n|---\n|é|\u{feff}){0,40}") {
        let loaded = load(&[source(&text)]);
        for found in &loaded.diagnostics {
            prop_assert!(!found.help.is_empty(), "no help with {:?} in {:?}", found, text);
        }
        for span in loaded.diagnostics.iter().filter_map(|diagnostic| diagnostic.span.as_ref()) {
            let end = (span.byte + span.length) as usize;
            prop_assert!(text.get(span.byte as usize..end).is_some(), "{:?} in {:?}", span, text);
        }
        crd::diagnostic::render(&loaded.diagnostics, &[source(&text)], crd::diagnostic::Style::Plain);
        if let Ok(formatted) = form(&source(&text)) {
            prop_assert_eq!(form(&source(&formatted)), Ok(formatted.clone()));
        }
    }
}
