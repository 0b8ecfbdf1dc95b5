//! `program`: what lies in the store and who uses it; what nobody uses goes, and nothing else.
use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

/// Who uses each program, ordered.
fn used(lab: &Lab) -> Vec<String> {
    let said = run(lab, &["list", "-o", "json"], 0);
    let said: Value = serde_json::from_str(&said).unwrap();
    let programs = said["programs"].as_array().unwrap().iter();
    let mut by: Vec<String> = programs
        .map(|program| {
            assert!(program["bytes"].as_u64() > Some(0), "{program}");
            let used = program["lastUsed"].as_str().unwrap();
            assert!(used.starts_with("20") && used.ends_with('Z'), "{used}");
            let of = program["by"].as_str().unwrap_or_default();
            format!("{} {of}", program["use"].as_str().unwrap())
        })
        .collect();
    by.sort();
    by
}

/// What `program` says.
fn run(lab: &Lab, arguments: &[&str], code: i32) -> String {
    let place = ["--rack", "rack.yaml", "--state-dir", "state"];
    let arguments = [&["program"], arguments, &place].concat();
    lab.plain(&arguments).expect(code).stdout
}

const DECLARED: &str = "declared ShardedModel/default/tiny";

#[test]
fn what_nobody_uses_goes_and_nothing_else() {
    let lab = Lab::new();
    assert_eq!(run(&lab, &["list"], 0), "No programs.\n");
    let nothing = "Every program is used; nothing to remove.\n";
    assert_eq!(run(&lab, &["prune"], 0), nothing);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert_eq!(used(&lab), [DECLARED]);
    assert_eq!(run(&lab, &["prune"], 0), nothing);
    lab.edit("declared/model.yaml", "slots: 1", "slots: 2");
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert_eq!(used(&lab), [DECLARED, "nobody "]);
    let list = run(&lab, &["list"], 0);
    assert!(
        list.contains("2 programs, 14 B; `shardplane program prune` removes 1 of them, 7 B"),
        "{list}"
    );
    // What -f declares stays, too.
    fs::create_dir(lab.path("other")).unwrap();
    for name in ["group.yaml", "model.yaml"] {
        let text = fs::read_to_string(lab.path("declared").join(name)).unwrap();
        let text = text
            .replace("slots: 2", "slots: 1")
            .replace("path: tiny", "path: ../declared/tiny");
        fs::write(lab.path("other").join(name), text).unwrap();
    }
    assert_eq!(run(&lab, &["prune", "-f", "other"], 0), nothing);
    let would = run(&lab, &["prune", "--dry-run"], 0);
    assert!(would.ends_with("Would remove 1 program, 7 B.\n"), "{would}");
    assert_eq!(used(&lab).len(), 2);
    let removed = run(&lab, &["prune"], 0);
    assert_eq!(removed, would.replace("Would remove", "Removed"));
    assert_eq!(used(&lab), [DECLARED]);
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(used(&lab), ["nobody "]);
    // As a build leaves it that was killed.
    fs::create_dir(lab.path("state/programs/.building-b3-0")).unwrap();
    run(&lab, &["prune"], 0);
    assert_eq!(run(&lab, &["list"], 0), "No programs.\n");
    assert_eq!(fs::read_dir(lab.path("state/programs")).unwrap().count(), 0);
}

#[test]
fn where_it_cannot_be_told_what_is_needed_all_stays() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    // Another model lies there by now, which nobody has read.
    let config = lab.path("declared/tiny/config.json");
    fs::write(config, "{ \"model_type\": \"llama\", \"other\": 1 }").unwrap();
    assert_eq!(used(&lab), ["untold ShardedModel/default/tiny"]);
    let said = run(&lab, &["prune"], 0);
    assert_eq!(said, "Every program is used; nothing to remove.\n");
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert_eq!(used(&lab), [DECLARED, "nobody "]);
}

#[test]
fn a_running_up_removes_what_it_does_not_serve() {
    let lab = Lab::new();
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    assert_eq!(used(&lab), ["served default/tiny-0"]);
    lab.edit("declared/model.yaml", "slots: 1", "slots: 2");
    up.hears("replacing worker default/tiny-0");
    up.hears("serves on");
    assert_eq!(used(&lab), ["nobody ", "served default/tiny-0"]);
    let removed = run(&lab, &["prune"], 0);
    assert!(removed.ends_with("Removed 1 program, 7 B.\n"), "{removed}");
    assert_eq!(used(&lab), ["served default/tiny-0"]);
    assert_eq!(workers(&lab).len(), 1);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
    assert_eq!(used(&lab), [DECLARED]);
}
