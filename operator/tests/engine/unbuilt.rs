//! A model that cannot be built beside one that can: the other starts, restarts, changes and stops as if it were alone.
use std::fs;

use serde_json::Value;

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

/// A second model, which comes first by name and holds nothing.
const AILING: &str = "\
apiVersion: shardplane.dev/v1alpha1
kind: ShardedModel
metadata:
  name: ailing
spec:
  model:
    path: ailing
  target: CPU
  precision: Bf16
  shards: 2
  connectivity: ThroughHost
  serving:
    contextLength: 64
    slots: 1
";

const TOLD: &str =
    "aic-01/program.build/default/ailing: building ShardedModel/default/ailing from ";

/// A laboratory with two models, one with a broken checkpoint.
pub fn lab() -> Lab {
    let lab = Lab::new();
    fs::create_dir(lab.path("declared/ailing")).unwrap();
    checkpoint(&lab, "truncated");
    fs::write(lab.path("declared/ailing.yaml"), AILING).unwrap();
    // Resets are watched, not waited for.
    lab.speed_up(200);
    lab
}

fn checkpoint(lab: &Lab, what: &str) {
    let config = lab.path("declared/ailing/config.json");
    fs::write(config, format!("{{\"is\": \"{what}\"}}")).unwrap();
}

fn edit(lab: &Lab, file: &str, from: &str, to: &str) {
    let path = lab.path("declared").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

fn status(lab: &Lab) -> Value {
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    serde_json::from_str(&status.stdout).unwrap()
}

fn names(lab: &Lab) -> Vec<Value> {
    let workers = workers(lab).into_iter();
    workers.map(|worker| worker["id"].clone()).collect()
}

#[test]
fn the_others_start_and_come_back_after_a_boot() {
    let lab = lab();
    // Nobody waits for this interval: what happens, happens at once.
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "300"]);
    let told = up.hears("worker default/tiny-0 serves on");
    let told: Vec<&String> = told.iter().filter(|line| line.contains(TOLD)).collect();
    assert!(
        matches!(told[..], [one] if one.contains("is truncated") && one.ends_with("; trying again in 300 s")),
        "{told:#?}"
    );
    let status = status(&lab);
    let trouble = &status["troubles"][0];
    let why = trouble["why"].as_str().unwrap();
    assert!(
        why.starts_with(TOLD) && why.contains("is truncated"),
        "{why}"
    );
    assert!(trouble["nextTry"].as_str().unwrap().ends_with('Z'));
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("the machine booted");
    // What failed before is tried last: the others need not wait until it fails again.
    let told = up.hears("starting worker default/tiny-0");
    let fails = |line: &String| line.contains(" as before");
    assert!(!told.iter().any(fails), "{told:#?}");
    let told = up.hears("ShardedModel/default/ailing: it failed as before; trying again in 600 s");
    assert!(
        !told.iter().any(|line| line.contains("blocked:")),
        "{told:#?}"
    );
    assert_eq!(names(&lab), ["default/tiny-0"]);
}

#[test]
fn the_others_change_and_stop_and_it_starts_when_it_is_mended_and_goes_on_when_it_breaks() {
    let lab = lab();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("worker default/tiny-0 serves on");
    edit(&lab, "model.yaml", "slots: 1", "slots: 2");
    up.hears("replacing worker default/tiny-0");
    up.hears("worker default/tiny-0 serves on");
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    up.hears("draining worker default/tiny-0");
    checkpoint(&lab, "whole");
    edit(&lab, "ailing.yaml", "slots: 1", "slots: 2");
    up.hears("worker default/ailing-0 serves on");
    assert_eq!(status(&lab)["troubles"], Value::Array(Vec::new()));
    let whole = workers(&lab);
    checkpoint(&lab, "truncated");
    up.hears(TOLD);
    assert_eq!(workers(&lab)[0]["pid"], whole[0]["pid"]);
    let plan = lab.run("state", &["status"]).expect(0);
    assert!(plan.stdout.contains("; next try at "), "{}", plan.stdout);
}

#[test]
fn one_that_is_declared_alone_is_tried_again_and_cards_are_as_declared() {
    let lab = lab();
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("; trying again in 1 s");
    assert_eq!(lab.registers("state").words["\"0000:24:00.0\""], "0x0011");
    checkpoint(&lab, "whole");
    up.hears("worker default/ailing-0 serves on");
}

#[test]
fn the_worker_binary_is_found_when_it_comes() {
    let lab = lab();
    let (here, away) = (lab.path("bin/shardplane-worker"), lab.path("bin/away"));
    fs::rename(&here, &away).unwrap();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("up: keeping it so");
    assert_eq!(lab.registers("state").words["\"0000:24:00.0\""], "0x0011");
    fs::rename(&away, &here).unwrap();
    up.hears("worker default/tiny-0 serves on");
}
