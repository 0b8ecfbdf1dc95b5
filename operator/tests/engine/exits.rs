//! Exit codes, one table for all verbs: what was wrong, and that nothing was lost.
use crate::lab::Lab;

fn check(state: &str, arguments: &[&str], code: i32, said: &str) {
    let lab = Lab::new();
    let ended = lab.run(state, arguments).expect(code);
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(all.contains(said), "{arguments:?} said: {all}");
}

#[test]
fn a_wrong_command_line_is_64_never_2() {
    for arguments in [
        &["plan", "--detailed-exitcode", "--typo"][..],
        &["plan", "--no-such", "-f", "declared"],
        &["apply", "-f", "declared", "PLAN"],
        &["up", "-f", "declared", "--interval", "0"],
        &["plan"],
        &["apply", "-f", "declared", "--approve-digest", "node:b3:00"],
        &["rack", "fault", "sulk:1"],
    ] {
        check("state", arguments, 64, "");
    }
    assert_eq!(Lab::new().plain(&["frobnicate"]).code, 64);
    assert_eq!(Lab::new().plain(&[]).code, 64);
    assert_eq!(Lab::new().plain(&["--help"]).expect(0).stderr, "");
}

#[test]
fn what_is_missing_or_wrong_has_its_code() {
    check("state", &["plan", "-f", "gone.yaml"], 66, "gone.yaml");
    check("state", &["apply", "gone.json"], 66, "gone.json");
    check("state", &["apply", "rack.yaml"], 65, "is no saved plan");
    check(
        "state",
        &["plan", "-f", "declared", "--node", "gone"],
        66,
        "it has aic-01",
    );
    check("bin/shardplane", &["plan", "-f", "declared"], 73, "");
    let lab = Lab::new();
    std::fs::write(lab.path("bad.yaml"), "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata: {name: x}\nspec: {size: 3, automatic: {per: Card}}\n").unwrap();
    let ended = lab
        .run("state", &["plan", "--detailed-exitcode", "-f", "bad.yaml"])
        .expect(65);
    assert!(ended.stderr.contains("bad.yaml:4"), "{}", ended.stderr);
    lab.run("state", &["validate", "-f", "declared"]).expect(64);
    lab.plain(&["validate", "-f", "declared"]).expect(0);
    lab.plain(&["validate", "-f", "bad.yaml"]).expect(65);
}

#[test]
fn plan_says_2_exactly_when_a_step_can_run() {
    let lab = Lab::new();
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(2);
    lab.run("state", &["plan", "-f", "declared"]).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &plan).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.run("state", &["down"]).expect(0);
    lab.run("state", &plan).expect(2);
}

#[test]
fn leave_is_missing_off_a_terminal() {
    let lab = Lab::new();
    let policy = std::fs::read_to_string(lab.path("declared/policy.yaml")).unwrap();
    let write = |mode: &str| {
        std::fs::write(
            lab.path("declared/policy.yaml"),
            policy.replace("Automatic", mode),
        )
        .unwrap();
    };
    write("AutomaticIfNotDisruptive");
    let untouched = lab.registers("state");
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(12);
    assert!(ended.stderr.contains("--yes"), "{}", ended.stderr);
    write("Manual");
    lab.run("state", &["apply", "-f", "declared", "--yes"])
        .expect(12);
    let other = format!("node:b3:{}", "0".repeat(64));
    lab.run(
        "state",
        &["apply", "-f", "declared", "--approve-digest", &other],
    )
    .expect(11);
    assert_eq!(lab.registers("state"), untouched);
    let plan = lab
        .run("state", &["plan", "-f", "declared", "-o", "json"])
        .expect(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let digest = plan["nodes"][0]["digest"].as_str().unwrap();
    lab.run(
        "state",
        &["apply", "-f", "declared", "--approve-digest", digest],
    )
    .expect(0);
}

#[test]
fn a_failure_is_one_document_where_one_was_asked_for() {
    let lab = Lab::new();
    for arguments in [
        &["plan", "-f", "gone.yaml", "-o", "json"][..],
        &["apply", "-f", "gone.yaml", "-o", "json"],
        &["status", "--node", "gone", "-o", "json"],
        &["rack", "show", "--node", "gone", "-o", "json"],
    ] {
        let ended = lab.run("state", arguments).expect(66);
        let said: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(said["exit"]["code"], 66, "{arguments:?}");
        assert!(
            said["error"]["message"].as_str().unwrap().contains("gone"),
            "{arguments:?}"
        );
    }
    let shown = lab.run("state", &["rack", "show", "-o", "json"]).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let functions = shown["servers"][0]["functions"].as_array().unwrap();
    assert!(
        functions
            .iter()
            .any(|function| function["port"]["acsControl"] == "0x001d")
    );
    assert!(
        functions
            .iter()
            .any(|function| function["soc"]["mdp"] == false)
    );
}

#[test]
fn a_saved_plan_that_was_edited_is_refused() {
    let lab = Lab::new();
    let save = ["plan", "-f", "declared", "--out", "saved.json"];
    lab.run("state", &save).expect(0);
    let whole = std::fs::read_to_string(lab.path("saved.json")).unwrap();
    for (from, to) in [
        ("\"0x001d\"", "\"0x001f\""),
        ("\"maxMapCount\": 2048000", "\"maxMapCount\": 2048001"),
        // What is said of it, beside what is done.
        ("\"digest\": \"rollout:b3:", "\"digest\": \"rollout:b3:0"),
        ("\"applyable\": true", "\"applyable\": false"),
        ("\"errored\": false", "\"errored\": true"),
        ("\"resets\": 2", "\"resets\": 0"),
        (
            "\n        \"disruptive\": true",
            "\n        \"disruptive\": false",
        ),
        (
            "\"approval\": \"Automatic\",\n",
            "\"approval\": \"Manual\",\n",
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        std::fs::write(lab.path("edited.json"), whole.replacen(from, to, 1)).unwrap();
        let refused = lab.run("state", &["apply", "edited.json"]).expect(11);
        assert!(refused.stderr.contains("edited"), "{}", refused.stderr);
    }
    lab.run("state", &["apply", "saved.json"]).expect(0);
}

#[test]
fn observing_says_that_it_only_observes() {
    let lab = Lab::new();
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("Enforce", "Observe")).unwrap();
    let untouched = lab.registers("state");
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    let said = lab.run("state", &plan).expect(0).stdout;
    assert!(said.contains("only observes"), "{said}");
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert_eq!(lab.registers("state"), untouched);
}

#[test]
fn a_file_that_cannot_be_read_hides_nothing_else() {
    let lab = Lab::new();
    let folder = lab.path("mixed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.yaml"), b"a: b\n\xc3\xa4: \xe9\n").unwrap();
    std::fs::copy(lab.path("declared/model.yaml"), folder.join("b.yaml")).unwrap();
    let bad = "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata: {name: x}\nspec: {size: 3, automatic: {per: Card}}\n";
    std::fs::write(folder.join("c.yaml"), bad).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("d.yaml")).unwrap();
    let named = ["-f", "mixed", "-f", "gone.yaml"];
    let said = lab
        .plain(&[&["validate"][..], &named].concat())
        .expect(65)
        .stderr;
    for words in [
        "SP-V0029",
        "mixed/a.yaml:2:4",
        "mixed/c.yaml:4",
        "SP-V0028",
        "mixed/d.yaml",
        "gone.yaml",
        "help: ",
    ] {
        assert!(said.contains(words), "no {words}: {said}");
    }
    // The group may stand in what was not read.
    assert!(!said.contains("SP-V0061"), "{said}");
    let plan = lab
        .run("state", &[&["plan"][..], &named].concat())
        .expect(65);
    assert!(plan.stderr.contains("mixed/c.yaml:4"), "{}", plan.stderr);
    let fmt = lab
        .plain(&[&["fmt", "--check"][..], &named].concat())
        .expect(65);
    assert!(fmt.stderr.contains("mixed/a.yaml:2:4"), "{}", fmt.stderr);
    let gone = [
        "validate",
        "-f",
        "gone.yaml",
        "-f",
        "lost.yaml",
        "-f",
        "declared",
        "-o",
        "json",
    ];
    let said = lab.plain(&gone).expect(66).stdout;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["diagnostics"].as_array().unwrap().len(), 2, "{said}");
}

