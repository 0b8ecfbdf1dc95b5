//! A write that took and cannot be looked at: what stood there before is remembered, and put back once it can be.
use crate::lab::Lab;

/// One of the two ports that the laboratory's pair needs relaxed.
const PORT: &str = "0000:24:00.0";
/// A setting that its policy wants otherwise.
const SETTING: &str = "vm.max_map_count";

/// A laboratory that loses sight of `what` once it was written.
fn losing(what: &str, on_failure: &str) -> Lab {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{text}  onFailure: {on_failure}\n")).unwrap();
    let fault = format!("lost-once-written:{what}");
    lab.run("state", &["rack", "fault", &fault]).expect(0);
    lab
}

#[test]
fn what_cannot_be_read_back_is_put_back_by_down() {
    for what in [PORT, SETTING] {
        let lab = losing(what, "Halt");
        let before = lab.registers("state").words;
        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let words = "was written, and what came of it cannot be seen";
        assert!(said.contains(words), "{said}");
        lab.run("state", &["rack", "fault", "--clear"]).expect(0);
        assert_ne!(lab.registers("state").words, before, "{what}");
        lab.run("state", &["down"]).expect(0);
        assert_eq!(lab.registers("state").words, before, "{what}");
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
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        said.contains("not undone: ") && said.contains(PORT),
        "{said}"
    );
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
}

/// A request that was handed on though its tool ended badly waits in the card for the next reset, by whomever: it is remembered.
#[test]
fn a_request_whose_tool_ends_badly_is_taken_back() {
    for on_failure in ["Halt", "Compensate"] {
        let lab = Lab::new();
        let policy = lab.path("declared/policy.yaml");
        let text = std::fs::read_to_string(&policy).unwrap();
        let undone = text.replace("rule: Revert", "rule: Revert\n    mdp: true");
        assert_ne!(undone, text, "the policy reverts");
        std::fs::write(&policy, format!("{undone}  onFailure: {on_failure}\n")).unwrap();
        let fault = "tool-ends-badly:qaic-monitor-json";
        lab.run("state", &["rack", "fault", fault]).expect(0);
        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let words =
            "partitioning was requested of 0000:25:00.0, and what came of it cannot be seen";
        assert!(said.contains(words), "{said}");
        lab.run("state", &["rack", "fault", "--clear"]).expect(0);
        lab.run("state", &["down"]).expect(0);
        // The next reset has nothing to take up.
        lab.run("state", &["rack", "reset-soc", "0000:25:00.0"])
            .expect(0);
        lab.run("state", &["rack", "wait", "1200"]).expect(0);
        let seen = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
        let seen: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
        assert_eq!(
            seen["socs"][0]["mdp"]["value"], false,
            "{}",
            seen["socs"][0]
        );
    }
}
