//! A program for target AI100: the rack's compiler double is called as the real one would be.
use std::fs;

use serde_json::Value;

use crate::lab::Lab;

/// Builds on this SDK; gives the double's record of the call.
fn check(sdk: &str, connectivity: &str, program: &str, flag: &str, connections: Option<&str>) {
    let lab = Lab::new();
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let server = rack
        .lines()
        .find(|line| line.trim_start().starts_with("- name:"));
    let server = server.unwrap();
    let indent = server.find('-').unwrap() + 2;
    let with = format!("{server}\n{:indent$}sdk: {{ platform: \"{sdk}\" }}", "");
    fs::write(lab.path("rack.yaml"), rack.replacen(server, &with, 1)).unwrap();
    fs::write(lab.path("model.onnx"), "onnx").unwrap();
    fs::write(
        lab.path("declared/build.yaml"),
        format!(
            "apiVersion: shardplane.dev/v1alpha1\nkind: ModelBuild\nmetadata: {{name: onnx, namespace: default}}\nspec:\n  source: {{path: ../model.onnx}}\n  target: AI100\n  precision: Mxfp6\n  topology: {{shards: 2, cores: 16, connectivity: {connectivity}}}\n  shapes: {{promptLength: 32, contextLength: 128, batch: 1}}\n"
        ),
    )
    .unwrap();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let folders = glob(&lab.path("state"));
    let record: Value = serde_json::from_slice(&fs::read(&folders).unwrap()).unwrap();
    assert_eq!(record["program"], program);
    let arguments: Vec<&str> = (record["arguments"].as_array().unwrap().iter())
        .filter_map(Value::as_str)
        .collect();
    assert!(arguments.contains(&flag), "{arguments:?}");
    let config = (record["files"].as_array().unwrap().iter())
        .find(|file| file["name"] == "mdp_ts_2.json")
        .unwrap();
    let config: Value = serde_json::from_str(config["text"].as_str().unwrap()).unwrap();
    assert_eq!(
        config
            .pointer("/connections/0/type")
            .and_then(Value::as_str),
        connections
    );
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(0);
}

/// The one record of a compiler's call below a folder.
fn glob(folder: &std::path::Path) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("compiler-calls/0001.json") {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("the compiler was never called")
}

/// An exit code of 0 is no program.
#[test]
fn a_compiler_that_leaves_nothing_has_built_nothing() {
    let lab = Lab::new();
    fs::write(lab.path("model.onnx"), "onnx").unwrap();
    fs::write(
        lab.path("declared/build.yaml"),
        "apiVersion: shardplane.dev/v1alpha1\nkind: ModelBuild\nmetadata: {name: onnx, namespace: default}\nspec:\n  source: {path: ../model.onnx}\n  target: AI100\n  precision: Mxfp6\n  topology: {shards: 2, cores: 16, connectivity: P2P}\n  shapes: {promptLength: 32, contextLength: 128, batch: 1}\n",
    )
    .unwrap();
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let server = rack
        .lines()
        .find(|line| line.trim_start().starts_with("- name:"))
        .unwrap();
    let indent = server.find('-').unwrap() + 2;
    let with = format!(
        "{server}\n{:indent$}faults: [\"tool-idle:qaic-compile\"]",
        ""
    );
    fs::write(lab.path("rack.yaml"), rack.replacen(server, &with, 1)).unwrap();
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(69);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("left no programqpc.bin"), "{said}");
}

#[test]
fn each_sdk_is_called_in_its_own_dialect() {
    let (new, old) = (
        "/opt/qti-aic/exec/qaic-compile",
        "/opt/qti-aic/exec/qaic-exec",
    );
    check("1.21.0", "P2P", new, "-aic-hw-version=ai100", Some("p2p"));
    check("1.19.0", "ThroughHost", old, "-compile-only", None);
}
