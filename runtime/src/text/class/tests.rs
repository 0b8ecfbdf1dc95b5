//! Ids, texts and names as transformers has them, for every class and option (`tests/numerics/tokenizer_classes.py`).

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::text::{ModelText, SpecialTokens, TextError, TextStream};

fn recorded() -> Value {
    serde_json::from_str(include_str!("recorded.json")).unwrap()
}

/// A folder with such a tokenizer and such files, and the family of its model.
fn folder(tokenizer: &Value, files: &Value) -> (TempDir, Architecture) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &Value| {
        fs::write(folder.path().join(name), content.to_string()).unwrap();
    };
    write("tokenizer.json", tokenizer);
    for (name, content) in files.as_object().unwrap() {
        write(name, content);
    }
    let family = match files["config.json"]["model_type"].as_str().unwrap() {
        "llama" => Architecture::Llama,
        "mistral" => Architecture::Mistral,
        "qwen2" => Architecture::Qwen2,
        "qwen3" => Architecture::Qwen3,
        other => panic!("{other}"),
    };
    (folder, family)
}

fn spell(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// What differs in one case, each as text for people.
fn differences(file: &Value, case: &Value) -> Vec<String> {
    let (folder, family) = folder(
        &file["tokenizers"][case["tokenizer"].as_str().unwrap()],
        &case["files"],
    );
    let model = ModelText::load(folder.path(), family, &[]).unwrap();
    let vocabulary = &model.vocabulary;
    let mut differ = Vec::new();
    let mut compare = |what: &str, found: &str, expected: &Value| {
        if Some(found) != expected.as_str() {
            differ.push(format!("{what}: {found:?}, expected {expected}"));
        }
    };
    compare(
        "class",
        vocabulary.class().name().unwrap_or("TokenizersBackend"),
        &case["class"],
    );
    let texts = file["texts"].as_array().unwrap();
    for (at, text) in texts.iter().map(|text| text.as_str().unwrap()).enumerate() {
        for (special, recorded) in [
            (SpecialTokens::Add, "around"),
            (SpecialTokens::Present, "bare"),
        ] {
            let ids = vocabulary.encode(text, special).unwrap();
            compare(
                &format!("{recorded} {text:?}"),
                &spell(&ids),
                &case[recorded][at],
            );
            let mut budget = vocabulary.budget(ids.len() as u32);
            assert!(budget.spend(text).is_ok(), "{text:?}");
        }
    }
    for row in case["decoded"].as_array().unwrap() {
        let spelt = row[0].as_str().unwrap();
        let ids: Vec<u32> = spelt.split(' ').map(|id| id.parse().unwrap()).collect();
        compare(spelt, &vocabulary.decode(&ids).unwrap(), &row[1]);
        let mut stream = TextStream::new();
        let mut text = String::new();
        for id in ids {
            text += &stream.push(id, vocabulary).unwrap();
        }
        text += &stream.finish(vocabulary).unwrap();
        compare(&format!("{spelt} as it comes"), &text, &row[1]);
    }
    differ
}

#[test]
fn ids_and_texts_are_what_transformers_has() {
    let file = recorded();
    for case in file["cases"].as_array().unwrap() {
        let differ = differences(&file, case);
        assert!(
            differ.is_empty(),
            "{} {}: {} differ\n{}",
            case["tokenizer"],
            case["files"],
            differ.len(),
            differ[..differ.len().min(12)].join("\n")
        );
    }
}

/// A template is given the names that the class knows, too.
#[test]
fn names_are_what_transformers_gives_a_template() {
    let file = recorded();
    for case in file["cases"].as_array().unwrap() {
        let (folder, family) = folder(
            &file["tokenizers"][case["tokenizer"].as_str().unwrap()],
            &case["files"],
        );
        let files = crate::text::tokens::Files::read(folder.path()).unwrap();
        let (_, tokens) = crate::text::Vocabulary::load(folder.path(), family, &files).unwrap();
        let names: Map<String, Value> = tokens
            .names()
            .map(|(name, token)| (name.to_owned(), token.into()))
            .collect();
        assert_eq!(Value::from(names), case["names"], "{}", case["files"]);
    }
}

#[test]
fn a_class_that_is_not_implemented_is_refused_by_name() {
    let file = recorded();
    let others: Vec<&str> = file["others"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(OTHERS, others);
    let refused = |kind: &str, config: &Value, tokenizer: &str| {
        let files = json!({"config.json": {"model_type": kind}, "tokenizer_config.json": config});
        let (folder, family) = folder(&file["tokenizers"][tokenizer], &files);
        match ModelText::load(folder.path(), family, &[]) {
            Err(TextError::Tokenizing { key, detail, .. }) => Some((key, detail)),
            Err(error) => panic!("{error}"),
            Ok(_) => None,
        }
    };
    let gemma = json!({"tokenizer_class": "GemmaTokenizerFast"});
    let (key, detail) = refused("llama", &gemma, "pieces").unwrap();
    assert_eq!(key, "tokenizer_class");
    assert_eq!(
        detail,
        " to GemmaTokenizerFast, which makes a tokenizer in a way of its own that is not implemented; set it to \
         `TokenizersBackend` to go by tokenizer.json as it is written"
    );
    for (kind, config, key) in [
        ("qwen3", gemma.clone(), Some("tokenizer_class")),
        // Whatever these two families name, transformers goes by the family.
        ("qwen2", gemma.clone(), None),
        ("mistral", gemma, None),
        (
            "llama",
            json!({"auto_map": {"AutoTokenizer": ["a.B", null]}}),
            Some("auto_map"),
        ),
        ("llama", json!({"auto_map": {"AutoModel": "a.B"}}), None),
        (
            "llama",
            json!({"fast_tokenizer_files": ["tokenizer.json", "tokenizer.4.9.json"]}),
            Some("fast_tokenizer_files"),
        ),
        (
            "llama",
            json!({"fast_tokenizer_files": ["tokenizer.json"]}),
            None,
        ),
        ("llama", json!({"fix_mistral_regex": true}), None),
        (
            "mistral",
            json!({"fix_mistral_regex": true}),
            Some("fix_mistral_regex"),
        ),
        ("llama", json!({"clean_up_tokenization_spaces": true}), None),
        (
            "llama",
            json!({"clean_up_tokenization_spaces": true,
            "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": true}),
            Some("clean_up_tokenization_spaces"),
        ),
    ] {
        let found = refused(kind, &config, "letters").map(|(key, _)| key);
        assert_eq!(found, key, "{kind} {config}");
    }
}

#[test]
fn a_class_of_pairs_takes_no_other_model() {
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
    });
    let files = json!({"config.json": {"model_type": "qwen2"}});
    let (folder, family) = folder(&tokenizer, &files);
    let error = ModelText::load(folder.path(), family, &[]).unwrap_err();
    assert!(
        error.to_string().contains(
            "tokenizer.json sets `model` to another type than BPE, and Qwen2Tokenizer, by which transformers"
        ),
        "{error}"
    );
}

/// A class knows of tokens that a model was never shown; that is no mistake of the files.
#[test]
fn a_model_needs_no_row_for_what_only_the_class_knows() {
    let file = recorded();
    let files = json!({"config.json": {"model_type": "qwen2"}});
    let (folder, family) = folder(&file["tokenizers"]["pieces"], &files);
    let vocabulary = ModelText::load(folder.path(), family, &[])
        .unwrap()
        .vocabulary;
    let rows = vocabulary.size() as u32;
    assert_eq!(vocabulary.id("<|endoftext|>"), Some(rows - 1));
    assert!(vocabulary.fits(rows - 1).is_ok());
    assert!(vocabulary.fits(rows - 2).is_err());
}
