//! A model's text files as a whole.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::vocabulary::tests::byte_level_file;
use super::*;

/// A folder with a byte-level tokenizer and these files beside it.
pub(crate) fn folder(files: &[(&str, &Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tokenizer.json"),
        byte_level_file().to_string(),
    )
    .unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content.to_string()).unwrap();
    }
    folder
}

#[test]
fn what_is_beside_the_tokenizer_counts() {
    let config = json!({"eos_token": "<|end|>", "chat_template": "{{ eos_token }}"});
    let folder = folder(&[
        ("tokenizer_config.json", &config),
        ("generation_config.json", &json!({"temperature": 0.5})),
    ]);
    let model = ModelText::load(folder.path(), &[3]).unwrap();
    assert_eq!(model.endings.iter().collect::<Vec<_>>(), [3, 256]);
    assert!(model.template.is_some());
    assert!((model.defaults.params(0).temperature - 0.5).abs() < 1e-6);
}

#[test]
fn broken_files_are_named() {
    let check = |name: &str, content: &str, expected: &str| {
        let folder = folder(&[]);
        fs::write(folder.path().join(name), content).unwrap();
        let error = ModelText::load(folder.path(), &[]).unwrap_err().to_string();
        let shown = error.replace(folder.path().to_str().unwrap(), "F");
        assert_eq!(shown, expected);
    };
    check(
        "tokenizer.json",
        "{",
        "loading the tokenizer in F/tokenizer.json",
    );
    check(
        "tokenizer_config.json",
        "[]",
        "F/tokenizer_config.json is not a JSON object",
    );
    check(
        "generation_config.json",
        "{",
        "F/generation_config.json is not a JSON object",
    );
    check(
        "chat_template.jinja",
        "{% if %}",
        "compiling the model's chat template",
    );
}

#[test]
fn a_tokenizer_is_needed() {
    let empty = tempfile::tempdir().unwrap();
    let error = ModelText::load(empty.path(), &[]).unwrap_err();
    assert!(matches!(error, TextError::NoTokenizer { .. }));
}
