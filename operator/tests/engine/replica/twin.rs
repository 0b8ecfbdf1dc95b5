//! A recorded server as a rack, from the command line: planned, applied and undone as the original.
use std::fs;

use crate::lab::Lab;

#[test]
fn a_recorded_server_is_planned_applied_and_undone_as_the_original() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &["rack", "set", "0000:24:00.0/acs", "0x001d"])
        .expect(0);
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    lab.plain(&["rack", "from-snapshot", "one.yaml", "--out", "twin.yaml"])
        .expect(0);
    lab.plain(&["rack", "from-snapshot", "one.yaml", "--out", "twin.yaml"])
        .expect(73);
    lab.plain(&["validate", "-f", "twin.yaml"]).expect(0);
    let twin = |arguments: &[&str]| {
        let place = ["--rack", "twin.yaml", "--state-dir", "twin"];
        lab.plain(&[arguments, &place].concat())
    };
    let digest = |text: &str| -> serde_json::Value {
        let plan: serde_json::Value = serde_json::from_str(text).unwrap();
        plan["nodes"][0]["digest"].clone()
    };
    let plan = ["plan", "-f", "declared", "-o", "json"];
    let original = digest(&lab.run("state", &plan).expect(0).stdout);
    assert_eq!(digest(&twin(&plan).expect(0).stdout), original);
    // The ledger came with it: a word that came back is cleared again, and all goes back at the end.
    let said = twin(&["apply", "-f", "declared"]).expect(0).stdout;
    assert!(said.contains("0000:24:00.0"), "{said}");
    twin(&["snapshot", "--out", "two.yaml"]).expect(0);
    lab.plain(&["snapshot", "verify", "two.yaml"]).expect(0);
    let down = twin(&["down", "--yes"]).expect(0).stdout;
    assert!(down.contains("0x0011 -> 0x001d"), "{down}");
    assert!(
        twin(&["plan", "-f", "declared"])
            .expect(0)
            .stdout
            .contains("acs.clear")
    );
    // What was edited is no machine.
    let whole = fs::read_to_string(lab.path("one.yaml")).unwrap();
    fs::write(lab.path("one.yaml"), whole.replacen("qaic", "vfio", 1)).unwrap();
    lab.plain(&["rack", "from-snapshot", "one.yaml"]).expect(11);
    lab.plain(&["rack", "from-snapshot", "gone.yaml"])
        .expect(66);
    lab.plain(&["rack", "from-snapshot", "rack.yaml"])
        .expect(65);
    lab.plain(&["rack", "from-snapshot"]).expect(64);
}
