//! Plans as people and programs read them: stable bytes, a stable digest, and saved plans that know when they are stale.
use std::fs;

use serde_json::Value;

use crate::lab::Lab;

fn json(lab: &Lab, declared: &str) -> Value {
    let plan = lab
        .run("state", &["plan", "-f", declared, "-o", "json"])
        .expect(0);
    serde_json::from_str(&plan.stdout).unwrap()
}

#[test]
fn the_text_is_as_recorded() {
    let lab = Lab::new();
    let seen = lab
        .run("state", &["plan", "-f", "declared"])
        .expect(0)
        .stdout;
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/plan.txt");
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 records what is seen")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(recorded, &seen).unwrap();
    }
    assert_eq!(seen, fs::read_to_string(recorded).unwrap());
}

#[test]
fn twice_is_the_same_bytes_and_a_comment_keeps_the_digest() {
    let lab = Lab::new();
    for format in ["text", "wide", "json", "yaml"] {
        let plan = || {
            lab.run("state", &["plan", "-f", "declared", "-o", format])
                .expect(0)
                .stdout
        };
        assert_eq!(plan(), plan(), "{format}");
    }
    let before = json(&lab, "declared");
    let group = lab.path("declared/group.yaml");
    fs::write(
        &group,
        format!("# a comment\n\n{}", fs::read_to_string(&group).unwrap()),
    )
    .unwrap();
    fs::rename(lab.path("declared"), lab.path("moved")).unwrap();
    let after = json(&lab, "moved");
    assert_eq!(before["digest"], after["digest"]);
    assert_eq!(before["nodes"][0]["digest"], after["nodes"][0]["digest"]);
    assert_ne!(before["inputs"], after["inputs"]);
}