#[test]
fn a_schema_has_every_name_of_its_kind() {
    let lab = Lab::new();
    let schema = |arguments: &[&str]| lab.plain(&[&["schema"], arguments].concat());
    for name in [
        "CardPolicy",
        "cpol",
        "cardpolicies",
        "cardpolicies.shardplane.dev.yaml",
    ] {
        let stdout = schema(&[name]).expect(0).stdout;
        assert!(
            stdout.contains("kind: CustomResourceDefinition"),
            "{name}: {stdout}"
        );
    }
    // The README of the racks names it: what no cluster stores has a JSON Schema alone.
    for name in [
        "Rack",
        "rack",
        "racks",
        "shardplane.dev/rack_v1alpha1.json",
        "plan",
    ] {
        let stdout = schema(&[name]).expect(0).stdout;
        serde_json::from_str::<serde_json::Value>(&stdout).expect(name);
    }
    let ended = schema(&["rack", "--as", "crd"]).expect(64);
    assert!(ended.stderr.contains("--as crd"), "{}", ended.stderr);
    let ended = schema(&["Pod"]).expect(64);
    for name in ["`Pod`", "CardPolicy", "Rack", "HardwareSnapshot", "plan"] {
        assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
}

#[test]
fn a_file_of_any_name_is_formatted_in_its_place() {
    use std::os::unix::ffi::OsStrExt as _;
    let lab = Lab::new();
    let folder = lab.path("names");
    std::fs::create_dir(&folder).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"gr\xffup.yaml");
    std::fs::copy(lab.path("declared/group.yaml"), folder.join(name)).unwrap();
    let mut text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.push_str("\n\n");
    std::fs::write(folder.join(name), &text).unwrap();
    lab.plain(&["fmt", "-f", "names"]).expect(0);
    let names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [name]);
    assert_ne!(std::fs::read_to_string(folder.join(name)).unwrap(), text);
}

#[test]
fn what_can_be_no_rack_or_stand_in_none_is_wrong_input() {
    let lab = Lab::new();
    let long = "x".repeat(300);
    for name in ["../esc", "", ".", "a b", "a/b", long.as_str()] {
        let ended = lab.plain(&["rack", "new", "--name", name, "new.yaml"]);
        let said = ended.expect(64).stderr;
        assert!(said.contains("nothing was written"), "{name}: {said}");
        assert!(!lab.path("new.yaml").exists(), "{name}");
    }
    for (target, value) in [
        ("0000:24:00.0/acs", "zz"),
        ("0000:25:00.0/state", "Foo"),
        ("0000:25:00.0/mdp", "maybe"),
    ] {
        lab.run("state", &["rack", "set", target, value]).expect(65);
    }
    let plug = ["rack", "plug", "0000:24:00.0", "--card", "foo"];
    lab.run("state", &plug).expect(65);
}
