//! What a virtual rack's compiler leaves, as the worker that is asked to serve it sees it.
use std::{fs, process::Command};

use tempfile::TempDir;
use tests::{binary, root};

use crate::quickstart::expect;

const BUILD: &str = "apiVersion: shardplane.dev/v1alpha1
kind: ModelBuild
metadata: {name: onnx, namespace: default}
spec:
  source: {path: model.onnx}
  target: AI100
  precision: Mxfp6
  topology: {shards: 4, cores: 16, connectivity: P2P}
  shapes: {promptLength: 32, contextLength: 128, batch: 1}
";

#[test]
fn the_worker_knows_what_a_racks_compiler_leaves() {
    let (state, declared) = (TempDir::new(), TempDir::new());
    let (state, declared) = (state.expect("a folder"), declared.expect("a folder"));
    fs::write(declared.path().join("build.yaml"), BUILD).expect("a build");
    fs::write(declared.path().join("model.onnx"), "onnx").expect("a model");
    for name in ["policy.yaml", "group.yaml"] {
        let text = root().join("examples/quickstart").join(name);
        fs::copy(text, declared.path().join(name)).expect("a copy");
    }
    let rack = "examples/quickstart/rack.yaml";
    let files = declared.path().display().to_string();
    expect(state.path(), &["apply", "-f", &files, "--rack", rack], 0);
    let mut programs = fs::read_dir(state.path().join("programs")).expect("programs");
    let program = programs
        .find_map(|entry| {
            entry
                .ok()
                .map(|entry| entry.path())
                .filter(|path| path.is_dir())
        })
        .expect("a program");
    for verb in [&["serve", "--program"][..], &["inspect"]] {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test starts the command that it tests"
        )]
        let output = Command::new(binary("shardplane-worker"))
            .args(verb)
            .arg(&program)
            .output()
            .expect("the command starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(
            said.contains("is what a virtual rack's compiler leaves for target AI100"),
            "{said}"
        );
    }
}
