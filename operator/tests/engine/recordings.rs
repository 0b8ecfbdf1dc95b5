//! Recorded snapshots from the command line: sealed, redacted, expiring, compared, and useless once edited.
use std::fs;

use crd::{
    id::Digest,
    load::{SourceText, load},
    snapshot::Recording,
};
use serde_json::Value;

use crate::lab::Lab;

const PLAN: [&str; 5] = ["plan", "-f", "declared", "--snapshot", "one.yaml"];

/// A laboratory with its machine recorded in `one.yaml`.
pub fn recorded(more: &[&str]) -> Lab {
    let lab = Lab::new();
    let arguments = [&["snapshot", "--out", "one.yaml"], more].concat();
    lab.run("state", &arguments).expect(0);
    lab
}

fn text(lab: &Lab, name: &str) -> String {
    fs::read_to_string(lab.path(name)).unwrap()
}

/// Replaces one value in `one.yaml`.
fn edit(lab: &Lab, from: &str, to: &str) {
    let whole = text(lab, "one.yaml");
    assert!(whole.contains(from), "{from} is not in {whole}");
    fs::write(lab.path("one.yaml"), whole.replacen(from, to, 1)).unwrap();
}

/// Seals `one.yaml` anew, with another time until which it counts.
fn expire(lab: &Lab, until: &str) {
    let loaded = load(&[SourceText::new("one.yaml", text(lab, "one.yaml"))]);
    let snapshot = loaded.snapshots[0].snapshot.clone().sealed(Recording {
        tool: "test".into(),
        taken_at: Some("2020-01-01T00:00:00.000Z".into()),
        expires_at: Some(until.into()),
        redaction: None,
        hash: Digest(String::new()),
    });
    let written = crd::write::to_yaml(&snapshot).unwrap();
    fs::write(lab.path("one.yaml"), written).unwrap();
}

/// A file as an entry of a `List`, as `kubectl get -o yaml` prints them.
fn listed(text: &str) -> String {
    let text = text.trim_start_matches("---\n").trim_end();
    let entry = text.replace('\n', "\n  ");
    format!("apiVersion: v1\nkind: List\nmetadata:\n  resourceVersion: \"\"\nitems:\n- {entry}\n")
}

#[test]
fn a_list_plans_as_its_entries_do() {
    let lab = recorded(&[]);
    let alone = lab.plain(&PLAN).expect(0).stdout;
    let one = listed(&text(&lab, "one.yaml"));
    fs::write(lab.path("one.yaml"), one).unwrap();
    assert_eq!(lab.plain(&PLAN).expect(0).stdout, alone);
    let said = lab.plain(&["snapshot", "verify", "one.yaml"]).expect(0);
    assert!(said.stdout.contains("whole"), "{}", said.stdout);
    for name in ["group", "model", "policy"] {
        let name = format!("declared/{name}.yaml");
        fs::write(lab.path(&name), listed(&text(&lab, &name))).unwrap();
    }
    // The same but for the lines of the list that stand above each entry.
    let further = alone.lines().map(|line| match line.rsplit_once(".yaml:") {
        Some((before, number)) => {
            format!("{before}.yaml:{}\n", number.parse::<u32>().unwrap() + 5)
        }
        None => format!("{line}\n"),
    });
    assert_eq!(
        lab.plain(&PLAN).expect(0).stdout,
        further.collect::<String>()
    );
}

#[test]
fn a_recording_is_the_same_bytes_each_time_and_whole() {
    let lab = recorded(&[]);
    let first = text(&lab, "one.yaml");
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    assert_eq!(text(&lab, "one.yaml"), first);
    let json = lab
        .run("state", &["snapshot", "-o", "json"])
        .expect(0)
        .stdout;
    assert_eq!(json.lines().count(), 1, "canonical JSON is one line");
    fs::write(lab.path("one.json"), json).unwrap();
    for file in ["one.yaml", "one.json"] {
        let said = lab.plain(&["snapshot", "verify", file]).expect(0);
        assert!(said.stdout.contains("aic-01  4 SoCs") && said.stdout.contains("whole"));
        assert_eq!(said.stderr, "");
    }
    lab.plain(&["snapshot", "diff", "one.yaml", "one.json"])
        .expect(0);
}

