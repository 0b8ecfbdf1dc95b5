//! The command as people run it by mistake: exit codes and sentences.

use std::fs;
use std::path::Path;
use std::process::Output;

use runtime::program::Precision;
use serde_json::json;

use crate::command::{speaking, text, worker};
use crate::support::{ODD, Recipe, Sizes, program};

#[test]
fn every_mistake_has_its_exit_code_and_its_sentence() {
    let checkpoint = speaking();
    let (folder, built) = program(checkpoint.path(), 1, Precision::F32);
    let (checkpoint, built) = (text(checkpoint.path()), text(built.directory()));
    let nowhere = folder.path().join("nowhere");
    let deep = nowhere.join("deep");
    let (nowhere, deep) = (text(&nowhere), text(&deep));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let mute = Recipe::new("llama", ODD, json!({})).write();
    fs::remove_file(mute.path().join("tokenizer.json")).expect("remove");
    let mute = text(mute.path());
    let wordless = Recipe::new("llama", ODD, json!({})).write();
    let wordless = text(wordless.path());
    let rows: &[(&[&str], i32, &str)] = &[
        (&["--version"], 0, ""),
        (&["toolchain", "-o", "json"], 0, ""),
        (&["inspect", checkpoint, "--shards", "2"], 0, ""),
        (&["inspect", built, "-o", "json"], 0, ""),
        (&[], 64, "Usage"),
        (&["frobnicate"], 64, "frobnicate"),
        (&["build", "--checkpoint", checkpoint], 64, "--out"),
        (
            &["serve", "--program", built, "--listen", "nowhere"],
            64,
            "socket address",
        ),
        (
            &[
                "generate",
                "--program",
                built,
                "--prompt",
                "w1",
                "--temperature",
                "9",
            ],
            64,
            "temperature",
        ),
        (
            &["generate", "--program", built, "--prompt", "w1", "--chat"],
            64,
            "no chat template",
        ),
        (
            &[
                "build",
                "--checkpoint",
                checkpoint,
                "--out",
                nowhere,
                "--shards",
                "99",
            ],
            64,
            "99 shards",
        ),
        (
            &["serve", "--program", checkpoint],
            65,
            "hint: this folder is a checkpoint",
        ),
        (
            &[
                "build",
                "--checkpoint",
                mute,
                "--out",
                nowhere,
                "--shards",
                "1",
            ],
            66,
            "tokenizer.json is missing",
        ),
        (
            &[
                "build",
                "--checkpoint",
                wordless,
                "--out",
                nowhere,
                "--shards",
                "1",
            ],
            65,
            "does not describe a tokenizer; fetch it again",
        ),
        (
            &["serve", "--program", built, "--instruction-set", "sse"],
            64,
            "possible values: best, avx512, avx2, portable",
        ),
        (&["serve", "--program", nowhere], 66, "nowhere"),
        (&["inspect", nowhere], 66, "not a folder"),
        (
            &[
                "build",
                "--checkpoint",
                nowhere,
                "--out",
                deep,
                "--shards",
                "1",
            ],
            66,
            "not a folder",
        ),
        (
            &["serve", "--program", built, "--listen", &taken],
            69,
            "Address already in use",
        ),
        (
            &[
                "build",
                "--checkpoint",
                checkpoint,
                "--out",
                deep,
                "--shards",
                "1",
            ],
            73,
            "does not exist",
        ),
        (
            &[
                "build",
                "--checkpoint",
                checkpoint,
                "--out",
                "/proc/program",
                "--shards",
                "1",
            ],
            73,
            "takes no files; choose a folder on a disk",
        ),
        // The place is looked at before the tokenizer and the weights are.
        (
            &[
                "build",
                "--checkpoint",
                mute,
                "--out",
                deep,
                "--shards",
                "1",
            ],
            73,
            "does not exist",
        ),
    ];
    for (arguments, code, says) in rows {
        let Output {
            status,
            stdout: _,
            stderr,
        } = worker(arguments).output().expect("a run");
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(*code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_program_that_was_changed_is_bad_input_whatever_was_changed() {
    let checkpoint = speaking();
    let check = |change: &dyn Fn(&Path), code: i32, says: &[&str]| {
        let (_folder, built) = program(checkpoint.path(), 2, Precision::F32);
        change(built.directory());
        let serve = ["serve", "--program", text(built.directory())];
        let ended = worker(&serve).output().expect("a run");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{said}");
        for says in says {
            assert!(said.contains(says), "no {says:?} in: {said}");
        }
        assert!(said.contains("build the program again"), "{said}");
    };
    let flip = |program: &Path| {
        let slice = program.join("slice-1.bin");
        let mut bytes = fs::read(&slice).expect("a slice");
        bytes[999] ^= 1;
        fs::write(slice, bytes).expect("a slice");
    };
    let cut = |program: &Path| {
        let slice = fs::OpenOptions::new()
            .write(true)
            .open(program.join("slice-1.bin"))
            .expect("a slice");
        slice.set_len(999).expect("a shorter slice");
    };
    let lose = |program: &Path| fs::remove_file(program.join("tokenizer.json")).expect("a file");
    check(
        &flip,
        65,
        &[
            "slice-1.bin has hash",
            "the manifest says",
            "the file was changed",
        ],
    );
    check(
        &cut,
        65,
        &[
            "slice-1.bin has 999 bytes",
            "the manifest says",
            "the file was changed",
        ],
    );
    check(
        &lose,
        66,
        &["tokenizer.json is missing: it turns text into tokens and back"],
    );
}

#[test]
fn inspect_says_what_a_precision_is_stated_to_lose() {
    let check = |layers: usize, says: &str| {
        let checkpoint = Recipe::new("llama", Sizes { layers, ..ODD }, json!({})).write();
        let inspect = ["inspect", text(checkpoint.path())];
        let told = worker(&inspect).output().expect("a run");
        let said = String::from_utf8_lossy(&told.stdout);
        let line = said.lines().find(|line| line.starts_with("as int4"));
        assert!(line.expect("a line").contains(says), "{said}");
    };
    check(1, "error below 0.800 of the logits' spread");
    check(8, "no bound is stated over 8 layers");
}

/// Other ids would be other answers: whose rules make them is told before anything is built, and what cannot be
/// followed is refused by the key.
#[test]
fn inspect_says_who_makes_tokens() {
    let checkpoint = speaking();
    let path = text(checkpoint.path());
    let told = |format: &str| {
        let told = worker(&["inspect", path, "-o", format])
            .output()
            .expect("a run");
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    assert!(
        told("text").contains("\ntokenizer    as tokenizer.json is written\n"),
        "{}",
        told("text")
    );
    assert!(
        told("json").contains("\"class\":\"TokenizersBackend\""),
        "{}",
        told("json")
    );
    let config = json!({"tokenizer_class": "GemmaTokenizer"}).to_string();
    fs::write(checkpoint.path().join("tokenizer_config.json"), config).expect("config");
    let refusal =
        "sets `tokenizer_class` to GemmaTokenizer, which makes a tokenizer in a way of its own";
    assert!(told("text").contains(refusal), "{}", told("text"));
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("program");
    let build = worker(&[
        "build",
        "--checkpoint",
        path,
        "--out",
        text(&out),
        "--shards",
        "1",
    ])
    .output()
    .expect("a run");
    assert_eq!(build.status.code(), Some(65));
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(said.contains(refusal), "{said}");
    assert!(!out.exists());
}

/// A template that nothing can be done with costs chat, not the model; `build` says so before anybody asks.
#[test]
fn a_template_that_cannot_be_used_is_told_by_build() {
    let checkpoint = speaking();
    // A filter of Jinja's own that is not there: it makes markup of addresses, which no prompt wants.
    let template = "{{ messages[0].content | urlize }}";
    fs::write(checkpoint.path().join("chat_template.jinja"), template).expect("template");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("program");
    let (checkpoint, out) = (text(checkpoint.path()), text(&out));
    let build = [
        "build",
        "--checkpoint",
        checkpoint,
        "--out",
        out,
        "--shards",
        "1",
    ];
    let built = worker(&build).output().expect("a run");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(
        said.contains("warning: chat requests will be refused, completions work: ")
            && said.contains("chat_template.jinja")
            && said.contains("urlize"),
        "{said}"
    );
    let chat = ["generate", "--program", out, "--prompt", "w1", "--chat"];
    let refused = worker(&chat).output().expect("a run");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(
        said.contains("does not render this conversation; use /v1/completions"),
        "{said}"
    );
    let plain = [
        "generate",
        "--program",
        out,
        "--prompt",
        "w1",
        "--max-tokens",
        "1",
    ];
    assert!(worker(&plain).output().expect("a run").status.success());
}

/// Whoever supervises a worker chose its port, and tells of it in words of its own.
#[test]
fn a_supervisor_is_told_that_nobody_can_listen() {
    let checkpoint = speaking();
    let (_folder, built) = program(checkpoint.path(), 1, Precision::F32);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("its address").to_string();
    let serve = [
        "serve",
        "--program",
        text(built.directory()),
        "--listen",
        &taken,
        "--supervised",
        "-o",
        "json",
    ];
    let ended = worker(&serve).output().expect("a run");
    assert_eq!(ended.status.code(), Some(69));
    let told: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("one line of JSON");
    assert_eq!(told["event"], "not-listening", "{told}");
    assert_eq!(told["address"], taken.as_str(), "{told}");
    let why = told["why"].as_str().expect("a reason");
    assert!(why.contains("Address already in use"), "{why}");
}
