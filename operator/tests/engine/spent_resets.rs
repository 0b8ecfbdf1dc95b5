//! A SoC whose reset never helps is reset three times in a boot and then left alone, and the rest of the node is as declared.
use serde_json::Value;

use crate::{
    lab::Lab,
    left_alone::{edit, planned, two_cards},
    resets::resets,
    supervision::Up,
};

const APPLY: [&str; 3] = ["apply", "-f", "declared"];

/// Two cards, and the first SoC that is to be reset has this fault.
fn broken(fault: &str) -> (Lab, String) {
    let lab = two_cards();
    // Every set of both cards.
    edit(&lab.path("declared/group.yaml"), "count: 2", "count: 4");
    let soc = planned(&lab, "soc.reset").remove(0);
    lab.run("state", &["rack", "fault", &format!("{fault}:{soc}")])
        .expect(0);
    (lab, soc)
}

/// How often its reset was begun, in any boot.
fn begun(lab: &Lab, soc: &str) -> usize {
    let all = resets(lab);
    let of = all
        .iter()
        .filter(|(step, _)| step.id.0 == format!("aic-01/soc.reset/{soc}"));
    of.count()
}

/// Everything but the set of the broken SoC is partitioned: one set beside it on its card and two on the other.
#[track_caller]
fn the_rest_is_partitioned(lab: &Lab) {
    let seen = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
    let seen: Value = serde_json::from_str(&seen.stdout).unwrap();
    let socs = seen["socs"].as_array().unwrap();
    let rest = socs.iter().skip(2);
    let on = rest.filter(|soc| soc["mdp"]["value"] == true);
    assert_eq!((socs.len(), on.count()), (8, 6), "{socs:#?}");
}

/// Three resets, each the end of an `apply`; then the rest, until the machine boots.
#[track_caller]
fn three_and_then_the_rest(fault: &str, failed: i32) {
    let (lab, soc) = broken(fault);
    let told = format!("3 resets of {soc} in this boot (");
    lab.run("state", &APPLY).expect(failed);
    lab.run("state", &APPLY).expect(failed);
    let save = |name| lab.run("state", &["plan", "-f", "declared", "--out", name]);
    save("last.json").expect(0);
    lab.run("state", &["apply", "last.json"]).expect(failed);
    assert_eq!(begun(&lab, &soc), 3);

    // What was saved with a reset of it is refused, and says why; what is planned now is the rest.
    let refused = lab.run("state", &["apply", "last.json"]).expect(11);
    let moved = format!("aic-01: {soc} had all the resets that a boot is given, in vain");
    assert!(refused.stderr.contains(&moved), "{}", refused.stderr);
    let plan = save("rest.json").expect(0).stdout;
    assert!(plan.contains(&told), "{plan}");
    assert!(plan.contains("a new boot allows more"), "{plan}");
    let rest = planned(&lab, "soc.reset");
    assert!(rest.len() == 6 && !rest.contains(&soc), "{rest:?}");
    let applied = lab.run("state", &["apply", "rest.json"]).expect(12);
    assert!(applied.stdout.contains(&told), "{}", applied.stdout);
    the_rest_is_partitioned(&lab);

    // A run over the rest that converged gives it no more resets, and neither does a journal that starts over.
    let mut journal = operator::state::Journal::open(&lab.journal("state")).unwrap();
    journal.compact(0).unwrap();
    drop(journal);
    lab.run("state", &APPLY).expect(12);
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "300"]);
    up.hears("serves on");
    drop(up);
    assert!(resets(&lab).iter().all(|(_, attempt)| *attempt <= 3));
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    let plan = lab.run("state", &["plan", "-f", "declared"]).expect(0);
    assert!(plan.stdout.contains(&told), "{}", plan.stdout);
    assert!(planned(&lab, "soc.reset").is_empty());

    lab.run("state", &["rack", "reboot"]).expect(0);
    let plan = lab.run("state", &["plan", "-f", "declared"]).expect(0);
    assert!(!plan.stdout.contains(&told), "{}", plan.stdout);
    lab.run("state", &APPLY).expect(0);
}

#[test]
fn a_reset_that_does_nothing() {
    three_and_then_the_rest("mdp-missing", 22);
}

#[test]
fn a_reset_that_is_refused_with_an_exit_code_of_0() {
    three_and_then_the_rest("reset-fails", 22);
}

/// A SoC that is initialising is not reset again at all.
#[test]
fn a_reset_that_hangs_happens_once_and_the_rest_follows() {
    let (lab, soc) = broken("reset-hangs");
    lab.run("state", &APPLY).expect(22);
    for _ in 0..3 {
        lab.run("state", &APPLY).expect(12);
    }
    assert_eq!(begun(&lab, &soc), 1);
    the_rest_is_partitioned(&lab);
}

/// Undoing asks for partitioning the other way, which is no sign that the last way was seen.
#[test]
fn runs_that_are_undone_count_too() {
    let (lab, soc) = broken("mdp-missing");
    let policy = lab.path("declared/policy.yaml");
    edit(
        &policy,
        "  enforcement: Enforce",
        "  enforcement: Enforce\n  onFailure: Compensate",
    );
    for _ in 0..3 {
        let ended = lab.run("state", &APPLY);
        assert!([21, 22].contains(&ended.code), "{ended:?}");
    }
    lab.run("state", &APPLY).expect(12);
    lab.run("state", &APPLY).expect(12);
    assert_eq!(begun(&lab, &soc), 3);
}

/// `up` tries it again after each pause, and no more than three times: passes over the rest give it none.
#[test]
fn a_supervisor_gives_it_no_more_than_three() {
    let (lab, soc) = broken("mdp-missing");
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    up.hears(&format!("3 resets of {soc} in this boot ("));
    assert_eq!(begun(&lab, &soc), 3);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("no longer blocked: P2PGroup/pair on aic-01 (StepFailed)");
}
