//! Resets that come to nothing end: a SoC is reset three times in a boot, whatever each reset said of itself.
use crd::{
    journal::{Event, RunOutcome},
    step::{Action, Step},
};
use operator::state::Journal;

use crate::{lab::Lab, lost::first_reset};

/// Intents of resets in the journal.
pub fn resets(lab: &Lab) -> Vec<(Box<Step>, u32)> {
    let records = Journal::read(&lab.journal("state")).unwrap();
    let intents = records.into_iter().filter_map(|record| match record.event {
        Event::Intent { step, attempt } if matches!(step.action, Action::Reset { .. }) => {
            Some((step, attempt))
        }
        _ => None,
    });
    intents.collect()
}

#[test]
fn a_soc_that_never_partitions_is_reset_three_times_a_boot() {
    let lab = Lab::new();
    let soc = "0000:25:00.0";
    let fault = format!("mdp-missing:{soc}");
    lab.run("state", &["rack", "fault", &fault]).expect(0);
    let apply = ["apply", "-f", "declared"];
    for turn in 0..3 {
        lab.run("state", &apply).expect(22);
        // A journal that starts over forgets none of them.
        if turn == 1 {
            Journal::open(&lab.journal("state"))
                .unwrap()
                .compact(0)
                .unwrap();
        }
    }
    let before = resets(&lab).len();
    for _ in 0..2 {
        let ended = lab.run("state", &apply).expect(12);
        assert!(
            ended
                .stdout
                .contains("3 resets of 0000:25:00.0 in this boot ("),
            "{}",
            ended.stdout
        );
    }
    assert_eq!(resets(&lab).len(), before, "none more in this boot");
    let (_, attempt) = resets(&lab).pop().unwrap();
    assert_eq!(attempt, 3);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &apply).expect(12);
    lab.run("state", &["rack", "reboot"]).expect(0);
    lab.run("state", &apply).expect(0);
}

/// Between verbs a rack stands still: what boots is ready when somebody lets time pass.
#[test]
fn a_soc_that_boots_for_longer_than_a_step_waits_is_ready_in_time() {
    let lab = Lab::new();
    let server = "- name: aic-01\n";
    let slow = format!("{server}      durations: {{ initializeSeconds: 1500 }}\n");
    lab.edit("rack.yaml", server, &slow);
    let apply = ["apply", "-f", "declared"];
    lab.run("state", &["rack", "wait", "0"]).expect(64);
    // One SoC after the other.
    for _ in 0..2 {
        lab.run("state", &apply).expect(22);
        for _ in 0..2 {
            let said = lab.run("state", &apply).expect(12).stdout;
            assert!(said.contains("is Initializing"), "{said}");
        }
        lab.run("state", &["rack", "wait", "700"]).expect(0);
    }
    lab.run("state", &apply).expect(0);
}

/// What was reached is no attempt that failed: neither declarations that go back and forth nor drift use them up.
#[test]
fn resets_that_helped_are_not_counted() {
    let lab = Lab::new();
    for _ in 0..4 {
        lab.run("state", &["apply", "-f", "declared"]).expect(0);
        lab.run("state", &["down", "--yes"]).expect(0);
    }
    for _ in 0..4 {
        lab.run("state", &["apply", "-f", "declared"]).expect(0);
        lab.run("state", &["rack", "set", "0000:25:00.0/mdp", "off"])
            .expect(0);
    }
    let journal = Journal::open(&lab.journal("state")).unwrap();
    let converged = |record: &&crd::journal::Record| {
        matches!(
            record.event,
            Event::RunEnd {
                outcome: RunOutcome::Converged
            }
        )
    };
    assert!(journal.records().iter().filter(converged).count() >= 12);
    assert!(resets(&lab).iter().all(|(_, attempt)| *attempt == 1));
}

/// Somebody stopped a run between a reset and the wait for it: the next one waits, and goes on.
#[test]
fn a_run_that_was_stopped_after_a_reset_is_gone_on_with() {
    let lab = Lab::new();
    let reset = first_reset(&lab);
    // The reset's intent, that it was done, and that it was verified.
    let kill = format!("kill:{}:after", reset + 2);
    lab.run("state", &["rack", "fault", &kill]).expect(0);
    let apply = ["apply", "-f", "declared"];
    lab.run("state", &apply).expect(128 + 9);
    let mut journal = Journal::open(&lab.journal("state")).unwrap();
    let last = journal.records().last().unwrap().clone();
    let outcome = RunOutcome::Interrupted;
    let end = Event::RunEnd { outcome };
    journal.append(&last.boot_id, last.at, end, None).unwrap();
    drop(journal);
    let again = lab.run("state", &apply).expect(0);
    let said = "was stopped; looking at what became of it";
    assert!(again.stderr.contains(said), "{}", again.stderr);
    // It is asked once.
    let third = lab.run("state", &apply).expect(0);
    assert!(!third.stderr.contains(said), "{}", third.stderr);
    assert!(resets(&lab).iter().all(|(_, attempt)| *attempt == 1));
}