#[test]
fn the_document_has_the_names_that_programs_rely_on() {
    let plan = json(&Lab::new(), "declared");
    for name in [
        "formatVersion",
        "kind",
        "tool",
        "inputs",
        "applyable",
        "complete",
        "errored",
        "summary",
        "disruption",
        "objects",
        "nodes",
        "report",
        "digest",
        "exit",
    ] {
        assert!(plan.get(name).is_some(), "{name}");
    }
    assert_eq!(plan["exit"], serde_json::json!({ "code": 0, "name": "ok" }));
    let ids: Vec<&Value> = plan["nodes"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["id"])
        .collect();
    let group = plan["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|o| o["object"]["kind"] == "P2PGroup")
        .unwrap();
    assert!(
        group["stepIds"]
            .as_array()
            .unwrap()
            .iter()
            .all(|id| ids.contains(&id)),
        "{group}"
    );
}

#[test]
fn a_saved_plan_is_applied_exactly_or_refused_with_the_fact_that_moved() {
    let lab = Lab::new();
    lab.run("state", &["plan", "-f", "declared", "--out", "saved.json"])
        .expect(0);
    let plan = json(&lab, "declared");
    let steps = plan["nodes"][0]["steps"].as_array().unwrap();
    let port = steps
        .iter()
        .find(|step| step["verb"] == "acs.clear")
        .unwrap()["port"]["address"]
        .as_str()
        .unwrap();
    // The files no longer matter: the plan carries its declaration.
    fs::remove_file(lab.path("declared/policy.yaml")).unwrap();
    lab.run("state", &["rack", "set", &format!("{port}/acs"), "0x0011"])
        .expect(0);
    let untouched = lab.registers("state");
    let refused = lab.run("state", &["apply", "saved.json"]).expect(11);
    assert!(
        refused.stderr.contains(port) && refused.stderr.contains("was 0x001d, is 0x0011"),
        "{}",
        refused.stderr
    );
    assert_eq!(lab.registers("state"), untouched);
    lab.run("state", &["rack", "set", &format!("{port}/acs"), "0x001d"])
        .expect(0);
    lab.run("state", &["apply", "saved.json"]).expect(0);
    lab.run("state", &["apply", "saved.json"]).expect(11);
}

#[test]
fn a_word_in_a_saved_plan_that_means_nothing_is_not_passed_over() {
    let lab = Lab::new();
    let save = ["plan", "-f", "declared", "--out", "saved.json"];
    lab.run("state", &save).expect(0);
    let saved: Value = serde_json::from_slice(&fs::read(lab.path("saved.json")).unwrap()).unwrap();
    let apply = |place: &str, version: &str| {
        let mut other = saved.clone();
        other["formatVersion"] = version.into();
        let (parent, key) = place.rsplit_once('/').unwrap();
        let parent = other.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.insert(key.to_owned(), "yes".into());
        fs::write(lab.path("saved.json"), other.to_string()).unwrap();
        lab.run("state", &["apply", "saved.json"])
    };
    for place in [
        "/approved",
        "/plan/nodes/0/skip",
        "/plan/nodes/0/steps/1/dryRun",
    ] {
        let said = apply(place, "1.0").expect(65).stderr;
        assert!(said.contains(&format!("`{place}`")), "{said}");
    }
    assert!(lab.registers("state").resets.is_empty());
    // Whoever saved it knew more; what is known here is the same.
    apply("/approved", "1.1").expect(0);
}

#[test]
fn a_plan_from_a_recorded_snapshot_is_the_live_one() {
    let lab = Lab::new();
    let live = json(&lab, "declared");
    lab.run("state", &["snapshot", "--out", "snapshot.yaml"])
        .expect(0);
    let offline = lab
        .plain(&[
            "plan",
            "-f",
            "declared",
            "--snapshot",
            "snapshot.yaml",
            "-o",
            "json",
        ])
        .expect(0);
    let offline: Value = serde_json::from_str(&offline.stdout).unwrap();
    assert_eq!(live["digest"], offline["digest"]);
    assert_eq!(live["inputs"]["snapshots"], offline["inputs"]["snapshots"]);
}

#[test]
fn the_document_spares_its_readers_the_derivation() {
    let lab = Lab::new();
    let plan = json(&lab, "declared");
    assert_eq!(plan["mode"], "normal");
    assert_eq!(plan["summary"]["reset"], 2);
    assert_eq!(plan["summary"]["compile"], 1);
    assert_eq!(plan["drift"], serde_json::json!([]));
    let steps = plan["nodes"][0]["steps"].as_array().unwrap();
    for step in steps {
        for key in [
            "node",
            "target",
            "scope",
            "exactness",
            "reason",
            "rule",
            "verify",
            "inverse",
        ] {
            assert!(!step[key].is_null(), "{key} of {step}");
        }
        assert!(!step["causes"].as_array().unwrap().is_empty());
    }
    let clear = steps
        .iter()
        .find(|step| step["verb"] == "acs.clear")
        .unwrap();
    assert_eq!(clear["write"]["mask"], "0x000c");
    assert_eq!(clear["scope"], "port");
    let cause = &clear["causes"][0];
    assert!(
        cause["file"].is_string() && cause["line"].is_u64(),
        "{cause}"
    );
    let group = plan["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["address"] == "P2PGroup/pair")
        .unwrap();
    let words: Vec<_> = group["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["fact"]["fact"] == "acs.control")
        .map(|change| (change["before"].clone(), change["after"].clone()))
        .collect();
    assert_eq!(
        words,
        [
            ("0x001d".into(), "0x0011".into()),
            ("0x001d".into(), "0x0011".into())
        ]
    );
}

#[test]
fn the_kernels_command_line_names_the_ports_of_the_plan() {
    let lab = Lab::new();
    let ask = ["plan", "-f", "declared", "--boot-parameters"];
    let text = lab.run("state", &ask).expect(0).stdout;
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let root = "0000:20:01.0/00.0/00.0/00.0";
    assert_eq!(
        lines,
        [
            format!("pci=disable_acs_redir={root}/00.0;{root}/01.0"),
            format!("pci=config_acs=x0100x1@{root}/00.0;x0100x1@{root}/01.0"),
        ]
    );
    assert!(
        text.contains("6.1 left 0x0011") && text.contains("7.3 left 0x0000"),
        "{text}"
    );
    assert!(text.contains("from 6.11, not this one"), "{text}");
    let json = [&ask[..], &["-o", "json"]].concat();
    let said: Value = serde_json::from_str(&lab.run("state", &json).expect(0).stdout).unwrap();
    assert_eq!(said[0]["ports"][0]["word"], "0x0011");
    lab.run("state", &[&ask[..], &["--out", "x"]].concat())
        .expect(64);
}
