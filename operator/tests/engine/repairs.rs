//! What somebody approved and a boot undid comes back without asking again, and nothing besides it does.
use std::fs;

use nix::sys::signal::Signal;

use crate::{lab::Lab, supervision::Up};

const PORT: &str = "\"0000:24:00.0\"";

/// A policy that wants every digest approved, whose settings no file keeps, carried out once.
fn approved_by_hand() -> Lab {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    let text = text
        .replace("mode: Automatic", "mode: Manual")
        .replace("    persistence: Persist\n", "");
    fs::write(&policy, text).unwrap();
    let refused = lab.run("state", &["apply", "-f", "declared"]).expect(12);
    let (_, digest) = refused.stderr.split_once("--approve-digest ").unwrap();
    let digest = digest.split_whitespace().next().unwrap();
    let apply = ["apply", "-f", "declared", "--approve-digest", digest];
    lab.run("state", &apply).expect(0);
    lab
}

/// A model that serves, and an edit of a setting that waits for approval.
fn serving_beside_an_edit() -> (Lab, Up) {
    let lab = approved_by_hand();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    edit(&lab, "declared/policy.yaml", "2048000", "1048576");
    up.hears("wants its plans approved by digest");
    (lab, up)
}

fn edit(lab: &Lab, file: &str, from: &str, to: &str) {
    let path = lab.path(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn after_a_boot_nobody_is_asked_for_what_was_approved() {
    let lab = approved_by_hand();
    let left = lab.registers("state").words;
    lab.run("state", &["rack", "reboot"]).expect(0);
    assert_ne!(lab.registers("state").words, left);
    // `apply` wants its digest, as always.
    lab.run("state", &["apply", "-f", "declared"]).expect(12);
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("putting back what was approved before, which needs no approval again");
    up.hears("serves on");
    assert_eq!(lab.registers("state").words, left);
    // And where it is at work already.
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("putting back what was approved before, which needs no approval again");
    up.hears("serves on");
    assert_eq!(lab.registers("state").words, left);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
}

#[test]
fn what_waits_for_approval_waits_beside_it() {
    let lab = approved_by_hand();
    let left = lab.registers("state").words;
    lab.run("state", &["rack", "reboot"]).expect(0);
    // Another value than the one that was approved, and another port that was not.
    edit(
        &lab,
        "declared/policy.yaml",
        "maxMapCount: 2048000",
        "maxMapCount: 1048576",
    );
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("putting back what was approved before, which needs no approval again");
    assert_eq!(up.ends().code(), Some(12));
    let words = lab.registers("state").words;
    assert_eq!(words[PORT], left[PORT]);
    assert_eq!(
        words["control_resp_timeout_s"],
        left["control_resp_timeout_s"]
    );
    // The value that was approved, not the one that waits.
    assert_eq!(words["vm.max_map_count"], left["vm.max_map_count"]);
}

#[test]
fn what_somebody_set_is_left_to_whoever_approves_before_a_boot_and_after() {
    for booted in [false, true] {
        let lab = approved_by_hand();
        if booted {
            lab.run("state", &["rack", "reboot"]).expect(0);
        }
        let set = ["rack", "set", "vm.max_map_count", "70000"];
        lab.run("state", &set).expect(0);
        let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
        assert_eq!(up.ends().code(), Some(12), "{booted}");
        let words = lab.registers("state").words;
        assert_eq!(words["vm.max_map_count"], "70000", "{booted}");
    }
}

#[test]
fn a_paused_rollout_waits_with_it() {
    let lab = approved_by_hand();
    lab.run("state", &["rack", "reboot"]).expect(0);
    let booted = lab.registers("state").words;
    edit(
        &lab,
        "declared/policy.yaml",
        "  enforcement: Enforce\n",
        "  enforcement: Enforce\n  rollout:\n    paused: true\n",
    );
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    assert_eq!(up.ends().code(), Some(12));
    assert_eq!(lab.registers("state").words, booted);
}

#[test]
fn what_served_serves_again_while_an_edit_waits() {
    let (lab, mut up) = serving_beside_an_edit();
    // As it was approved: the edit has changed nothing.
    let left = lab.registers("state").words;
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("putting back what was approved before, which needs no approval again");
    up.hears("serves on");
    let words = lab.registers("state").words;
    assert_eq!(words[PORT], left[PORT]);
    assert_eq!(words["vm.max_map_count"], left["vm.max_map_count"]);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
}

/// A set of another size, or under another name, which nobody approved.
#[test]
fn what_served_serves_again_as_it_was_whatever_is_declared_anew() {
    type Edit = fn(&Lab);
    let edits: [(&str, Edit); 2] = [
        ("another size", |lab| {
            edit(lab, "declared/group.yaml", "size: 2", "size: 4");
            edit(lab, "declared/model.yaml", "shards: 2", "shards: 4");
        }),
        ("another name", |lab| {
            edit(lab, "declared/group.yaml", "name: pair", "name: two");
            edit(
                lab,
                "declared/model.yaml",
                "groupRef: pair",
                "groupRef: two",
            );
        }),
    ];
    for (what, edited) in edits {
        let lab = approved_by_hand();
        let left = lab.registers("state").words;
        let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
        up.hears("serves on");
        edited(&lab);
        up.hears("wants its plans approved by digest");
        lab.run("state", &["rack", "reboot"]).expect(0);
        up.hears("serves on");
        assert_eq!(lab.registers("state").words, left, "{what}");
        up.signal(Signal::SIGTERM);
        assert_eq!(up.ends().code(), Some(0));
        // And one that starts anew and may not stay puts them back all the same.
        lab.run("state", &["rack", "reboot"]).expect(0);
        let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
        assert_eq!(up.ends().code(), Some(12), "{what}");
        assert_eq!(lab.registers("state").words, left, "{what}");
    }
}

#[test]
fn a_model_that_is_not_declared_any_more_does_not_come_back() {
    let lab = approved_by_hand();
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    edit(&lab, "declared/group.yaml", "size: 2", "size: 4");
    up.hears("wants its plans approved by digest");
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("putting back what was approved before");
    // A look later.
    fs::write(lab.path("declared/policy.yaml"), "kind: [").unwrap();
    let said = up.hears("keeping the last valid declaration");
    let starts = said.iter().any(|line| line.contains("starting worker"));
    assert!(!starts, "{said:?}");
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
}

#[test]
fn models_ask_nobody_while_an_edit_of_cards_waits() {
    let (lab, mut up) = serving_beside_an_edit();
    edit(&lab, "declared/model.yaml", "slots: 1", "slots: 2");
    up.hears("replacing worker default/tiny-0");
    up.hears("serves on");
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    up.hears("draining worker default/tiny-0");
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
    assert_eq!(lab.registers("state").words["vm.max_map_count"], "2048000");
}

#[test]
fn what_failed_once_after_a_boot_is_tried_again() {
    let lab = approved_by_hand();
    let left = lab.registers("state").words;
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    lab.run("state", &["rack", "fault", "write-refused:0000:24:00.0"])
        .expect(0);
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("0000:24:00.0");
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    up.hears("serves on");
    assert_eq!(lab.registers("state").words, left);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
}

#[test]
fn a_worker_leaves_a_card_that_left_while_an_edit_waits() {
    let (lab, mut up) = serving_beside_an_edit();
    lab.run("state", &["rack", "unplug", "0000:25:00.0"])
        .expect(0);
    up.hears("draining worker default/tiny-0");
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
}
