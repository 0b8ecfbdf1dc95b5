//! `validate` and `fmt` from the command line: what each says it found, and what it leaves alone.
use std::fs;

use crate::lab::Lab;

/// The last line of an output.
fn last(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default()
}

#[test]
fn racks_and_snapshots_are_found_and_looked_at() {
    let lab = Lab::new();
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    let all = [
        "validate",
        "-f",
        "declared",
        "-f",
        "rack.yaml",
        "-f",
        "one.yaml",
    ];
    let said = lab.plain(&all).expect(0);
    assert_eq!(
        last(&said.stdout),
        "1 policy, 1 group, 1 model, 1 snapshot and 1 rack valid in 5 files: 0 errors, 0 warnings"
    );
    let json = lab.plain(&[&all[..], &["-o", "json"]].concat()).expect(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["valid"]["Rack"], 1, "{json}");
    assert_eq!(json["valid"]["HardwareSnapshot"], 1, "{json}");

    // A rack of two functions at one address has the form of one, and no command could open it.
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let ports = rack.find("        - address").unwrap();
    fs::write(lab.path("rack.yaml"), format!("{rack}{}", &rack[ports..])).unwrap();
    let said = lab.plain(&["validate", "-f", "rack.yaml"]).expect(65);
    assert!(said.stderr.contains("SP-V0105"), "{}", said.stderr);
    assert!(said.stderr.contains("rack.yaml:17:20"), "{}", said.stderr);
    assert!(said.stderr.contains("help: "), "{}", said.stderr);
    assert_eq!(
        last(&said.stdout),
        "nothing valid in 1 file: 1 error, 0 warnings"
    );

    let edited = fs::read_to_string(lab.path("one.yaml")).unwrap();
    let edited = edited.replacen("name: aic-01", "name: aic-02", 1);
    fs::write(lab.path("one.yaml"), edited).unwrap();
    let said = lab.plain(&["validate", "-f", "one.yaml"]).expect(65);
    assert!(said.stderr.contains("SP-V0101"), "{}", said.stderr);
    assert_eq!(
        last(&said.stdout),
        "nothing valid in 1 file: 1 error, 0 warnings"
    );
}

#[test]
fn an_expired_snapshot_is_warned_of() {
    let lab = Lab::new();
    let arguments = ["snapshot", "--out", "one.yaml", "--expires-in", "1s"];
    lab.run("state", &arguments).expect(0);
    let text = fs::read_to_string(lab.path("one.yaml")).unwrap();
    let loaded = crd::load::load(&[crd::load::SourceText::new("one.yaml", text)]);
    let snapshot = loaded.snapshots[0].snapshot.clone();
    let mut recording = snapshot.recording.clone().unwrap();
    recording.taken_at = Some("2020-01-01T00:00:00.000Z".into());
    recording.expires_at = Some("2020-01-02T00:00:00.000Z".into());
    let written = crd::write::to_yaml(&snapshot.sealed(recording)).unwrap();
    fs::write(lab.path("one.yaml"), written).unwrap();
    let said = lab.plain(&["validate", "-f", "one.yaml"]).expect(0);
    assert!(said.stderr.contains("warning[SP-V0104]"), "{}", said.stderr);
    assert_eq!(
        last(&said.stdout),
        "1 snapshot valid in 1 file: 0 errors, 1 warning"
    );
}

#[test]
fn fmt_names_the_document_that_keeps_its_layout() {
    let lab = Lab::new();
    let group = fs::read_to_string(lab.path("declared/group.yaml")).unwrap();
    let odd = "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata: &m\n  name: odd\n  annotations:\n    ? [a, b]\n    : c\n";
    let odd = odd.replace("? [a, b]", "? |\n      a\n      b");
    fs::write(lab.path("two.yaml"), format!("{group}---\n{odd}")).unwrap();
    let said = lab.plain(&["fmt", "--check", "-f", "two.yaml"]).expect(0);
    for words in [
        "note[SP-V0071]",
        "P2PGroup/odd keeps",
        "&name",
        "two.yaml:1",
    ] {
        assert!(said.stderr.contains(words), "no {words}: {}", said.stderr);
    }
    assert!(!said.stderr.contains("P2PGroup/pair"), "{}", said.stderr);
}

#[test]
fn standard_input_is_read_once() {
    let lab = Lab::new();
    for arguments in [
        &["validate", "-f", "-", "-f", "-"][..],
        &["fmt", "-f", "-", "-f", "-"],
        &["plan", "-f", "-", "--snapshot", "-"],
        &["plan", "-f", "-", "--rack", "-"],
        &["snapshot", "diff", "-", "-"],
        &["snapshot", "verify", "-", "-"],
    ] {
        let said = lab.plain(arguments).expect(64).stderr;
        assert!(said.contains("named more than once"), "{said}");
        assert!(said.contains("help: name a file"), "{said}");
    }
}

#[test]
fn files_that_are_no_text_and_paths_that_lead_nowhere_say_what_to_do() {
    let lab = Lab::new();
    std::os::unix::fs::symlink("circle.yaml", lab.path("circle.yaml")).unwrap();
    nix::unistd::mkfifo(&lab.path("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let group = fs::read_to_string(lab.path("declared/group.yaml")).unwrap();
    let units = std::iter::once(0xfeff).chain(group.encode_utf16());
    let utf16: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    fs::write(lab.path("utf16.yaml"), utf16).unwrap();
    fs::write(lab.path("latin1.yaml"), b"a: \xe4\n").unwrap();
    for (file, code, help) in [
        ("circle.yaml", 66, "a link leads in a circle"),
        ("pipe.yaml", 66, "let a program write to it"),
        ("gone.yaml", 66, "that is there"),
        ("utf16.yaml", 65, "iconv -f UTF-16"),
        ("latin1.yaml", 65, "iconv -f LATIN1"),
        ("/dev/zero", 65, "name the declaration itself"),
    ] {
        let said = lab.plain(&["validate", "-f", file]).expect(code).stderr;
        assert!(said.contains(help), "{file}: {said}");
        assert!(said.contains(file), "{file}: {said}");
    }
}

/// Whoever mistakes the rack's file for what is declared is told that it declares nothing.
#[test]
fn a_rack_as_a_declaration_is_warned_of() {
    let lab = Lab::new();
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    for (file, code) in [("rack.yaml", 0), ("one.yaml", 0), ("declared", 2)] {
        let plan = ["plan", "-f", file, "--detailed-exitcode"];
        let said = lab.run("state", &plan).expect(code).stderr;
        let warned = said.contains("SP-V0017") && said.contains("a rack is named by --rack");
        assert_eq!(warned, code == 0, "{file}: {said}");
    }
}
