//! The journal of a real run: every prefix opens, and a damaged middle is refused.
use std::fs;

use crd::{
    id::{BootId, NodeName, StepId},
    journal::{Event, RunOutcome},
    plan::NodeDigest,
};
use operator::state::{Journal, JournalError};

use crate::lab::Lab;

/// A journal of a run's shape with short records, so that every byte can be tried.
fn short(lab: &Lab) -> Vec<u8> {
    let file = lab.path("short");
    let mut journal = Journal::open(&file).unwrap();
    let step = StepId::from("aic-01/acs.clear/0000:20:01.0");
    let events = [
        Event::RunBegin {
            node: NodeName::from("aic-01"),
            digest: NodeDigest("node:b3:00".to_owned()),
            socs: Vec::new(),
        },
        Event::Done { step: step.clone() },
        Event::Failed {
            step: step.clone(),
            why: "the tool said \"nö\"".to_owned(),
        },
        Event::Verified { step },
        Event::RunEnd {
            outcome: RunOutcome::Halted,
        },
    ];
    for event in events {
        journal
            .append(
                &BootId::from("boot"),
                "2026-11-22T10:00:00Z".to_owned(),
                event,
                None,
            )
            .unwrap();
    }
    fs::read(&file).unwrap()
}

fn opens_with_whole_records(lab: &Lab, bytes: &[u8], cuts: impl Iterator<Item = usize>) {
    let file = lab.path("prefix");
    fs::write(&file, bytes).unwrap();
    let whole = Journal::read(&file).unwrap();
    for cut in cuts {
        fs::write(&file, &bytes[..cut]).unwrap();
        let lines = bytes[..cut].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(
            Journal::read(&file).unwrap(),
            whole[..lines],
            "cut at {cut}"
        );
        let mut opened = Journal::open(&file).unwrap();
        assert_eq!(opened.records(), &whole[..lines], "cut at {cut}");
        opened
            .append(
                &BootId::from("boot"),
                String::new(),
                Event::RunEnd {
                    outcome: RunOutcome::Recovered,
                },
                None,
            )
            .unwrap();
        assert_eq!(
            Journal::read(&file).unwrap().len(),
            lines + 1,
            "cut at {cut}"
        );
    }
}

#[test]
fn every_prefix_of_a_journal_opens_with_its_whole_records() {
    let lab = Lab::new();
    let bytes = short(&lab);
    opens_with_whole_records(&lab, &bytes, 0..=bytes.len());
}

#[test]
fn a_real_run_cut_beside_every_record_opens() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let bytes = fs::read(lab.journal("state")).unwrap();
    let edges = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let cuts: Vec<usize> = edges
        .flat_map(|(at, _)| [at, at + 1, (at + 2).min(bytes.len())])
        .collect();
    opens_with_whole_records(&lab, &bytes, cuts.into_iter());
}

#[test]
fn a_damaged_middle_is_refused_by_every_verb() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let mut bytes = fs::read(lab.journal("state")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(lab.journal("state"), &bytes).unwrap();
    assert!(matches!(
        Journal::open(&lab.journal("state")),
        Err(JournalError::Damaged { .. })
    ));
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(66);
    assert!(ended.stderr.contains("damaged"), "{}", ended.stderr);
    assert_eq!(
        fs::read(lab.journal("state")).unwrap(),
        bytes,
        "nothing may be lost"
    );
}

#[test]
fn a_large_journal_starts_over_and_keeps_unsuccessful_attempts() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let file = lab.journal("state");
    let whole = Journal::read(&file).unwrap();
    let begun = whole
        .iter()
        .find_map(|record| match &record.event {
            Event::Intent { step, .. } => Some(step.clone()),
            _ => None,
        })
        .unwrap();
    let boot = whole[0].boot_id.clone();
    let mut journal = Journal::open(&file).unwrap();
    let say = |journal: &mut Journal, event| {
        journal.append(&boot, String::new(), event, None).unwrap();
    };
    for attempt in 1..=2 {
        say(
            &mut journal,
            Event::Intent {
                step: begun.clone(),
                attempt,
            },
        );
        journal.compact(0).unwrap();
        assert!(journal.records().len() > whole.len(), "a step is open");
        say(
            &mut journal,
            Event::Failed {
                step: begun.id.clone(),
                why: "it hangs".to_owned(),
            },
        );
    }
    journal.compact(u64::MAX).unwrap();
    assert_eq!(journal.records().len(), whole.len() + 4, "it is small");
    let before = fs::read(&file).unwrap();
    journal.compact(0).unwrap();
    assert_eq!(fs::read(file.with_extension("old")).unwrap(), before);
    assert_eq!(journal.attempts(&begun, &boot), 2);
    say(
        &mut journal,
        Event::RunEnd {
            outcome: RunOutcome::Halted,
        },
    );
    let read = Journal::read(&file).unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!(Journal::open(&file).unwrap().attempts(&begun, &boot), 2);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
}
