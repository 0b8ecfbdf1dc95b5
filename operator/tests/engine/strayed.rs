//! A partitioning request that another SoC took than the one that was meant, because QIDs moved: it is remembered of both, told, and
//! taken back.
use std::fs;

use serde_json::Value;

use crate::lab::Lab;

/// Who is asked first, by its QID, and who has that QID once it is gone.
const ASKED: &str = "0000:25:00.0";
const TAKER: &str = "0000:26:00.0";

/// A laboratory whose policy takes partitioning back, and whose first SoC leaves when it is asked.
fn leaving(on_failure: &str, rule: &str) -> Lab {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    let text = text.replace("    rule: Revert\n", rule);
    fs::write(&policy, format!("{text}  onFailure: {on_failure}\n")).unwrap();
    let fault = format!("leaves-when-asked:{ASKED}");
    lab.run("state", &["rack", "fault", &fault]).expect(0);
    lab
}

/// SoCs whose partitioning the ledger knows of.
fn remembered(lab: &Lab) -> Vec<String> {
    let seen = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
    let seen: Value = serde_json::from_str(&seen.stdout).unwrap();
    let entries = seen["ledger"]["entries"].as_array().into_iter().flatten();
    let socs = entries.filter_map(|entry| Some(entry["target"]["soc"].as_str()?.to_owned()));
    socs.collect()
}

/// Whether the taker comes up partitioned at its next reset, by whomever.
fn comes_up_partitioned(lab: &Lab) -> bool {
    lab.run("state", &["rack", "reset-soc", TAKER]).expect(0);
    lab.run("state", &["rack", "wait", "1200"]).expect(0);
    let seen = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
    let seen: Value = serde_json::from_str(&seen.stdout).unwrap();
    let socs = seen["socs"].as_array().unwrap();
    let taker = socs.iter().find(|soc| soc["address"] == TAKER).unwrap();
    taker["mdp"]["value"] == true
}

fn replugged(lab: &Lab) {
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    lab.run("state", &["rack", "replug", ASKED]).expect(0);
    lab.run("state", &["rack", "wait", "1200"]).expect(0);
}

#[test]
fn whoever_took_it_is_remembered_and_taken_back() {
    for rule in [
        "    rule: Revert\n    mdp: true\n",
        "    rule: Revert\n",
        "    rule: Retain\n",
    ] {
        let lab = leaving("Halt", rule);
        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
        let said = format!(
            "partitioning was requested of {ASKED} as QID 0, and {TAKER} may have taken the request instead"
        );
        assert!(ended.stdout.contains(&said), "{}", ended.stdout);
        assert_eq!(remembered(&lab), [ASKED, TAKER]);
        replugged(&lab);
        lab.run("state", &["down"]).expect(0);
        assert!(!comes_up_partitioned(&lab), "{rule}");
    }
}

#[test]
fn a_compensation_takes_it_back_from_whoever_took_it() {
    let lab = leaving("Compensate", "    rule: Revert\n    mdp: true\n");
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    // Who was meant is away, and the ledger keeps it.
    assert_eq!(remembered(&lab), [ASKED], "{}", ended.stderr);
    assert!(!comes_up_partitioned(&lab), "{}", ended.stderr);
    replugged(&lab);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(remembered(&lab), [""; 0]);
}

#[test]
fn the_next_run_goes_on_with_both() {
    let lab = leaving("Halt", "    rule: Revert\n    mdp: true\n");
    let before = lab.registers("state").words;
    lab.run("state", &["apply", "-f", "declared"]).expect(22);
    replugged(&lab);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
    assert_eq!(remembered(&lab), [""; 0]);
}
