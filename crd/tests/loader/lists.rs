//! Lists of documents: whatever the style, they are read as their entries would be one by one.
use std::fs;

use crd::{
    diagnostic::Diagnostic,
    load::{Loaded, SourceText, load},
};

use crate::recorded;

/// As `kubectl get -o yaml` begins.
const BLOCK: &str = "apiVersion: v1\nkind: List\nmetadata:\n  resourceVersion: \"\"\nitems:\n";

const GROUP: &str = r#"apiVersion: shardplane.dev/v1alpha1
kind: P2PGroup
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"shardplane.dev/v1alpha1","kind":"P2PGroup","spec":{"size":4}}
  creationTimestamp: "2026-01-31T09:00:00Z"
  finalizers:
  - shardplane.dev/kept
  generation: 3
  name: quad
  resourceVersion: "8271"
  uid: 0d9b0e4c-0d1c-4a5e-9b70-0e8b6c5d7e11
spec:
  automatic:
    per: Switch
  size: 4
"#;

/// Documents as entries of a list in block style.
fn block(documents: &[&str]) -> String {
    let mut out = String::new();
    for document in documents {
        let mut begun = false;
        for line in document.lines() {
            let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
            let mark = if begun || blank { "  " } else { "- " };
            begun |= !blank;
            out.extend([mark, line, "\n"]);
        }
    }
    out
}

fn read(text: &str) -> Loaded {
    load(&[SourceText::new("input.yaml", text)])
}

/// A problem, what it is shown under, and the line that is shown.
fn told(found: &Diagnostic, text: &str) -> String {
    let shown = found.span.as_ref().map(|span| {
        let start = span.byte as usize;
        let line = text.lines().nth(span.line as usize - 1).unwrap_or_default();
        let covered = &text[start..start + span.length as usize];
        assert!(
            covered.contains('\n')
                || line
                    .chars()
                    .skip(span.column as usize - 1)
                    .collect::<String>()
                    .starts_with(covered),
            "line {} column {} is not where `{covered}` stands in\n{text}",
            span.line,
            span.column
        );
        let covered = covered.lines().next().unwrap_or_default().to_owned();
        (covered, line.trim_start_matches(['-', ' ']).to_owned())
    });
    let field = &found.field;
    format!(
        "{:?} {} {} {field:?} {shown:?}",
        found.severity,
        found.id(),
        found.message
    )
}

fn all_told(text: &str) -> Vec<String> {
    let mut told: Vec<_> = read(text)
        .diagnostics
        .iter()
        .map(|found| self::told(found, text))
        .collect();
    told.sort();
    told
}

/// The documents of a text that each stand between two lines of `---`.
fn documents(text: &str) -> Vec<&str> {
    let documents = text
        .split("\n---\n")
        .map(|document| document.trim_start_matches("---\n"));
    documents
        .filter(|document| !document.trim().is_empty())
        .collect()
}

#[test]
fn entries_of_a_list_have_the_problems_that_they_have_alone() {
    // What is told of a whole text and not of a document: its form, its size, that nothing is in it.
    let of_texts = [
        "SP-V0001", "SP-V0004", "SP-V0005", "SP-V0006", "SP-V0010", "SP-V0014", "SP-V0017",
    ];
    let mut compared = 0;
    for path in recorded::files("tests/corpus/invalid", "yaml") {
        let text = fs::read_to_string(&path).expect("the document can be read");
        let alone = all_told(&text);
        let name = path.display();
        let odd = text.contains("\n...")
            || text.contains("\n--- ")
            || text.contains("\n%")
            || text.contains(['\r', '\u{feff}'])
            || text.starts_with(['{', '[']);
        if odd
            || of_texts
                .iter()
                .any(|id| alone.iter().any(|told| told.contains(id)))
        {
            continue;
        }
        compared += 1;
        let entries = block(&documents(&text));
        assert_eq!(all_told(&entries), alone, "{name}, listed:\n{entries}");
        let list = format!("{BLOCK}{entries}");
        assert_eq!(all_told(&list), alone, "{name}, in a List:\n{list}");
    }
    assert!(compared > 60, "only {compared} documents can be listed");
}

