//! A write that took and cannot be looked at: what stood there before is remembered, and put back once it can be.
use crate::lab::Lab;

/// One of the two ports that the laboratory's pair needs relaxed.
const PORT: &str = "0000:24:00.0";
/// A setting that its policy wants otherwise.
const SETTING: &str = "vm.max_map_count";

/// A laboratory whose policy sets something, and loses sight of `what` once it was written.
fn losing(what: &str, on_failure: &str) -> Lab {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let more = format!("  onFailure: {on_failure}\n  settings: {{ maxMapCount: 300000 }}\n");
    std::fs::write(&policy, format!("{text}{more}")).unwrap();
    let fault = format!("lost-once-written:{what}");
    lab.run("state", &["rack", "fault", &fault]).expect(0);
    lab
}

fn setting(lab: &Lab) -> String {
    let said = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
    let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    said["settings"]["sysctl"][SETTING]["value"].to_string()
}

#[test]
fn what_cannot_be_read_back_is_put_back_by_down() {
    for what in [PORT, SETTING] {
        let lab = losing(what, "Halt");
        let (words, count) = (lab.registers("state").words, setting(&lab));
        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
        assert!(
            ended
                .stderr
                .contains("was written, and what came of it cannot be seen"),
            "{}",
            ended.stderr
        );
        lab.run("state", &["rack", "fault", "--clear"]).expect(0);
        let changed = (lab.registers("state").words, setting(&lab));
        assert_ne!(changed, (words.clone(), count.clone()), "{what}");
        lab.run("state", &["down"]).expect(0);
        assert_eq!(
            (lab.registers("state").words, setting(&lab)),
            (words, count),
            "{what}"
        );
    }
}

#[test]
fn a_run_goes_on_once_it_can_be_read_and_all_comes_back() {
    let lab = losing(PORT, "Halt");
    let before = lab.registers("state").words;
    lab.run("state", &["apply", "-f", "declared"]).expect(22);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
}

#[test]
fn a_compensation_that_cannot_see_what_it_undoes_says_so() {
    let lab = losing(PORT, "Compensate");
    let before = lab.registers("state").words;
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    assert!(ended.stderr.contains(PORT), "{}", ended.stderr);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
}
