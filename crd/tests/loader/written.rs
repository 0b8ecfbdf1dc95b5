//! What the writer writes, our loader and a YAML 1.1 reader read alike.
use std::fs;

use crd::{
    diagnostic::Diagnostic,
    kind::ShardedModelSpec,
    load::{SourceText, load},
    write,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{cases::config, recorded};

/// `pyyaml.json` is recorded by the script beside it.
fn readings() -> Vec<(String, String)> {
    let path = recorded::repository("tests/corpus/scalars/pyyaml.json");
    let table: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("the table can be read"))
            .expect("the table is JSON");
    let readings = table["readings"]
        .as_array()
        .expect("the table has readings");
    readings
        .iter()
        .map(|row| {
            let cell = |at: usize| row[at].as_str().expect("a reading is two texts").to_owned();
            (cell(0), cell(1))
        })
        .collect()
}

/// The canonical form, without what is said of it.
fn form(source: &SourceText) -> Result<String, Vec<Diagnostic>> {
    crd::format::format(source).map(|formatted| formatted.text)
}

/// A policy whose annotation holds a text.
fn policy(text: &str) -> Value {
    json!({
        "apiVersion": "shardplane.dev/v1alpha1",
        "kind": "CardPolicy",
        "metadata": { "name": "lab", "annotations": { "text": text } },
        "spec": { "enforcement": "Observe", "approval": { "mode": "Manual" } },
    })
}

/// As kubectl's reader has them, which PyYAML reads as text.
#[test]
fn what_is_a_number_to_readers_in_go_is_written_in_quotes() {
    for text in ["08", "0809123", "0_8", "-09"] {
        let written = write::to_yaml(&json!({ "k": text })).expect("text has a YAML form");
        assert!(
            written.starts_with("k: '") || written.starts_with("k: \""),
            "{written}"
        );
    }
}

#[test]
fn text_is_written_plain_only_where_pyyaml_reads_it_as_the_same_text() {
    let readings = readings();
    assert!(readings.len() > 1000);
    for (text, reading) in readings {
        let written = write::to_yaml(&json!({ "k": text })).expect("text has a YAML form");
        let value = written.strip_prefix("k: ").unwrap_or_default();
        let plain = !value.starts_with(['"', '\'', '|', '>']);
        assert!(
            !plain || reading == "str",
            "{text:?} is {reading} to PyYAML and was written {written:?}"
        );
    }
}

#[test]
fn what_is_written_is_clean_and_equal_when_read() {
    for (text, _) in readings() {
        let written = write::to_yaml(&policy(&text)).expect("a policy has a YAML form");
        let loaded = load(&[SourceText::new("written", &written)]);
        assert_eq!(loaded.diagnostics, [], "{written}");
        assert_eq!(
            loaded.declaration.policies[0].annotations["text"], text,
            "{written}"
        );
    }
}

#[test]
fn what_a_terminal_would_show_otherwise_is_written_out() {
    for c in [
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200d}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{fff9}',
        '\u{e0041}',
    ] {
        for text in [
            format!("{c}"),
            format!("a{c}b: #"),
            format!("one\n\"two\"\\{c}\n"),
            format!("\t{c}é😀"),
        ] {
            let written = write::to_yaml(&policy(&text)).expect("a policy has a YAML form");
            assert!(!written.contains(c), "{c:?} {text:?}: {written:?}");
            let loaded = load(&[SourceText::new("written", &written)]);
            assert_eq!(loaded.diagnostics, [], "{written}");
            assert_eq!(
                loaded.declaration.policies[0].annotations["text"], text,
                "{written}"
            );
        }
    }
}

/// Keys mislead as values do: labels and annotations are keyed by whatever somebody wrote.
#[test]
fn what_misleads_is_escaped_in_keys_too() {
    for c in [
        '\u{202e}',
        '\u{200b}',
        '\u{2066}',
        '\u{feff}',
        '\u{ad}',
        '\u{85}',
        '\u{e0041}',
    ] {
        let long = "long ".repeat(30);
        for key in [
            format!("{c}"),
            format!("a{c}b: #/~1"),
            format!("one\n\"two\"\\{c}\n"),
            format!("{long}{c}"),
            format!("\t{c}é😀"),
        ] {
            let value = json!({ "before": "x", "in": { key.clone(): { key.clone(): [key.clone(), { key.clone(): 1 }] } }, key.clone(): format!("v{c}"), "z": [1] });
            let written = write::to_yaml(&value).expect("text has a YAML form");
            assert!(!written.contains(c), "{c:?} {key:?}: {written:?}");
            let read: serde_json::Value = serde_yaml::from_str(&written).expect("it is YAML");
            assert_eq!(read, value, "{written}");
        }
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn any_text_survives_writing_formatting_and_reading(text in "\\PC{0,24}|[0-9:._xob-]{0,12}", key in "[a-z0-9:.~-]{1,8}") {
        let value = json!({ "apiVersion": "v1", "kind": "X", "data": { key.clone(): [text.clone(), { "a": text.clone() }] } });
        let written = write::to_yaml(&value).expect("text has a YAML form");
        let formatted = form(&SourceText::new("written", &written)).expect("what is written can be formatted");
        prop_assert_eq!(&formatted, &written, "a document of others stays as it is");
        let written = write::to_yaml(&policy(&text)).expect("a policy has a YAML form");
        let formatted = form(&SourceText::new("written", &written)).expect("what is written can be formatted");
        let loaded = load(&[SourceText::new("formatted", &formatted)]);
        prop_assert_eq!(&loaded.declaration.policies[0].annotations["text"], &text, "{}", formatted);
    }

    #[test]
    fn a_model_survives_writing_and_reading(shards in 1..=16u32, port in proptest::option::of(1024..=60000u16), path in "[a-z0-9./:_-]{1,20}") {
        let spec: ShardedModelSpec = serde_json::from_value(json!({
            "model": { "path": path }, "target": "CPU", "precision": "Int8", "shards": shards, "connectivity": "P2P",
            "serving": { "contextLength": 512, "slots": 4 },
        })).expect("the spec is valid");
        let spec = ShardedModelSpec { serving: crd::kind::Serving { port, ..spec.serving.clone() }, ..spec };
        let document = json!({ "apiVersion": "shardplane.dev/v1alpha1", "kind": "ShardedModel", "metadata": { "name": "chat" }, "spec": spec });
        let written = write::to_yaml(&document).expect("a model has a YAML form");
        let loaded = load(&[SourceText::new("written", &written)]);
        prop_assert_eq!(&loaded.diagnostics, &[], "{}", written);
        prop_assert_eq!(&loaded.declaration.models[0].spec, &spec);
    }
}