#[test]
fn an_edited_recording_is_stale_and_the_edit_can_be_seen() {
    let lab = recorded(&[]);
    fs::copy(lab.path("one.yaml"), lab.path("original.yaml")).unwrap();
    edit(&lab, "control: '0x001d'", "control: '0x0011'");
    for arguments in [&PLAN[..], &["snapshot", "verify", "one.yaml"]] {
        let refused = lab.plain(arguments).expect(11);
        assert!(refused.stderr.contains("SP-V0101"), "{}", refused.stderr);
        assert!(refused.stderr.contains("edited"), "{}", refused.stderr);
    }
    let said = lab
        .plain(&["snapshot", "diff", "original.yaml", "one.yaml"])
        .expect(1)
        .stdout;
    assert!(
        said.contains("ACS control") && said.contains("0x001d -> 0x0011"),
        "{said}"
    );
}

#[test]
fn several_problems_are_told_at_once_with_their_places() {
    let lab = recorded(&[]);
    edit(&lab, "parent: \"0000:20:01.0\"", "parent: \"0000:99:01.0\"");
    edit(
        &lab,
        "address: \"0000:20:01.0\"",
        "address: \"0000:f0:01.0\"",
    );
    let said = lab.plain(&["snapshot", "verify", "one.yaml"]).expect(65);
    for part in [
        "SP-V0101",
        "SP-V0102",
        "SP-V0103",
        "one.yaml:",
        "0000:99:01.0",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert!(said.stdout.contains("problems"), "{}", said.stdout);
    lab.plain(&PLAN).expect(65);
    lab.plain(&["snapshot", "diff", "one.yaml", "one.yaml"])
        .expect(65);
    let json = lab
        .plain(&["snapshot", "verify", "one.yaml", "-o", "json"])
        .expect(65);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json["diagnostics"].as_array().unwrap().len() >= 3);
    assert_eq!(json["exit"]["code"], 65);
}

#[test]
fn an_expired_recording_is_used_only_when_somebody_says_so() {
    let lab = recorded(&["--expires-in", "7d"]);
    let whole = text(&lab, "one.yaml");
    assert!(whole.contains("expiresAt: \""), "{whole}");
    lab.plain(&PLAN).expect(0);
    expire(&lab, "2020-01-08T00:00:00.000Z");
    let refused = lab.plain(&PLAN).expect(11);
    assert!(
        refused.stderr.contains("expired at 2020-01-08")
            && refused.stderr.contains("--allow-expired"),
        "{}",
        refused.stderr
    );
    let verified = lab.plain(&["snapshot", "verify", "one.yaml"]).expect(11);
    assert!(verified.stderr.contains("SP-V0104"), "{}", verified.stderr);
    let allowed = lab
        .plain(&[&PLAN[..], &["--allow-expired"]].concat())
        .expect(0);
    assert!(allowed.stderr.contains("expired"), "{}", allowed.stderr);
    // When it ends is sealed as well.
    edit(&lab, "2020-01-08", "2099-01-08");
    lab.plain(&PLAN).expect(11);
}

