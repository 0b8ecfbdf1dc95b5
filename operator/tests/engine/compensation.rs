//! A failed step under `onFailure`: what was done stays, or is undone exactly.
use std::fs;

use crate::lab::Lab;

/// The second of the two ports that the laboratory's pair needs relaxed.
const STUBBORN: &str = "0000:24:01.0";

/// A laboratory whose policy says this beside all else.
fn with_policy(more: &str) -> Lab {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{text}{more}\n")).unwrap();
    lab
}

/// A laboratory whose policy answers a failure so, and one port that ignores writes.
fn failing(on_failure: &str) -> Lab {
    let lab = with_policy(&format!("  onFailure: {on_failure}"));
    let fault = format!("write-ignored:{STUBBORN}");
    lab.run("state", &["rack", "fault", &fault]).expect(0);
    lab
}

#[test]
fn a_failed_run_is_undone_and_the_next_one_converges() {
    let lab = failing("Compensate");
    let before = lab.registers("state").words;
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(21);
    let undone = ended.stderr.lines().filter(|line| line.contains("undone:"));
    let ports: Vec<&str> = undone.filter(|line| line.contains("acs.clear")).collect();
    assert_eq!(ports.len(), 1, "{}", ended.stderr);
    assert!(ports[0].contains("0000:24:00.0"), "{ports:?}");
    assert_eq!(lab.registers("state").words, before);

    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
}

#[test]
fn a_halted_run_keeps_what_was_done_and_names_the_port() {
    let lab = failing("Halt");
    let before = lab.registers("state").words;
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    assert!(ended.stderr.contains(STUBBORN), "{}", ended.stderr);
    let after = lab.registers("state").words;
    let changed = before.iter().filter(|(port, word)| after[*port] != **word);
    assert_eq!(changed.count(), 1);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
}

/// What a reset has taken up cannot be undone but by another: it stays, is told, and is taken back as all else of ours.
#[test]
fn partitioning_that_a_reset_took_up_stays_in_the_ledger() {
    let mdp = |lab: &Lab| {
        let arguments = ["snapshot", "-o", "json"];
        let said = lab.run("state", &arguments).expect(0).stdout;
        let snapshot: serde_json::Value = serde_json::from_str(&said).unwrap();
        let socs = snapshot["socs"].as_array().unwrap().iter();
        let on = socs.filter(|soc| soc["mdp"]["value"] == serde_json::json!(true));
        on.count()
    };
    for fault in [
        "setting-forbidden:vm.max_map_count",
        "p2p-corrupt:0000:25:00.0",
    ] {
        let lab = with_policy("    mdp: true\n  onFailure: Compensate");
        let before = lab.registers("state").words;
        lab.run("state", &["rack", "fault", fault]).expect(0);
        let apply = ["apply", "-f", "declared"];
        let said = lab.run("state", &apply).expect(22).stdout;
        let kept = said.matches("a reset has taken it up since").count();
        assert_eq!(kept, 2, "{fault}: {said}");
        assert_eq!(lab.registers("state").words, before, "{fault}: {said}");
        assert_eq!(mdp(&lab), 2, "{fault}");
        lab.run("state", &["rack", "fault", "--clear"]).expect(0);
        // Nothing lies in the cards that a reset would bring out.
        for soc in ["0000:25:00.0", "0000:26:00.0"] {
            lab.run("state", &["rack", "reset-soc", soc]).expect(0);
        }
        assert_eq!(mdp(&lab), 2, "{fault}");
        lab.run("state", &["down", "--yes"]).expect(0);
        assert_eq!(mdp(&lab), 0, "{fault}");
    }
}
