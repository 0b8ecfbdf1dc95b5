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
    let model = ModelText::load(folder.path(), Architecture::Llama, &[3]).unwrap();
    assert_eq!(model.endings.iter().collect::<Vec<_>>(), [3, 256]);
    assert!(model.template.is_some());
    assert!((model.defaults.params(0).temperature - 0.5).abs() < 1e-6);
}

/// As transformers has it: a generation_config.json, where there is one, is all that counts.
#[test]
fn the_models_own_configuration_speaks_of_decoding_where_nothing_else_does() {
    let odd = json!({"model_type": "llama", "suppress_tokens": [3]});
    let plain = json!({"temperature": 0.5});
    let load = |files: &[(&str, &Value)]| {
        let folder = folder(files);
        let loaded = ModelText::load(folder.path(), Architecture::Llama, &[3]);
        loaded
            .map(|model| model.defaults.params(0).temperature)
            .map_err(|e| e.to_string())
    };
    let error = load(&[("config.json", &odd)]).unwrap_err();
    assert!(
        error.contains("config.json") && error.contains("suppress_tokens"),
        "{error}"
    );
    assert!(load(&[("config.json", &odd), ("generation_config.json", &plain)]).is_ok());
    let temperature = load(&[("config.json", &plain)]).unwrap();
    assert!((temperature - 0.5).abs() < 1e-6);
}

#[test]
fn broken_files_are_named() {
    let check = |name: &str, content: &str, expected: &str| {
        let folder = folder(&[]);
        fs::write(folder.path().join(name), content).unwrap();
        let error = ModelText::load(folder.path(), Architecture::Llama, &[])
            .unwrap_err()
            .to_string();
        let shown = error.replace(folder.path().to_str().unwrap(), "F");
        assert_eq!(shown, expected);
    };
    check(
        "tokenizer.json",
        "{",
        "F/tokenizer.json does not describe a tokenizer; fetch it again, or make it with transformers \
         (`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`)",
    );
    check(
        "tokenizer_config.json",
        "[]",
        "F/tokenizer_config.json is not a JSON object; fetch it again",
    );
    check(
        "generation_config.json",
        "{",
        "F/generation_config.json is not a JSON object; fetch it again",
    );
    check(
        "tokenizer.json",
        "{}",
        "F/tokenizer.json does not describe a tokenizer; fetch it again, or make it with transformers \
         (`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`)",
    );
    check(
        "chat_template.jinja",
        "{% if %}",
        "the chat template in F/chat_template.jinja does not compile; fetch the file again, correct the template, or \
         remove it to do without chat",
    );
}

#[test]
fn a_template_is_text() {
    let folder = folder(&[]);
    fs::write(folder.path().join("chat_template.jinja"), b"\xff\xfe").unwrap();
    let error = ModelText::load(folder.path(), Architecture::Llama, &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("chat_template.jinja is not UTF-8; fetch it again, or save it as UTF-8"),
        "{error}"
    );
}

/// Opening a pipe would wait for its writer without end.
#[test]
fn a_pipe_is_no_file() {
    let folder = folder(&[]);
    let path = folder.path().join("tokenizer_config.json");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error =
        crate::serve::chain(&ModelText::load(folder.path(), Architecture::Llama, &[]).unwrap_err());
    assert!(
        error.ends_with(
            "tokenizer_config.json: a pipe is there, not a regular file; put the file itself there"
        ),
        "{error}"
    );
}

#[test]
fn a_tokenizer_is_needed() {
    let empty = tempfile::tempdir().unwrap();
    let error = ModelText::load(empty.path(), Architecture::Llama, &[]).unwrap_err();
    assert!(matches!(error, TextError::NoTokenizer { .. }));
}
