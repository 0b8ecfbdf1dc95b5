//! The doctor from the command line: before and after apply, live and recorded, and when it cannot tell.
use std::fs;

use serde_json::Value;

use crate::lab::Lab;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The verdicts of a check.
fn verdicts(diagnosis: &Value, id: &str) -> Vec<String> {
    let findings = diagnosis["nodes"][0]["findings"].as_array().unwrap().iter();
    findings
        .filter(|found| found["id"] == id)
        .map(|found| found["verdict"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_apply_mends_fails_before_and_passes_after() {
    let lab = Lab::new();
    let before = lab.run("state", &["doctor"]).expect(10).stdout;
    for part in [
        "ACS between SoCs",
        "set: 0x001d (RR CR)",
        "apply:",
        "[acs-redirect]",
        "pci=disable_acs_redir=0000:20:01.0/",
        "which `shardplane apply` mends",
    ] {
        assert!(before.contains(part), "{part}: {before}");
    }
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    for arguments in [&["doctor"][..], &["doctor", "-f", "declared"]] {
        let after = lab.run("state", arguments).expect(0).stdout;
        assert!(after.contains("0 fail, 0 unknown"), "{after}");
        assert!(!after.contains("FAIL"), "{after}");
    }
    lab.run("state", &["rack", "set", "0000:24:00.0/acs", "0x001d"])
        .expect(0);
    lab.run("state", &["doctor", "-f", "declared"]).expect(10);
}

#[test]
fn a_recording_is_diagnosed_as_the_machine_is() {
    let lab = Lab::new();
    let live = lab.run("state", &["doctor", "-o", "json"]).expect(10);
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    let recorded = ["doctor", "--snapshot", "one.yaml", "-o", "json"];
    assert_eq!(lab.plain(&recorded).expect(10).stdout, live.stdout);
    let diagnosis = json(&live.stdout);
    assert_eq!(diagnosis["formatVersion"], "1.0");
    assert_eq!(diagnosis["kind"], "Diagnosis");
    assert_eq!(diagnosis["exit"]["code"], 10);
    assert_eq!(diagnosis["summary"]["unknown"], 0);
    assert_eq!(verdicts(&diagnosis, "bar4-size"), ["pass"]);
    let findings = diagnosis["nodes"][0]["findings"].as_array().unwrap();
    let acs = findings.iter().find(|f| f["id"] == "acs-redirect").unwrap();
    for (key, value) in [
        ("verdict", "fail"),
        ("need", "required"),
        ("mender", "apply"),
    ] {
        assert_eq!(acs[key], value);
    }
    assert_eq!(acs["functions"].as_array().unwrap().len(), 4);
    // Names make no difference to what is wrong.
    lab.run("state", &["snapshot", "--redact", "--out", "other.yaml"])
        .expect(0);
    let redacted = ["doctor", "--snapshot", "other.yaml", "-o", "json"];
    let redacted = json(&lab.plain(&redacted).expect(10).stdout);
    assert_eq!(redacted["summary"], diagnosis["summary"]);
}

#[test]
fn what_cannot_be_told_is_neither_fine_nor_wrong() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let user = rack.replace("    - name: aic-01\n", "    - name: aic-01\n      host: { access: Unprivileged }\n      settings: { controlResponseTimeoutSeconds: 2600, maxMapCount: 2048000 }\n");
    assert_ne!(user, rack);
    let user = user.replace(
        "{ sku: Ultra }",
        "{ sku: Ultra, socs: [{ mdp: on }, { mdp: on }, { mdp: on }, { mdp: on }] }",
    );
    fs::write(lab.path("rack.yaml"), user).unwrap();
    let said = lab.run("other", &["doctor", "-o", "json"]).expect(77);
    let said = json(&said.stdout);
    assert_eq!(verdicts(&said, "reader"), ["warn"]);
    assert_eq!(verdicts(&said, "common-switch"), ["unknown"]);
    assert_eq!(said["exit"]["name"], "no-permission");
}

#[test]
fn wrong_input_has_its_code() {
    let lab = Lab::new();
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    lab.run("state", &["doctor", "--snapshot", "one.yaml"])
        .expect(64);
    lab.run("state", &["doctor", "--node", "gone"]).expect(66);
    lab.run("state", &["doctor", "-f", "gone.yaml"]).expect(66);
    lab.run("state", &["doctor", "-f", "rack.yaml/x"])
        .expect(66);
    for (arguments, code) in [
        (&["doctor", "--snapshot", "gone.yaml"][..], 66),
        (&["doctor", "--snapshot", "rack.yaml"], 65),
        (&["doctor", "--snapshot", "one.yaml", "--node", "gone"], 66),
        (&["doctor", "--allow-expired"], 64),
        (&["doctor", "--typo"], 64),
    ] {
        lab.plain(arguments).expect(code);
    }
    let whole = fs::read_to_string(lab.path("one.yaml")).unwrap();
    fs::write(lab.path("one.yaml"), whole.replacen("qaic", "vfio", 1)).unwrap();
    let edited = lab.plain(&["doctor", "--snapshot", "one.yaml", "-o", "json"]);
    assert_eq!(json(&edited.expect(11).stdout)["exit"]["name"], "stale");
}