#[test]
fn a_redacted_recording_plans_alike_and_names_nobody() {
    let lab = recorded(&[]);
    fs::write(lab.path("key"), *b"a key of thirty-two bytes for it").unwrap();
    let redact = [
        "snapshot",
        "--redact",
        "--redact-key",
        "key",
        "--out",
        "other.yaml",
    ];
    let said = lab.run("state", &redact).expect(0).stderr;
    assert!(said.contains("aic-01 is recorded as node-") && said.contains("its digest is b3:"));
    let first = text(&lab, "other.yaml");
    lab.run("state", &redact).expect(0);
    assert_eq!(
        first,
        text(&lab, "other.yaml"),
        "the same key, the same pseudonyms"
    );
    assert!(!first.contains("aic-01"));
    lab.plain(&["snapshot", "verify", "other.yaml"]).expect(0);
    let steps = |file: &str| -> Vec<String> {
        let plan = ["plan", "-f", "declared", "--snapshot", file, "-o", "json"];
        let plan: Value = serde_json::from_str(&lab.plain(&plan).expect(0).stdout).unwrap();
        let steps = plan["nodes"][0]["steps"].as_array().unwrap().iter();
        steps.map(|step| step["verb"].to_string()).collect()
    };
    assert_eq!(steps("one.yaml"), steps("other.yaml"));
    let diff = lab
        .plain(&["snapshot", "diff", "one.yaml", "other.yaml"])
        .expect(1)
        .stdout;
    assert!(diff.contains("Node aic-01 -> node-"), "{diff}");
    assert!(!diff.contains("ACS"), "{diff}");
    let once = |lab: &Lab| lab.run("state", &["snapshot", "--redact"]).expect(0).stdout;
    assert_ne!(once(&lab), once(&lab), "a secret of its own each time");
}

#[test]
fn what_moved_is_named_by_function_and_pointer() {
    let lab = recorded(&[]);
    for (target, value) in [
        ("0000:24:00.0/acs", "0x0011"),
        ("0000:25:00.0/mdp", "on"),
        ("vm.max_map_count", "2048000"),
    ] {
        lab.run("state", &["rack", "set", target, value]).expect(0);
    }
    lab.run("state", &["rack", "unplug", "0000:26:00.0"])
        .expect(0);
    lab.run(
        "state",
        &["rack", "hold", "0000:27:00.0", "--by", "python3"],
    )
    .expect(0);
    lab.run("state", &["snapshot", "--out", "two.yaml"])
        .expect(0);
    let diff = ["snapshot", "diff", "one.yaml", "two.yaml"];
    let said = lab.plain(&diff).expect(1).stdout;
    for part in [
        "port 0000:24:00.0",
        "ACS control",
        "0x001d -> 0x0011",
        "SoC 0000:25:00.0",
        "off -> on",
        "65530 -> 2048000",
        "is gone",
        "python3 came",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.matches("is gone").count(), 1, "{said}");
    let json = lab
        .plain(&[&diff[..], &["-o", "json"]].concat())
        .expect(1)
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["formatVersion"], "1.0");
    assert_eq!(json["exit"]["code"], 1);
    let changes = json["nodes"][0]["changes"].as_array().unwrap();
    let word = changes
        .iter()
        .find(|change| change["subject"] == "port 0000:24:00.0")
        .unwrap();
    assert_eq!(
        (word["before"].as_str(), word["after"].as_str()),
        (Some("0x001d"), Some("0x0011"))
    );
    assert!(
        word["beforePointer"]
            .as_str()
            .unwrap()
            .ends_with("/acs/value/control")
    );
    let plan = ["plan", "-f", "declared", "--snapshot", "two.yaml"];
    lab.plain(&plan).expect(0);
}

#[test]
fn what_cannot_be_recorded_or_read_has_its_code() {
    let lab = recorded(&[]);
    fs::write(lab.path("short"), "secret").unwrap();
    fs::write(lab.path("constant"), [b'a'; 32]).unwrap();
    for (arguments, code) in [
        (&["snapshot", "--expires-in", "7"][..], 64),
        (&["snapshot", "--expires-in", "0d"], 64),
        (&["snapshot", "--keep-label", "role"], 64),
        (&["snapshot", "--redact-key", "short"], 64),
        (&["snapshot", "verify", "one.yaml"], 64),
        (&["snapshot", "--redact", "--redact-key", "gone"], 66),
        (&["snapshot", "--redact", "--redact-key", "short"], 65),
        (&["snapshot", "--redact", "--redact-key", "constant"], 65),
    ] {
        lab.run("state", arguments).expect(code);
    }
    for (arguments, code) in [
        (&["snapshot", "diff", "one.yaml"][..], 64),
        (&["snapshot", "diff", "one.yaml", "one.yaml", "--typo"], 64),
        (&["snapshot", "diff", "one.yaml", "gone.yaml"], 66),
        (&["snapshot", "diff", "one.yaml", "rack.yaml"], 65),
        (&["snapshot", "verify"], 64),
        (&["snapshot", "verify", "gone.yaml"], 66),
        (&["snapshot", "verify", "rack.yaml"], 65),
        (&["plan", "-f", "declared", "--allow-expired"], 64),
    ] {
        lab.plain(arguments).expect(code);
    }
    let by_hand = text(&lab, "one.yaml");
    let by_hand = by_hand.split("recording:").next().unwrap();
    fs::write(lab.path("one.yaml"), by_hand).unwrap();
    let planned = lab.plain(&PLAN).expect(0);
    assert!(planned.stderr.contains("SP-V0100"), "{}", planned.stderr);
    lab.plain(&["snapshot", "verify", "one.yaml"]).expect(65);
}

