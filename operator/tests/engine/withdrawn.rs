//! A request for partitioning that no reset took up is not left behind for whoever resets the SoC next.
use crate::{
    lab::Lab,
    left_alone::{edit, planned},
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
