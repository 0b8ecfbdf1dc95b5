//! The journal of a real run: every prefix opens, and a damaged middle is refused.
use std::fs;

use operator::state::{Journal, JournalError};

use crate::lab::Lab;

#[test]
fn every_prefix_of_a_journal_opens_with_its_whole_records() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let bytes = fs::read(lab.journal("state")).unwrap();
    let whole = Journal::read(&lab.journal("state")).unwrap();
    let file = lab.path("prefix");
    for cut in 0..=bytes.len() {
        let lines = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        // Reading each prefix is enough; opening, which also cuts the tail, is tried at every record's edges.
        fs::write(&file, &bytes[..cut]).unwrap();
        assert_eq!(
            Journal::read(&file).unwrap(),
            whole[..lines],
            "cut at {cut}"
        );
        let edge = cut > 0 && (bytes[cut - 1] == b'\n' || bytes.get(cut) == Some(&b'\n'));
        if edge {
            let opened = Journal::open(&file).unwrap();
            assert_eq!(opened.next_sequence(), lines as u64);
            assert_eq!(Journal::read(&file).unwrap(), whole[..lines]);
        }
    }
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