#[test]
fn several_recordings_in_one_json_document_are_read_as_they_are_written() {
    let lab = Lab::new();
    let rack = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/racks/mixed.yaml");
    let place = ["--rack", rack, "--state-dir", "state"];
    for (format, file) in [("json", "all.json"), ("yaml", "all.yaml")] {
        let arguments = ["snapshot", "-o", format, "--out", file];
        lab.plain(&[&arguments[..], &place].concat()).expect(0);
    }
    assert!(text(&lab, "all.json").starts_with('['));
    let plan = |file: &str| {
        let arguments = ["plan", "-f", "declared", "-o", "json", "--snapshot", file];
        let plan: Value = serde_json::from_str(&lab.plain(&arguments).expect(0).stdout).unwrap();
        (
            plan["nodes"].as_array().unwrap().len(),
            plan["digest"].clone(),
        )
    };
    assert_eq!(plan("all.json"), plan("all.yaml"));
    assert_eq!(plan("all.json").0, 2);
    let said = lab.plain(&["snapshot", "verify", "all.json"]).expect(0);
    assert_eq!(said.stdout.matches("whole").count(), 2, "{}", said.stdout);
    lab.plain(&["snapshot", "diff", "all.json", "all.yaml"])
        .expect(0);
    let edited = text(&lab, "all.json").replacen("0x001d", "0x0011", 1);
    fs::write(lab.path("all.json"), edited).unwrap();
    let said = lab.plain(&["snapshot", "verify", "all.json"]).expect(11);
    assert!(said.stderr.contains("all.json:1:"), "{}", said.stderr);
}

/// Yesterday's and today's of one machine are two recordings, and no mistake.
#[test]
fn two_recordings_of_a_machine_are_each_verified() {
    let lab = recorded(&[]);
    lab.run("state", &["rack", "set", "vm.max_map_count", "70000"])
        .expect(0);
    lab.run("state", &["snapshot", "--out", "two.yaml"])
        .expect(0);
    let both = ["snapshot", "verify", "one.yaml", "two.yaml"];
    let said = lab.plain(&both).expect(0).stdout;
    assert_eq!(said.matches("  whole").count(), 2, "{said}");
    edit(&lab, "aic-01", "aic-02");
    let said = lab.plain(&both).expect(11).stdout;
    assert_eq!(said.matches("  whole").count(), 1, "{said}");
}

/// Policies select by labels that a machine does not know of itself.
#[test]
fn labels_of_a_node_are_recorded_as_they_are_given() {
    let lab = Lab::new();
    let record = [
        "snapshot",
        "--rack",
        "rack.yaml",
        "--label",
        "tier=inference",
        "--label",
        "example.com/pool=",
        "--out",
        "one.yaml",
    ];
    lab.plain(&record).expect(0);
    lab.plain(&["snapshot", "verify", "one.yaml"]).expect(0);
    let recorded = fs::read_to_string(lab.path("one.yaml")).unwrap();
    for line in ["tier: inference", "example.com/pool: ''"] {
        assert!(recorded.contains(line), "{line}: {recorded}");
    }
    for wrong in ["tier", "=x", "tier=a b"] {
        let said = lab
            .plain(&["snapshot", "--rack", "rack.yaml", "--label", wrong])
            .expect(64);
        assert!(said.stderr.contains("tier=inference"), "{}", said.stderr);
    }
}
