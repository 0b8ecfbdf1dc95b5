//! The quickstart and the example racks through the real binaries: plan, apply, slice, serve, answer, put back.
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{binary, files, root};

/// Runs `shardplane` with a state directory of its own and gives its exit code, standard output and standard error.
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the command that it tests"
)]
fn shardplane(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(binary("shardplane"))
        .args(arguments)
        .arg("--state-dir")
        .arg(state)
        .current_dir(root())
        .output()
        .expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Runs it and expects an exit code.
#[track_caller]
pub fn expect(state: &Path, arguments: &[&str], code: i32) -> String {
    let (found, stdout, stderr) = shardplane(state, arguments);
    assert_eq!(found, code, "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// ACS words of every port and all settings of a probed snapshot: what `down` must put back exactly.
fn words(snapshot: &str) -> Vec<String> {
    let snapshot: Value = serde_json::from_str(snapshot).expect("a snapshot");
    let mut words: Vec<String> = snapshot["functions"]
        .as_array()
        .expect("functions")
        .iter()
        .map(|function| format!("{} {}", function["address"], function["acs"]["value"]))
        .collect();
    words.push(snapshot["settings"].to_string());
    words
}

/// What the model says to the quickstart's question, recorded beside the reference values.
fn answer() -> String {
    let recorded = fs::read_to_string(root().join("tests/numerics/tiny-guide.json"))
        .expect("reference values");
    let recorded: Value = serde_json::from_str(&recorded).expect("JSON");
    let mut found = None;
    let mut values = vec![&recorded];
    while let Some(value) = values.pop() {
        match value {
            Value::String(text) if text.starts_with("ACS, or Access Control Services") => {
                found = Some(text.clone());
            }
            Value::Array(items) => values.extend(items),
            Value::Object(map) => values.extend(map.values()),
            _ => {}
        }
    }
    found.expect("the answer is recorded")
}

const ASK: &str = "What does ACS do?";
const QUICKSTART: &str = "examples/quickstart";
const RACK: &str = "examples/quickstart/rack.yaml";

#[test]
fn the_quickstart_answers_and_goes_without_a_trace() {
    let state = TempDir::new().expect("a folder");
    let state = state.path();
    let before = expect(state, &["probe", "--rack", RACK, "-o", "json"], 0);
    let said = expect(
        state,
        &["up", "-f", QUICKSTART, "--rack", RACK, "--ask", ASK],
        0,
    );
    assert_eq!(said.trim(), answer());
    let during = expect(state, &["probe", "--rack", RACK, "-o", "json"], 0);
    assert_ne!(words(&before), words(&during));
    expect(
        state,
        &[
            "plan",
            "-f",
            QUICKSTART,
            "--rack",
            RACK,
            "--detailed-exitcode",
        ],
        0,
    );
    expect(state, &["down", "--rack", RACK], 0);
    let after = expect(state, &["probe", "--rack", RACK, "-o", "json"], 0);
    assert_eq!(words(&before), words(&after));
}

/// Copies the quickstart with one replacement in its model.
fn edited(from: &str, to: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for name in ["policy.yaml", "group.yaml", "model.yaml"] {
        let text = fs::read_to_string(root().join(QUICKSTART).join(name)).expect("the quickstart");
        let models = root().join("examples/models").display().to_string();
        let text = text.replace("../models", &models).replace(from, to);
        fs::write(folder.path().join(name), text).expect("a copy");
    }
    folder
}

#[test]
fn other_shard_counts_and_connectivities_say_the_same() {
    for (from, to) in [
        ("shards: 4", "shards: 3"),
        (
            "connectivity: P2P\n  groupRef: quad",
            "connectivity: ThroughHost",
        ),
        (
            "shards: 4\n  connectivity: P2P\n  groupRef: quad",
            "shards: 1\n  connectivity: ThroughHost",
        ),
    ] {
        let state = TempDir::new().expect("a folder");
        let declared = edited(from, to);
        let declared = declared.path().display().to_string();
        assert_eq!(
            expect(
                state.path(),
                &["up", "-f", &declared, "--rack", RACK, "--ask", ASK],
                0
            )
            .trim(),
            answer(),
            "{to}"
        );
    }
}

#[test]
fn a_question_that_is_too_long_is_told_in_words() {
    let state = TempDir::new().expect("a folder");
    let long = "What does ACS do? ".repeat(200);
    let asked = ["up", "-f", QUICKSTART, "--rack", RACK, "--ask", &long];
    let (code, stdout, stderr) = shardplane(state.path(), &asked);
    assert_eq!((code, stdout.as_str()), (64, ""), "{stderr}");
    for words in [
        "error: the question is too long for tiny-guide: this server's context is 256 tokens",
        "help: say less with --ask, or declare a longer `spec.serving.contextLength` (examples/quickstart/model.yaml:15:",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[test]
fn every_example_rack_plans_applies_and_rests() {
    let racks = files("examples/racks", &[".yaml"]);
    assert!(racks.len() >= 5, "{racks:?}");
    for rack in racks {
        let state = TempDir::new().expect("a folder");
        let (state, rack) = (state.path(), rack.display().to_string());
        let place = ["-f", QUICKSTART, "--rack", &rack];
        let plan = |more: &[&str]| {
            let (code, stdout, _) = shardplane(state, &[&["plan"], &place[..], more].concat());
            (code, stdout)
        };
        let (_, document) = plan(&["-o", "json"]);
        let (_, again) = plan(&["-o", "json"]);
        assert_eq!(
            document, again,
            "{rack}: two plans over the same inputs differ"
        );
        let document: Value = serde_json::from_str(&document).expect("a plan");
        let runs = document["applyable"].as_bool().expect("applyable");
        let blocked = document["summary"]["blocked"].as_u64().expect("blocked") > 0;
        assert_eq!(
            plan(&["--detailed-exitcode"]).0,
            if runs { 2 } else { 0 },
            "{rack}"
        );
        expect(
            state,
            &[&["apply"], &place[..], &["--yes"]].concat(),
            if blocked { 12 } else { 0 },
        );
        assert_eq!(
            plan(&["--detailed-exitcode"]).0,
            0,
            "{rack}: applied and not at rest"
        );
    }
}

/// The same declaration from another folder, with a comment: places differ, the digest stays.
#[test]
fn a_moved_folder_keeps_the_digest() {
    let state = TempDir::new().expect("a folder");
    let digest = |declared: &str| {
        let document = expect(
            state.path(),
            &["plan", "-f", declared, "--rack", RACK, "-o", "json"],
            0,
        );
        let document: Value = serde_json::from_str(&document).expect("a plan");
        document["digest"].clone()
    };
    let moved = edited("spec:", "# A comment.\nspec:");
    assert_eq!(
        digest(QUICKSTART),
        digest(&moved.path().display().to_string())
    );
}
