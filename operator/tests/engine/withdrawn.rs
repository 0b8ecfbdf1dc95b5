//! A request for partitioning that no reset took up is not left behind for whoever resets the SoC next.
use crate::{
    lab::Lab,
    left_alone::{edit, planned},
    removal::{configured, digest},
};

/// A run that ended between a request and its reset; returns the SoCs that would have been reset.
fn stopped(lab: &Lab) -> Vec<String> {
    let policy = lab.path("declared/policy.yaml");
    edit(&policy, "rule: Revert", "rule: Revert\n    mdp: true");
    let socs = planned(lab, "soc.reset");
    let soc = &socs[0];
    lab.run("state", &["rack", "fault", &format!("reset-fails:{soc}")])
        .expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(22);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    socs
}

fn shown(lab: &Lab) -> String {
    lab.run("state", &["rack", "show"]).expect(0).stdout
}

#[test]
fn a_strangers_reset_after_down_turns_nothing_on() {
    let lab = Lab::new();
    let socs = stopped(&lab);
    let resets = lab.registers("state").resets;
    let said = lab.run("state", &["down", "--yes"]).expect(0).stdout;
    assert!(
        said.contains("stays off: takes back what waits for its next reset"),
        "{said}"
    );
    assert_eq!(lab.registers("state").resets, resets, "nothing to reset");
    for soc in &socs {
        lab.run("state", &["rack", "reset-soc", soc]).expect(0);
    }
    assert!(!shown(&lab).contains("MDP+"), "{}", shown(&lab));
}

/// Nothing waits once the SoCs were reset and seen: what was approved is all there is to do.
#[test]
fn a_whole_removal_is_one_plan_and_leaves_no_request() {
    let lab = configured("Manual", "rule: Revert\n    mdp: true");
    let before = lab.registers("calm").words;
    let approved = digest(&lab.run("state", &["down"]).expect(12));
    let down = ["down", "--approve-digest", &approved];
    let said = lab.run("state", &down).expect(0).stdout;
    assert!(!said.contains("stays off"), "{said}");
    assert_eq!(lab.registers("state").words, before);
    assert!(!shown(&lab).contains("after its reset"), "{}", shown(&lab));
    let again = lab.run("state", &["down"]).expect(0).stdout;
    assert!(!again.contains("mdp."), "{again}");
}
