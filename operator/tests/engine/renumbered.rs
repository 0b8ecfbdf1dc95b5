//! A card added below the others shifts their bus numbers while the ledger stays: nothing is touched, and the cause is told.
use serde_json::Value;

use crate::lab::Lab;

/// A root port before the pair's, which firmware hides while nothing is in its slot.
const SLOT: &str = "0000:20:00.0";

fn json(lab: &Lab, arguments: &[&str], code: i32) -> Value {
    serde_json::from_str(&lab.run("state", arguments).expect(code).stdout).unwrap()
}

fn socs(lab: &Lab) -> usize {
    let seen = json(lab, &["snapshot", "-o", "json"], 0);
    seen["socs"].as_array().unwrap().len()
}

#[test]
fn a_card_added_below_shifts_numbers_and_nothing_is_touched() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let right = lab.registers("state");
    lab.run("state", &["rack", "plug", SLOT, "--card", "pro"])
        .expect(0);
    // It has no bus number before the next boot.
    assert_eq!((socs(&lab), lab.registers("state")), (4, right));
    let shown = lab.run("state", &["rack", "show"]).expect(0);
    let waits = "plugged    Pro card below 0000:20:00.0, on the bus after the next boot";
    assert!(shown.stdout.contains(waits), "{}", shown.stdout);
    let shown = json(&lab, &["rack", "show", "-o", "json"], 0);
    assert_eq!(shown["servers"][0]["seenAfterBoot"][0], SLOT);
    lab.run("state", &["plan", "-f", "declared", "--detailed-exitcode"])
        .expect(0);
    lab.run("state", &["rack", "reboot"]).expect(0);
    assert_eq!(socs(&lab), 5);
    let shifted = lab.registers("state");
    let plan = json(
        &lab,
        &[
            "plan",
            "-f",
            "declared",
            "--detailed-exitcode",
            "-o",
            "json",
        ],
        0,
    );
    let report = plan["report"].as_array().unwrap();
    let of = |kind: &str| -> Vec<&Value> {
        let lines = report.iter().filter(|line| line["kind"] == kind);
        lines.collect()
    };
    // One goal is blocked, for one cause; two ports and two SoCs are told to be elsewhere.
    let reasons = |kind: &str| -> Vec<&Value> {
        let lines = of(kind).into_iter();
        lines.map(|line| &line["reason"]).collect()
    };
    assert_eq!(reasons("blocked"), ["Renumbered"], "{report:#?}");
    assert_eq!(reasons("drift"), ["Renumbered"; 4], "{report:#?}");
    for arguments in [
        ["apply", "-f", "declared"].as_slice(),
        &["down", "--yes"],
        &["apply", "-f", "declared"],
    ] {
        lab.run("state", arguments).expect(12);
        assert_eq!(lab.registers("state"), shifted, "{arguments:?}");
    }
    // Out again, the numbers are the old ones, and so is the way on.
    lab.run("state", &["rack", "unplug", SLOT]).expect(0);
    lab.run("state", &["rack", "reboot"]).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &["plan", "-f", "declared", "--detailed-exitcode"])
        .expect(0);
}

#[test]
fn a_card_goes_where_there_is_room_alone() {
    let lab = Lab::new();
    for (port, said) in [
        // The card's own port, a SoC, a bus that is no root bus.
        ("0000:22:00.0", "a card cannot be put below 0000:22:00.0"),
        ("0000:25:00.0", "none is empty"),
        ("0000:99:00.0", "an address on a root bus (0000:20)"),
    ] {
        let refused = lab.run("state", &["rack", "plug", port]);
        assert!(
            refused.code != 0 && refused.stderr.contains(said),
            "{port}: {} {}",
            refused.code,
            refused.stderr
        );
    }
    let refused = lab.run("state", &["rack", "plug", SLOT, "--card", "huge"]);
    assert!(
        refused.code != 0
            && refused
                .stderr
                .contains("`huge` is no card; give one of standard"),
        "{}",
        refused.stderr
    );
    lab.run("state", &["rack", "plug", SLOT]).expect(0);
    let twice = lab.run("state", &["rack", "plug", SLOT]);
    assert!(twice.code != 0, "{}", twice.stderr);
}
