//! A store names programs by their keys: one that is damaged there is built anew, and nothing else is ever replaced.

use std::fs::{self, OpenOptions};
use std::path::Path;

use runtime::program::{BuildOutcome, BuildRequest, Program, build};
use tempfile::TempDir;

use crate::programs::{checkpoint, request};
use crate::support::chain;

const KEY: &str = "b3:0123";

/// The first file whose name begins so.
fn file(program: &Path, begins: &str) -> std::path::PathBuf {
    let mut entries = fs::read_dir(program).expect("a folder").flatten();
    let named = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(begins);
    entries.find(named).expect("such a file").path()
}

/// Does something to a program's files.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 7] = [
    ("a slice cut short", |program| {
        let slice = OpenOptions::new().write(true).open(file(program, "slice"));
        slice.expect("a slice").set_len(100).expect("cut");
    }),
    ("a slice with another byte", |program| {
        let slice = file(program, "slice");
        let mut bytes = fs::read(&slice).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&slice, bytes).expect("write");
    }),
    ("a slice that is gone", |program| {
        fs::remove_file(file(program, "slice")).expect("remove");
    }),
    ("a copy that is changed", |program| {
        fs::write(program.join("tokenizer.json"), "[1]").expect("write");
    }),
    ("a manifest cut short", |program| {
        let manifest = OpenOptions::new()
            .write(true)
            .open(program.join("program.json"));
        manifest.expect("a manifest").set_len(20).expect("cut");
    }),
    ("a manifest that is gone", |program| {
        fs::remove_file(program.join("program.json")).expect("remove");
    }),
    ("a program of another version", |program| {
        let manifest = program.join("program.json");
        let text = fs::read_to_string(&manifest).expect("read");
        let other = text.replacen("\"packFormat\": 1", "\"packFormat\": 0", 1);
        assert_ne!(other, text);
        fs::write(manifest, other).expect("write");
    }),
];

#[test]
fn what_is_damaged_under_its_key_is_built_anew() {
    let checkpoint = checkpoint();
    for (name, damage) in DAMAGES {
        let store = TempDir::new().expect("a folder");
        for (place, own) in [("b3-0123", true), ("program", false)] {
            let out = store.path().join(place);
            let wanted = BuildRequest {
                key: Some(KEY),
                ..request(checkpoint.path(), &out)
            };
            build(&wanted).expect(name);
            damage(&out);
            let again = build(&wanted);
            if own {
                assert_eq!(again.expect(name).outcome, BuildOutcome::Fresh, "{name}");
                let program = Program::open(&out).expect(name);
                program.verify().expect(name);
            } else {
                let error = chain(&again.expect_err(name));
                assert!(error.contains("is taken"), "{name}: {error}");
            }
        }
        // Nothing is left of the old one.
        assert_eq!(
            fs::read_dir(store.path()).expect("a folder").count(),
            2,
            "{name}"
        );
    }
}

#[test]
fn nothing_but_a_damaged_program_is_replaced() {
    let checkpoint = checkpoint();
    let store = TempDir::new().expect("a folder");
    let out = store.path().join("b3-0123");
    let wanted = BuildRequest {
        key: Some(KEY),
        ..request(checkpoint.path(), &out)
    };
    fs::create_dir(&out).expect("a folder");
    fs::write(out.join("notes.txt"), "mine").expect("write");
    // Alone, and beside what a program has too.
    for other in ["notes.txt", "tokenizer.json", "slice-0.bin"] {
        fs::write(out.join(other), "mine").expect("write");
        let error = chain(&build(&wanted).expect_err(other));
        assert!(error.contains("is not a program"), "{error}");
        let notes = fs::read_to_string(out.join("notes.txt"));
        assert_eq!(notes.expect("kept"), "mine");
    }
}
