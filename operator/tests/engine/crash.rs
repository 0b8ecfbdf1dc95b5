//! Kill and power loss before, after and in the middle of every journal record: the next run converges.
use std::collections::BTreeMap;

use crate::lab::{Lab, Registers};

/// A whole run without a crash: what it starts from, how many records it writes, and what it leaves.
struct Course {
    before: Registers,
    records: usize,
    after: Registers,
}

fn course(lab: &Lab) -> Course {
    let before = lab.registers("calm");
    lab.run("calm", &["apply", "-f", "declared"]).expect(0);
    let journal = std::fs::read_to_string(lab.journal("calm")).unwrap();
    Course {
        before,
        records: journal.lines().count(),
        after: lab.registers("calm"),
    }
}

fn crash_at(lab: &Lab, course: &Course, kind: &str, record: usize, moment: &str) {
    let fault = format!("{kind}:{record}:{moment}");
    let state = format!("{kind}-{record}-{moment}");
    lab.run(&state, &["rack", "fault", &fault]).expect(0);
    lab.run(&state, &["apply", "-f", "declared"])
        .expect(128 + 9);
    let again = lab.run(&state, &["apply", "-f", "declared"]).expect(0);
    let converged = lab.registers(&state);
    assert_eq!(
        converged.words, course.after.words,
        "{fault}: {}",
        again.stderr
    );
    let twice = match kind {
        // A boot resets every SoC, so that a request which waits for a reset needs none of ours any more.
        "power" => converged.resets.values().any(|count| *count > 1),
        _ => converged.resets != course.after.resets,
    };
    assert!(
        !twice,
        "{fault}: resets {:?}\n{}",
        converged.resets, again.stderr
    );
    lab.run(&state, &["down"]).expect(0);
    assert_eq!(
        lab.registers(&state).words,
        course.before.words,
        "{fault}: down"
    );
    std::fs::remove_dir_all(lab.path(&state)).unwrap();
}

fn every_record(kind: &str, moment: &str) {
    let lab = Lab::new();
    let course = course(&lab);
    assert!(
        course.records > 30,
        "the run is too short to prove anything: {}",
        course.records
    );
    let once: BTreeMap<&String, &u64> = course
        .after
        .resets
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    assert!(
        once.len() == 2 && once.values().all(|count| **count == 1),
        "{once:?}"
    );
    for record in 0..course.records {
        crash_at(&lab, &course, kind, record, moment);
    }
}

#[test]
fn kill_before_every_record() {
    every_record("kill", "before");
}

#[test]
fn kill_after_every_record() {
    every_record("kill", "after");
}

#[test]
fn kill_in_the_middle_of_every_record() {
    every_record("kill", "torn");
}

#[test]
fn power_loss_before_every_record() {
    every_record("power", "before");
}

#[test]
fn power_loss_after_every_record() {
    every_record("power", "after");
}

#[test]
fn power_loss_in_the_middle_of_every_record() {
    every_record("power", "torn");
}
