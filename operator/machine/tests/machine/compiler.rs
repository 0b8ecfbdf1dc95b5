//! The compiler double: it keeps a record of each call, leaves a marker that is no program, and refuses what the real one does.
use std::{fs, time::Duration};

use machine::{Invocation, ToolError, ToolOutput, rack::COMPILER_MARKER};

use crate::room::{Room, TWO_ULTRA};

const COMPILER: &str = "/opt/qti-aic/exec/qaic-compile";

/// Compiles for a folder below `folder`; `change` may spoil the call first.
fn compile(
    room: &Room,
    folder: &std::path::Path,
    change: impl FnOnce(&mut Invocation),
) -> ToolOutput {
    let model = folder.join("model.onnx");
    fs::write(&model, "onnx").unwrap();
    let mut call = Invocation::new(
        COMPILER,
        &["-aic-hw", "-mdp-load-partition-config={dir}/mdp.json"],
        Duration::from_mins(1),
    );
    call.arguments.push(format!("-m={}", model.display()));
    call.arguments
        .push(format!("-aic-binary-dir={}", folder.join("qpc").display()));
    call.files = vec![("mdp.json".to_owned(), "{}".to_owned())];
    change(&mut call);
    room.machine().run(&call).unwrap()
}

#[test]
fn a_call_leaves_a_record_and_a_marker() {
    let room = Room::of(TWO_ULTRA);
    let folder = tempfile::tempdir().unwrap();
    let output = compile(&room, folder.path(), |_| {});
    assert_eq!(output.status, Some(0), "{output:?}");
    let marker = fs::read_to_string(folder.path().join("qpc/programqpc.bin")).unwrap();
    assert!(marker.starts_with(COMPILER_MARKER));
    let record = room
        .state
        .path()
        .join("room/aic-01/rack/compiler-calls/0001.json");
    let record: serde_json::Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    assert_eq!(record["program"], COMPILER);
    assert_eq!(record["arguments"][0], "-aic-hw");
    assert_eq!(record["files"][0]["text"], "{}");
}

#[test]
fn what_the_real_one_refuses_is_refused() {
    type Spoil = fn(&mut Invocation);
    let cases: [(&str, Spoil, &str); 4] = [
        (
            "no model",
            |call| {
                call.arguments
                    .retain(|argument| !argument.starts_with("-m="));
            },
            "usage",
        ),
        (
            "a model that is not there",
            |call| call.arguments.insert(0, "-m=/nowhere.onnx".to_owned()),
            "Unable to open",
        ),
        (
            "a config that is no JSON",
            |call| call.files[0].1 = "{".to_owned(),
            "-mdp-load-partition-config",
        ),
        (
            "a config that is not there",
            |call| call.files.clear(),
            "-mdp-load-partition-config",
        ),
    ];
    let room = Room::of(TWO_ULTRA);
    for (name, spoil, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        let output = compile(&room, folder.path(), spoil);
        assert_eq!(output.status, Some(255), "{name}");
        assert!(output.stderr.contains(says), "{name}: {}", output.stderr);
        assert!(!folder.path().join("qpc").exists(), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("qpc")).unwrap();
    assert!(
        compile(&room, folder.path(), |_| {})
            .stderr
            .contains("already exists")
    );
}

#[test]
fn each_sdk_has_one_compiler() {
    let room = Room::of(TWO_ULTRA);
    let old = Invocation::new("/opt/qti-aic/exec/qaic-exec", &[], Duration::from_secs(1));
    assert!(matches!(
        room.machine().run(&old),
        Err(ToolError::Missing { .. })
    ));
    let mut nested = Invocation::new(COMPILER, &[], Duration::from_mins(1));
    nested.files = vec![("../escape".to_owned(), String::new())];
    assert!(matches!(
        room.machine().run(&nested),
        Err(ToolError::Start { .. })
    ));
}
