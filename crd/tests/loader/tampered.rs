//! A sealed snapshot says when it was edited, wherever that was.
use std::sync::LazyLock;

use crd::{
    diagnostic::Severity,
    id::Digest,
    load::{Loaded, SourceText, load},
    snapshot::{HardwareSnapshot, Recording},
    write,
};
use proptest::prelude::*;

use crate::{cases::config, recorded};

/// A snapshot as a probe would see it, sealed.
static SEALED: LazyLock<HardwareSnapshot> = LazyLock::new(|| {
    let path = recorded::repository("tests/corpus/invalid/recorded-edited.yaml");
    let text = std::fs::read_to_string(path).expect("the document can be read");
    let text = text
        .split("recording:")
        .next()
        .expect("there is a beginning");
    let loaded = load(&[SourceText::new("plain.yaml", text)]);
    assert!(!loaded.has_errors());
    loaded.snapshots[0].snapshot.clone().sealed(Recording {
        tool: "shardplane test".into(),
        taken_at: Some("2026-11-28T00:00:00.000Z".into()),
        expires_at: Some("2026-12-05T00:00:00.000Z".into()),
        redaction: None,
        hash: Digest(String::new()),
    })
});
/// Both forms in which it is written.
static FORMS: LazyLock<[String; 2]> = LazyLock::new(|| {
    [
        write::to_yaml(&*SEALED).expect("a snapshot has a YAML form"),
        serde_json::to_string(&*SEALED).expect("a snapshot has a JSON form"),
    ]
});

fn read(text: &str) -> Loaded {
    load(&[SourceText::new("snapshot.yaml", text)])
}

#[test]
fn a_sealed_snapshot_is_clean_in_either_form() {
    for form in FORMS.iter() {
        let loaded = read(form);
        assert_eq!(loaded.diagnostics, []);
        assert_eq!(loaded.snapshots[0].snapshot, *SEALED);
    }
}

#[test]
fn each_value_that_is_changed_is_found() {
    let document = serde_json::to_value(&*SEALED).expect("a snapshot has a JSON form");
    let mut pointers = Vec::new();
    leaves("", &document, &mut pointers);
    assert!(pointers.len() > 80);
    for pointer in pointers {
        let mut edited = document.clone();
        let value = edited.pointer_mut(&pointer).expect("it was there");
        *value = match value.take() {
            serde_json::Value::String(text) => format!("{text}0").into(),
            serde_json::Value::Number(number) => (number.as_u64().unwrap_or(0) ^ 1).into(),
            serde_json::Value::Bool(on) => (!on).into(),
            other => panic!("{pointer} is {other}"),
        };
        let loaded = read(&edited.to_string());
        assert!(loaded.has_errors(), "{pointer}");
    }
}

fn leaves(pointer: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, inner) in map {
                leaves(&format!("{pointer}/{key}"), inner, found);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                leaves(&format!("{pointer}/{index}"), inner, found);
            }
        }
        _ => found.push(pointer.to_owned()),
    }
}

#[test]
fn what_is_taken_out_or_added_is_found() {
    let [yaml, _] = &*FORMS;
    for (from, to) in [
        (
            "  qmonitorRunning:",
            "  qmonitorStopped: true\n  qmonitorRunning:",
        ),
        ("  expiresAt: \"2026-12-05T00:00:00.000Z\"\n", ""),
        ("metadata:\n", "metadata:\n  labels: {a: b}\n"),
        (
            "ledger: {}",
            "ledger: {}\nreadings: {memoryAvailableMib: 1}",
        ),
    ] {
        assert!(yaml.contains(from), "{from} is not in {yaml}");
        assert!(read(&yaml.replacen(from, to, 1)).has_errors(), "{from}");
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// Any byte of the file replaced by any other: it is the same snapshot still, or a problem is told.
    #[test]
    fn no_edited_byte_passes_for_a_recording(
        form in 0_usize..2,
        at in any::<prop::sample::Index>(),
        byte in 0x20_u8..0x7f,
    ) {
        let mut bytes = FORMS[form].clone().into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let text = String::from_utf8(bytes).expect("only ASCII was put in");
        let loaded = read(&text);
        let whole = loaded.snapshots.iter().any(|found| found.snapshot == *SEALED);
        let told = loaded.diagnostics.iter().any(|found| found.severity != Severity::Note);
        prop_assert!(told || whole || loaded.snapshots.is_empty(), "{text}");
    }
}
