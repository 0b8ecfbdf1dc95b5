//! A tokenizer that makes ids beyond the model's rows: refused when the program is built and when it is loaded.

use std::fs;
use std::path::Path;
use std::process::Command;

use runtime::program::Precision;
use serde_json::{Map, Value, json};

use crate::support::{ODD, Recipe, program};

/// Writes a tokenizer with ids `0..words` and one added token beyond them.
fn tokenizer(folder: &Path, words: usize) {
    let vocab: Map<String, Value> = (0..words).map(|id| (format!("w{id}"), json!(id))).collect();
    let added = json!({"id": words, "content": "<|added|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true});
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [added], "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).expect("tokenizer");
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested is the command, as a process"
    )]
    let output = Command::new(env!("CARGO_BIN_EXE_shardplane-worker"))
        .args(arguments)
        .output()
        .expect("a run");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_token_without_a_row_is_refused_with_the_numbers() {
    let checkpoint = Recipe::new("llama", ODD, json!({})).write();
    let source = checkpoint.path().to_str().expect("a path in UTF-8");
    let out = tempfile::tempdir().expect("a folder");
    let out = out.path().join("program");
    let out = out.to_str().expect("a path in UTF-8");
    let build = [
        "build",
        "--checkpoint",
        source,
        "--out",
        out,
        "--shards",
        "1",
    ];
    let beyond = format!(
        "makes token ids up to {} (`<|added|>`), and the model's vocabulary has {} rows",
        ODD.vocab, ODD.vocab
    );

    tokenizer(checkpoint.path(), ODD.vocab);
    let (code, said) = run(&build);
    assert!(
        code == Some(65) && said.contains(&beyond),
        "{code:?} {said}"
    );
    assert!(!Path::new(out).exists(), "nothing is left behind");

    let (_folder, built) = program(checkpoint.path(), 1, Precision::F32);
    let directory = built.directory().to_str().expect("a path in UTF-8");
    for verb in [
        &["generate", "--program", directory, "--prompt", "w1"][..],
        &["serve", "--program", directory, "--listen", "127.0.0.1:0"],
    ] {
        let (code, said) = run(verb);
        assert!(
            code == Some(65) && said.contains(&beyond),
            "{code:?} {said}"
        );
    }

    tokenizer(checkpoint.path(), ODD.vocab - 1);
    let (code, said) = run(&build);
    assert_eq!(code, Some(0), "{said}");
}
