//! Words of others with commands for a terminal in them: no report carries one out.
use std::fs;

use crd::{
    Fact,
    id::Digest,
    snapshot::{HardwareSnapshot, Holder, HolderKind, Recording, SkuKind},
};

use crate::lab::Lab;

/// Clears the screen, renames the window, rings the bell, goes back to the line's start, and does it again in one byte each.
const WORDS: &str = "a\u{1b}[2J\u{1b}]0;owned\u{7}b\rc\u{8}\u{7f}\u{9b}31m\u{202e}\td";

/// A recording in which whatever others name has such words.
fn recording(lab: &Lab) -> HardwareSnapshot {
    let told = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
    let mut snapshot: HardwareSnapshot = serde_json::from_str(&told.stdout).unwrap();
    let words = || Fact::known(WORDS.to_owned(), WORDS);
    snapshot.host.kernel = words();
    snapshot.host.command_line = words();
    snapshot.tools.platform_sdk = words();
    let asked = snapshot.prerequisites.as_mut().unwrap();
    asked.product = words();
    asked.distribution = words();
    for soc in &mut snapshot.socs {
        soc.firmware = words();
        soc.board_serial = words();
        soc.sku = Fact::known(SkuKind(WORDS.to_owned()), WORDS);
    }
    snapshot.holders.push(Holder {
        soc: snapshot.socs[0].address,
        kind: HolderKind::Foreign,
        pid: Some(7),
        name: WORDS.to_owned(),
        unit: Some(WORDS.to_owned()),
        pod: None,
        container: Some(WORDS.to_owned()),
    });
    snapshot.sealed(Recording {
        tool: "test".into(),
        taken_at: None,
        expires_at: None,
        redaction: None,
        hash: Digest(String::new()),
    })
}

/// What a command says, on both streams, none of it a command for a terminal.
fn said(lab: &Lab, arguments: &[&str]) -> String {
    let ended = lab.plain(arguments);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    let found = said.find(|c: char| c.is_control() && c != '\n' || c == '\u{202e}');
    assert!(found.is_none(), "{arguments:?}: {said:?}");
    said
}

#[test]
fn no_report_holds_a_control_character() {
    let lab = Lab::new();
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    let bad = serde_json::to_string(&recording(&lab)).unwrap();
    fs::write(lab.path("bad.json"), bad).unwrap();
    let escaped: String = WORDS.chars().flat_map(char::escape_default).collect();
    let escaped = escaped.replace("\\u{", "\\x").replace('}', "");
    let declared = format!(
        "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata:\n  name: \"{escaped}\"\nspec:\n  size: many\n"
    );
    fs::write(lab.path("bad.yaml"), declared).unwrap();
    let mut told = 0;
    for output in ["text", "wide", "json", "yaml"] {
        for arguments in [
            &["plan", "-f", "declared", "--snapshot", "bad.json"][..],
            &["doctor", "--snapshot", "bad.json"],
            &["snapshot", "verify", "bad.json"],
            &["snapshot", "diff", "one.yaml", "bad.json"],
            &["validate", "-f", "bad.yaml"],
        ] {
            let all = said(&lab, &[arguments, &["-o", output]].concat());
            told += usize::from(all.contains("\\u001b") || all.contains("\\e"));
        }
    }
    assert!(told >= 6, "{told} reports name what they escaped");
}
