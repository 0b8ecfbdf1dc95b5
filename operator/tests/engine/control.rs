//! Whoever talks to an `up` through its control socket, while it is busy, as it ends and after.
use std::fs;

use nix::sys::signal::Signal;

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

#[test]
fn a_status_beside_an_up_that_does_not_answer_still_names_its_workers() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    let running = workers(&lab);
    up.signal(Signal::SIGSTOP);
    let seen = workers(&lab);
    assert_eq!(seen.len(), 1);
    for field in ["id", "model", "node", "state", "pid"] {
        assert_eq!(seen[0][field], running[0][field], "{field}");
    }
}

#[test]
fn whoever_is_told_that_it_is_over_may_work_here_at_once() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    lab.run("state", &["down"]).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
}

#[test]
fn a_down_whose_up_dies_before_it_begins_puts_the_machine_back_itself() {
    let lab = Lab::new();
    let before = lab.registers("state");
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    up.signal(Signal::SIGSTOP);
    let mut down = Up::start(&lab, &["down"]);
    down.hears("waiting for `shardplane up`");
    up.signal(Signal::SIGKILL);
    assert_eq!(down.ends().code(), Some(0));
    assert_eq!(lab.registers("state").words, before.words);
}

/// What could be put back stays so: `up` does not build it up again because something else is in the way.
#[test]
fn a_down_that_is_held_up_has_the_last_word_all_the_same() {
    let lab = Lab::new();
    lab.edit(
        "declared/policy.yaml",
        "rule: Revert",
        "rule: Revert\n    mdp: true",
    );
    let before = lab.registers("state");
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let resets = lab.registers("state").resets;
    assert_eq!(resets.len(), 2);
    let hold = ["rack", "hold", "0000:25:00.0", "--by", "python3"];
    lab.run("state", &hold).expect(0);
    let said = lab.run("state", &["down"]).expect(12).stderr;
    assert!(said.contains("blocked, see above"), "{said}");
    assert!(said.contains("`up` has ended"), "{said}");
    assert_eq!(up.ends().code(), Some(0));
    let after = lab.registers("state");
    for (port, word) in before.words.iter().filter(|(name, _)| name.contains(':')) {
        assert_eq!(after.words.get(port), Some(word), "{port}: {said}");
    }
    lab.run("state", &["rack", "hold", "0000:25:00.0", "--release"])
        .expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before.words);
}

#[test]
fn a_down_for_other_servers_than_those_of_the_up_touches_none() {
    let lab = Lab::new();
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let (_, server) = rack.split_once("    - name: aic-01\n").unwrap();
    let two = format!("{}\n    - name: aic-02\n{server}", rack.trim_end());
    fs::write(lab.path("rack.yaml"), two).unwrap();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    let said = lab
        .run("state", &["down", "--node", "aic-02"])
        .expect(75)
        .stderr;
    assert!(
        said.contains(
            "for aic-02 of rack lab, and the `up` that works here keeps aic-01, aic-02 of rack lab;"
        ),
        "{said}"
    );
    assert_eq!(workers(&lab).len(), 1);
    lab.run("state", &["down"]).expect(0);
}

/// A worker that a killed supervisor left may take its time, and whoever waits for it may be told not to.
#[test]
fn whoever_waits_for_a_worker_that_was_left_can_be_stopped() {
    let lab = Lab::new();
    lab.edit("declared/model.yaml", "slots: 1", "slots: 11");
    let held = lab.path("held");
    fs::write(&held, "").unwrap();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    up.signal(Signal::SIGKILL);
    for (verb, signal, code) in [
        ("apply", Signal::SIGINT, 130),
        ("up", Signal::SIGINT, 130),
        ("down", Signal::SIGTERM, 143),
    ] {
        let files: &[&str] = if verb == "down" {
            &[]
        } else {
            &["-f", "declared"]
        };
        let mut next = Up::start(&lab, &[&[verb], files].concat());
        next.hears("waiting for worker default/tiny-0");
        next.signal(signal);
        next.hears("worker default/tiny-0 has not ended");
        assert_eq!(next.ends().code(), Some(code), "{verb}");
    }
    // It was left as it is, and is known to whoever comes next.
    fs::remove_file(held).unwrap();
    lab.run("state", &["down"]).expect(0);
}