#[test]
fn every_style_of_list_declares_the_same() {
    let pair = GROUP
        .replace("quad", "pair")
        .replace("size: 4\n", "size: 2\n");
    let both = [GROUP, &pair];
    let values: Vec<serde_json::Value> = both
        .iter()
        .map(|text| serde_yaml::from_str(text).unwrap())
        .collect();
    let typed = BLOCK.replace(
        "v1\nkind: List",
        "shardplane.dev/v1alpha1\nkind: P2PGroupList",
    );
    let entries = block(&both);
    for (style, text) in [
        ("documents", both.join("---\n")),
        ("a list", entries.clone()),
        ("brackets", serde_json::to_string(&values).unwrap()),
        ("a List", format!("{BLOCK}{entries}")),
        ("a List in braces", serde_json::json!({"apiVersion": "v1", "kind": "List", "items": values, "metadata": {}}).to_string()),
        ("a list of its kind", format!("{typed}{entries}")),
        ("Lists in a List", format!("{BLOCK}{}", block(&[&format!("{BLOCK}{}", block(&both[..1])), &format!("{BLOCK}{}", block(&both[1..]))]))),
    ] {
        let loaded = read(&text);
        assert_eq!(loaded.diagnostics, [], "{style}:\n{text}");
        let sizes: Vec<_> = loaded.declaration.groups.iter().map(|group| (group.object.name.as_str(), group.spec.size)).collect();
        assert_eq!(sizes, [("pair", 2), ("quad", 4)], "{style}");
        let spans = loaded.declaration.groups.iter().map(|group| group.span("/spec/size").expect("the field has a place"));
        let shown: Vec<_> = spans.map(|span| &text[span.byte as usize..][..span.length as usize]).collect();
        assert_eq!(shown, ["2", "4"], "{style}");
    }
}

#[test]
fn entries_may_repeat_each_other() {
    let text = format!(
        "{BLOCK}- &one\n{}- *one\n",
        block(&[GROUP]).replacen("- ", "  ", 1)
    );
    let loaded = read(&text);
    let told: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|found| told(found, &text))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("SP-V0060"), "{told:?}");
}

#[test]
fn lists_of_snapshots_are_snapshots() {
    let path = recorded::repository("tests/corpus/invalid/recorded-edited.yaml");
    let text = fs::read_to_string(path).expect("the snapshot can be read");
    let alone = read(&text);
    assert!(!alone.snapshots.is_empty());
    let listed = format!("{BLOCK}{}", block(&documents(&text)));
    let names = |loaded: &Loaded| -> Vec<String> {
        loaded
            .snapshots
            .iter()
            .map(|found| found.snapshot.metadata.name.to_string())
            .collect()
    };
    assert_eq!(names(&read(&listed)), names(&alone));
}

#[test]
fn a_list_says_what_it_lacks() {
    for (text, id, message, help) in [
        (
            "kind: List\napiVersion: v1\n",
            "SP-V0014",
            "the list has no `items`",
            "add `items:`",
        ),
        (
            "kind: List\napiVersion: v1\nitem: []\n",
            "SP-V0020",
            "a list has no field `item`",
            "did you mean `items`?",
        ),
        (
            "kind: List\napiVersion: v1\nitems: {}\n",
            "SP-V0022",
            "`items` must be a list, not a mapping",
            "begin each entry",
        ),
        (
            "kind: List\napiVersion: v1\nitems: []\nspec: {}\n",
            "SP-V0020",
            "a list has no field `spec`",
            "entries of `items`",
        ),
        (
            "kind: List\napiVersion: v1\nitems:\n- 7\n",
            "SP-V0010",
            "a document must be a mapping",
            "begin with",
        ),
        (
            "- 7\n- 8\n",
            "SP-V0010",
            "a document must be a mapping",
            "begin with",
        ),
        (
            "kind: List\napiVersion: v1\nitems: []\n",
            "SP-V0017",
            "nothing is declared",
            "name a file",
        ),
        (
            "kind: List\napiVersion: v1\nitems:\n",
            "SP-V0017",
            "nothing is declared",
            "name a file",
        ),
    ] {
        let found = read(text).diagnostics;
        let [found] = found.as_slice() else {
            panic!("{text}: {found:?}");
        };
        assert_eq!(found.id(), id, "{text}");
        assert!(found.message.contains(message), "{}", found.message);
        assert!(found.help.contains(help), "{}", found.help);
    }
}
