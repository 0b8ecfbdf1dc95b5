//! A step that fails holds up nothing that does not depend on it: drift elsewhere is put right, and others' models serve.
use std::{fs, path::Path};

use operator::supervise::process;
use serde_json::Value;

use crate::{
    lab::Lab,
    supervision::{PATIENCE, Up},
};

const FIRST: &str = "0000:24:00.0";

/// Two cards with a set of the group each, whose resets are watched and not waited for.
pub fn two_cards() -> Lab {
    let lab = Lab::new();
    lab.speed_up(1000);
    let card = "              - { slot: \"00.0\", card: { sku: Ultra } }";
    let other = card.replace("00.0", "01.0");
    edit(&lab.path("rack.yaml"), card, &format!("{card}\n{other}"));
    edit(&lab.path("declared/group.yaml"), "count: 1", "count: 2");
    lab
}

pub fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Targets of the planned steps of a kind, in their order.
pub fn planned(lab: &Lab, kind: &str) -> Vec<String> {
    let plan = lab.run("state", &["plan", "-f", "declared", "-o", "json"]);
    let plan: Value = serde_json::from_str(&plan.expect(0).stdout).unwrap();
    let steps = plan["nodes"][0]["steps"].as_array().unwrap();
    let ids = steps.iter().filter_map(|step| step["id"].as_str());
    let prefix = format!("aic-01/{kind}/");
    ids.filter_map(|id| Some(id.strip_prefix(&prefix)?.to_owned()))
        .collect()
}

/// Waits until a port's word or a setting reads so.
#[track_caller]
pub fn comes_to_read(lab: &Lab, name: &str, value: &str) {
    let words = || lab.registers("state").words;
    let port = format!("\"{name}\"");
    let reads = process::wait_for(PATIENCE, || {
        let words = words();
        let found = words.get(&port).or_else(|| words.get(name));
        found.is_some_and(|found| found == value)
    });
    assert!(reads, "{name} never read {value}: {:#?}", words());
}

/// Gives the rack a fault.
pub fn fault(lab: &Lab, fault: &str) {
    lab.run("state", &["rack", "fault", fault]).expect(0);
}

#[test]
fn drift_elsewhere_is_put_right_while_a_step_that_failed_waits() {
    let lab = two_cards();
    let ports = planned(&lab, "acs.clear");
    let elsewhere = ports.last().unwrap();
    assert_eq!(ports[0], FIRST);
    fault(&lab, &format!("write-ignored:{FIRST}"));
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("; trying again in 1 s");
    up.hears("blocked: P2PGroup/pair on aic-01 (StepFailed): aic-01/acs.clear/0000:24:00.0: ");
    // The other card's set and the settings come all the same, and the model serves on that set.
    up.hears("serves on");
    comes_to_read(&lab, elsewhere, "0x0011");
    comes_to_read(&lab, "vm.max_map_count", "2048000");
    let acs = format!("{elsewhere}/acs");
    lab.run("state", &["rack", "set", &acs, "0x001d"]).expect(0);
    lab.run("state", &["rack", "set", "vm.max_map_count", "65530"])
        .expect(0);
    comes_to_read(&lab, elsewhere, "0x0011");
    comes_to_read(&lab, "vm.max_map_count", "2048000");
    assert_eq!(
        lab.registers("state").words[&format!("\"{FIRST}\"")],
        "0x001d"
    );
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let why = status["troubles"][0]["why"].as_str().unwrap();
    assert!(why.contains("acs.clear/0000:24:00.0"), "{why}");
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    comes_to_read(&lab, FIRST, "0x0011");
    up.hears("no longer blocked: P2PGroup/pair on aic-01 (StepFailed)");
}

#[test]
fn a_fresh_up_serves_on_what_a_broken_soc_does_not_concern() {
    let lab = two_cards();
    let broken = planned(&lab, "soc.reset").remove(0);
    fault(&lab, &format!("mdp-missing:{broken}"));
    // Nobody waits for this interval: what happens, happens at once.
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "300"]);
    up.hears("; trying again in 300 s");
    up.hears("(StepFailed)");
    up.hears("worker default/tiny-0 serves on");
    let resets = lab.registers("state").resets;
    assert!(resets.values().all(|count| *count == 1), "{resets:?}");
    // A boot ends the pause.
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("no longer blocked: P2PGroup/pair on aic-01 (StepFailed)");
    up.hears("serves on");
}
