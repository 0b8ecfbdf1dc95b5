//! Whose word `down` and a removed policy go by: the approval under which the machine was configured.
use std::fs;

use crate::lab::{Ended, Lab};

/// A laboratory that was configured under this approval.
pub fn configured(approval: &str, deletion: &str) -> Lab {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    let text = text
        .replace("mode: Automatic", &format!("mode: {approval}"))
        .replace("rule: Revert", deletion);
    fs::write(&policy, text).unwrap();
    let ended = lab.run("state", &["apply", "-f", "declared", "--yes"]);
    if approval == "Manual" {
        let digest = digest(&ended.expect(12));
        let apply = ["apply", "-f", "declared", "--approve-digest", &digest];
        lab.run("state", &apply).expect(0);
    } else {
        ended.expect(0);
    }
    lab
}

/// The digest that a refusal asks to be approved.
pub fn digest(refused: &Ended) -> String {
    let (_, digest) = refused.stderr.split_once("--approve-digest ").unwrap();
    digest.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn manual_wants_the_digest_of_the_removal_too() {
    let lab = configured("Manual", "rule: Revert");
    let left = lab.registers("state");
    let refused = lab.run("state", &["down", "--yes"]).expect(12);
    assert!(
        refused.stderr.contains("so does its removal"),
        "{}",
        refused.stderr
    );
    assert_eq!(lab.registers("state"), left);
    // A policy that is taken out of the folder is as much of a removal.
    fs::rename(lab.path("declared/policy.yaml"), lab.path("policy.yaml")).unwrap();
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    fs::remove_file(lab.path("declared/group.yaml")).unwrap();
    fs::write(lab.path("declared/other.yaml"), OTHER).unwrap();
    let apply = ["apply", "-f", "declared", "--yes"];
    lab.run("state", &apply).expect(12);
    assert_eq!(lab.registers("state"), left);
    let approved = digest(&refused);
    lab.run("state", &["down", "--approve-digest", &approved])
        .expect(0);
    assert_eq!(
        lab.registers("state").words,
        Lab::new().registers("state").words
    );
    // Nothing is left that anybody would have to approve; that the monitor is ours is remembered for as long as it runs.
    let ledger = fs::read_to_string(lab.path("state/lab/aic-01/ledger.json")).unwrap();
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    let kept: Vec<&String> = ledger.as_object().unwrap().keys().collect();
    assert_eq!(kept, ["qmonitorStarted", "checksum"]);
    let said = lab.run("state", &["down"]).expect(0).stdout;
    assert!(said.contains("qmonitor, which we started"), "{said}");
}

/// A policy that selects no node of the laboratory.
const OTHER: &str = "apiVersion: shardplane.dev/v1alpha1
kind: CardPolicy
metadata:
  name: other
spec:
  nodeSelector:
    matchLabels: { rack: elsewhere }
  enforcement: Enforce
  approval: { mode: Automatic }
  deletionPolicy: { rule: Revert }
";

#[test]
fn what_disturbs_nobody_goes_ahead_and_resets_want_leave() {
    let lab = configured("AutomaticIfNotDisruptive", "rule: Revert");
    lab.run("state", &["down"]).expect(0);
    let resets = "rule: Revert\n    mdp: true";
    let lab = configured("AutomaticIfNotDisruptive", resets);
    let left = lab.registers("state");
    let refused = lab.run("state", &["down"]).expect(12);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert_eq!(lab.registers("state"), left);
    lab.run("state", &["down", "--yes"]).expect(0);
    assert_ne!(lab.registers("state").resets, left.resets);
    let lab = configured("Automatic", resets);
    lab.run("state", &["down"]).expect(0);
}

#[test]
fn what_stays_is_forgotten_in_a_plan_that_says_so() {
    let lab = configured("Automatic", "rule: Retain");
    let left = lab.registers("state");
    let said = lab.run("state", &["down"]).expect(0).stdout;
    assert!(
        said.contains("steps in our own books, none on the machine."),
        "{said}"
    );
    assert_eq!(lab.registers("state"), left);
}
