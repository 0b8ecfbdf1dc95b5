//! A SoC that a reset throws off the bus is the last one for now: whoever runs, plans or takes back resets no other, until it is back
//! or the machine has booted.
use std::collections::BTreeMap;

use crd::{journal::Event, step::Action};
use operator::state::Journal;

use crate::{
    lab::Lab,
    left_alone::{edit, planned, two_cards},
    resets::resets,
    supervision::Up,
};

const APPLY: [&str; 3] = ["apply", "-f", "declared"];
const HELD: &str = "left the bus while SoCs of this machine were reset in this boot";

/// Two cards, and the first SoC that is to be reset falls off the bus by that.
fn falling() -> (Lab, String) {
    let lab = two_cards();
    edit(&lab.path("declared/group.yaml"), "count: 2", "count: 4");
    let soc = planned(&lab, "soc.reset").remove(0);
    let fault = format!("falls-off:{soc}");
    lab.run("state", &["rack", "fault", &fault]).expect(0);
    (lab, soc)
}

#[test]
fn nobody_else_is_reset_until_a_boot() {
    let (lab, soc) = falling();
    let ended = lab.run("state", &APPLY).expect(22);
    let said = format!("{soc} fell off the bus: not there for 60 s after the reset");
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
    // It is waited for a minute, not for the quarter of an hour that one may take to boot.
    let took = longest_step(&lab);
    assert!((60..90).contains(&took), "{took}");
    for _ in 0..2 {
        let plan = lab.run("state", &["plan", "-f", "declared"]).expect(0);
        assert!(
            plan.stdout.contains(&format!("{soc} {HELD}")),
            "{}",
            plan.stdout
        );
        let applied = lab.run("state", &APPLY).expect(12);
        assert!(applied.stdout.contains(HELD), "{}", applied.stdout);
    }
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("keeping it so");
    drop(up);
    assert_eq!(resets(&lab).len(), 1);

    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["rack", "reboot"]).expect(0);
    // It did not come back with the boot, but the others may be reset again.
    let applied = lab.run("state", &APPLY).expect(12);
    assert!(!applied.stdout.contains(HELD), "{}", applied.stdout);
    assert!(resets(&lab).len() > 1);
}

#[test]
fn a_supervisor_goes_on_once_it_is_back() {
    let (lab, soc) = falling();
    lab.run("state", &APPLY).expect(22);
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("keeping it so");
    assert_eq!(resets(&lab).len(), 1);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["rack", "replug", &soc]).expect(0);
    up.hears("soc.reset");
}

/// The run that reset it was killed before it could look.
#[test]
fn a_crash_in_the_reset_is_no_way_round() {
    let (lab, soc) = falling();
    let reset = first_reset(&lab);
    let kill = format!("kill:{}:after", reset + 1);
    lab.run("state", &["rack", "fault", &kill]).expect(0);
    lab.run("state", &APPLY).expect(128 + 9);
    let applied = lab.run("state", &APPLY).expect(12);
    let said = format!("{soc} {HELD}");
    assert!(applied.stdout.contains(&said), "{applied:?}");
    assert_eq!(resets(&lab).len(), 1);
    let status = lab.run("state", &["status"]).expect(0);
    let said = format!("{soc} left the bus while SoCs were reset in this boot");
    assert!(status.stdout.contains(&said), "{}", status.stdout);
}

/// The record at which the first reset begins, by a run in a state of its own.
pub fn first_reset(lab: &Lab) -> u64 {
    lab.run("calm", &APPLY).expect(0);
    let records = Journal::read(&lab.journal("calm")).unwrap();
    let mut begun = records.iter().filter(|record| {
        matches!(&record.event, Event::Intent { step, .. } if matches!(step.action, Action::Reset { .. }))
    });
    begun.next().unwrap().sequence
}

/// What was asked of the card and needs no reset is taken back all the same.
#[test]
fn what_needs_no_reset_is_taken_back() {
    let (lab, _) = falling();
    let before = lab.registers("state").words;
    lab.run("state", &APPLY).expect(22);
    assert_ne!(lab.registers("state").words, before);
    lab.run("state", &["down"]).expect(0);
    let ports = |words: BTreeMap<String, String>| -> Vec<String> { words.into_values().collect() };
    let after = lab.registers("state").words;
    for (name, word) in &after {
        assert_eq!(before.get(name), Some(word), "{name}");
    }
    assert!(!ports(after).is_empty());
}

/// Seconds of the rack's time from one record of the journal to the next, the longest of them.
fn longest_step(lab: &Lab) -> u64 {
    let records = Journal::read(&lab.journal("state")).unwrap();
    let seconds = |record: &crd::journal::Record| {
        let clock = record.at.split(['T', '.', 'Z']).nth(1).unwrap().to_owned();
        let parts = clock.split(':').map(|part| part.parse::<u64>().unwrap());
        parts.fold(0, |sum, part| sum * 60 + part)
    };
    let at: Vec<u64> = records.iter().map(seconds).collect();
    let gaps = at
        .windows(2)
        .map(|pair| (pair[1] + 86_400 - pair[0]) % 86_400);
    gaps.max().unwrap()
}
