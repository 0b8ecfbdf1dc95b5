//! Programs for target AI100, and what a virtual rack leaves in their place: told apart from what is no program.

use std::fs;

use crate::command::{text, worker};

/// What `serve` and `inspect` say of a path below a program of such content.
fn said(content: &str, named: &str) -> [(Option<i32>, String); 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let container = folder.path().join("qpc/programqpc.bin");
    fs::create_dir(folder.path().join("qpc")).expect("a folder");
    fs::write(container, content).expect("a container");
    let path = folder.path().join(named);
    [&["serve", "--program"][..], &["inspect"]].map(|arguments| {
        let output = worker(arguments).arg(&path).output().expect("a run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said.replace(text(folder.path()), "P"))
    })
}

#[test]
fn a_program_for_cards_is_told_and_what_to_do() {
    const HINT: &str = "\nhint: declare `target: CPU`, or make one of the checkpoint: ";
    for (content, what) in [
        (
            "\u{0}QPC",
            "is a program for target AI100: cards run it, and this worker serves programs for target CPU alone",
        ),
        (
            "SHARDPLANE-RACK-COMPILER-DOUBLE\n{}\n",
            "is what a virtual rack's compiler leaves for target AI100: a marker in the place of a program, which nobody \
             can serve, and this worker serves programs for target CPU alone",
        ),
    ] {
        for named in ["", "qpc", "qpc/programqpc.bin"] {
            for (code, said) in said(content, named) {
                assert_eq!(code, Some(65), "{said}");
                let words = format!("error: P/{named} {what}{HINT}");
                assert!(said.starts_with(&words), "{said}");
            }
        }
    }
}
