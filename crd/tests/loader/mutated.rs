//! `fmt` over documents written in every way that YAML has: it loses nothing, adds no problem, and has one fixed point.
use std::{collections::BTreeMap, fs, sync::OnceLock};

use crd::{
    diagnostic::Diagnostic,
    load::{SourceText, load},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    cases::config,
    recorded,
    styled::{Choices, styled},
};

/// The canonical form, without what is said of it.
fn form(source: &SourceText) -> Result<String, Vec<Diagnostic>> {
    crd::format::format(source).map(|formatted| formatted.text)
}

fn source(text: &str) -> SourceText {
    SourceText::new("input", text)
}

/// The values of a text's documents, as our reader sees them.
fn values(text: &str) -> Option<Vec<Value>> {
    use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
    };
    serde_saphyr::from_multiple_with_options(text, options).ok()
}

/// What `validate` says, without places, and how often; it always says what to do.
fn problems(text: &str) -> BTreeMap<String, usize> {
    let mut problems = BTreeMap::new();
    for found in load(&[source(text)]).diagnostics {
        assert!(!found.help.is_empty(), "no help with {found:?} in\n{text}");
        *problems
            .entry(format!("{} {}", found.id(), found.message))
            .or_default() += 1;
    }
    problems
}

/// Every comment, as an independent reader of the marks that the generator makes. A carriage return alone ends a line too.
fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<String> = text
        .split(['\n', '\r'])
        .filter_map(|line| Some(line[line.find("# c")?..].trim_end().to_owned()))
        .collect();
    comments.sort();
    comments
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let before = problems(text);
    let Ok(formatted) = form(&source(text)) else {
        return Ok(());
    };
    let again = form(&source(&formatted));
    prop_assert_eq!(
        again.as_ref(),
        Ok(&formatted),
        "no fixed point of\n{}\n-- which is first\n{}",
        text,
        formatted
    );
    prop_assert_eq!(
        values(&formatted),
        values(text),
        "another value:\n{}\n--\n{}",
        text,
        formatted
    );
    prop_assert_eq!(
        comments(&formatted),
        comments(text),
        "other comments:\n{}\n--\n{}",
        text,
        formatted
    );
    for (problem, count) in problems(&formatted) {
        let known = before.get(&problem).copied().unwrap_or_default();
        prop_assert!(
            count <= known,
            "a new problem, {}:\n{}\n--\n{}",
            problem,
            text,
            formatted
        );
    }
    Ok(())
}

/// Every recorded document of ours, as text.
fn texts() -> &'static [String] {
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let folders = [
            "tests/corpus/format",
            "tests/corpus/valid",
            "tests/corpus/invalid",
            "examples/quickstart",
            "examples/racks",
            "operator/tests/engine/fixtures/declared",
        ];
        let files = folders
            .iter()
            .flat_map(|folder| recorded::files(folder, "yaml"));
        files
            .map(|path| fs::read_to_string(path).expect("a recorded document can be read"))
            .filter(|text| (10..3000).contains(&text.len()))
            // Where problems are counted instead of shown, mending one changes the words.
            .filter(|text| load(&[source(text)]).diagnostics.len() < 40)
            .collect()
    })
}

/// Their values, and some that hold what is hard to write.
fn documents() -> &'static [Vec<Value>] {
    static DOCUMENTS: OnceLock<Vec<Vec<Value>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let odd = json!({
            "apiVersion": "shardplane.dev/v1alpha1",
            "kind": "CardPolicy",
            "metadata": {"name": "on", "labels": {"on": null, "off": null, "b": "c", "1.5": "yes"},
                "annotations": {"a": "two\nlines\n", "b": "  indented\n    more\n", "c": "kept\n", "d": "x: y # z", "e": "0x1f"}},
            "spec": {"enforcement": "Enforce", "devices": {"addresses": ["0000:21:00.0", "0000:3b:00.0"], "skus": ["on", "on"]},
                "approval": {"mode": "Automatic"}, "nodeSelector": {"matchLabels": {"a": "on", "n": "~"}}},
        });
        let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "on": ["yes", null, {}, []]});
        let mut documents: Vec<Vec<Value>> = texts().iter().filter_map(|text| values(text)).collect();
        documents.insert(0, vec![odd.clone()]);
        documents.insert(1, vec![odd, foreign]);
        documents
    })
}

/// A recorded text with some of its lines changed.
fn mutated(choices: &[u16]) -> String {
    let mut choices = Choices::new(choices);
    let text = &texts()[choices.below(texts().len())];
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for index in 0..choices.below(6) {
        let at = choices.below(lines.len());
        let line = lines[at].clone();
        let body = line.trim_start();
        let indent = " ".repeat(line.len() - body.len());
        match choices.below(12) {
            0 => lines[at] = format!("{line} # c{index}"),
            1 => lines.insert(at, format!("{}# c{index}", " ".repeat(choices.below(8)))),
            2 => lines.insert(at, ["", " ", "\t", "..."][choices.below(4)].to_owned()),
            3 => {
                if let Some((key, value)) = body.split_once(':') {
                    let gap = " ".repeat(1 + choices.below(3));
                    lines[at] = format!("{indent}?{gap}{key}\n{indent}:{value}");
                }
            }
            4 => {
                if let Some((key, _)) = body.split_once(':') {
                    lines[at] = format!("{indent}? {key}");
                }
            }
            5 => lines[at] = format!("{line}\t"),
            6 => lines[at] = line.replacen(": ", ":\t", 1),
            7 => lines[at] = line.replacen(": ", ": &a ", 1),
            8 => lines[at] = line.replacen(": ", ": !!str ", 1),
            9 => lines[at] = line.replacen(": ", &format!(": # c{index}\n{indent}    "), 1),
            10 => lines[at] = line.replacen(": ", &format!(": >-1\n{indent}   "), 1),
            _ => lines[at] = format!("{line}\r"),
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn documents_in_any_style_keep_all_they_say(which in any::<prop::sample::Index>(), choices in proptest::collection::vec(any::<u16>(), 0..400)) {
        let documents = &documents()[which.index(documents().len())];
        check(&styled(documents, &choices))?;
    }

    #[test]
    fn changed_texts_keep_all_they_say(choices in proptest::collection::vec(any::<u16>(), 0..40)) {
        check(&mutated(&choices))?;
    }
}

#[test]
fn nearly_every_styled_document_can_be_read() {
    let mut seed = 7_u32;
    let mut readable = 0;
    for _ in 0..300 {
        let choices: Vec<u16> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u16::try_from(seed >> 16).expect("16 bits are left")
        })
        .take(300)
        .collect();
        let text = styled(&documents()[0], &choices);
        readable += usize::from(values(&text).as_ref() == Some(&documents()[0]));
    }
    assert!(
        readable > 270,
        "only {readable} of 300 say what they should"
    );
}
