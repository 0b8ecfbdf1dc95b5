//! Bridges that could not be read when a machine was recorded: the recording holds together, says so, and makes a rack.
use crd::{
    Unknown,
    diagnostic::Diagnostic,
    id::PciAddress,
    kind::Rack,
    load::{SourceText, load},
    snapshot::{HardwareSnapshot, Unread},
};
use machine::rack;
use serde_json::{Value, json};

use crate::room::{Room, TWO_ULTRA};

fn unread(bridge: PciAddress) -> Unread {
    Unread {
        path: format!("/sys/bus/pci/devices/{bridge}/class"),
        why: Unknown::ReadFailed,
    }
}

fn problems(snapshot: &HardwareSnapshot) -> Vec<Diagnostic> {
    let text = serde_json::to_string(snapshot).unwrap();
    load(&[SourceText::new("gap.json", text)]).diagnostics
}

fn of(problems: &[Diagnostic], id: &str) -> usize {
    let found = problems.iter().filter(|found| found.explanation.id == id);
    found.count()
}

fn rack_of(snapshot: &HardwareSnapshot) -> Value {
    json!({
        "apiVersion": "shardplane.dev/v1alpha1", "kind": "Rack", "metadata": { "name": "gap" },
        "spec": { "seed": 1, "servers": [{ "name": snapshot.metadata.name, "rootPorts": [], "recorded": snapshot }] },
    })
}

/// A machine's snapshot, and the port, the switch and the root above its first SoC.
fn recorded() -> (HardwareSnapshot, Vec<PciAddress>) {
    let plain = Room::of(TWO_ULTRA).probe();
    let up = |address| {
        let mut functions = plain.functions.iter();
        functions.find(|f| f.address == address)?.parent
    };
    let first = up(plain.socs[0].address);
    let line: Vec<PciAddress> = std::iter::successors(first, |port| up(*port)).collect();
    (plain, line)
}

#[test]
fn a_recording_with_a_gap_is_read_back_and_makes_a_rack() {
    let (plain, line) = recorded();
    assert_eq!(
        line.len(),
        5,
        "a port, its switch, and so above it, and the root"
    );
    for gone in [&line[..1], &line[1..2], &line[4..], &line[..2], &line[..]] {
        let mut snapshot = plain.clone();
        (snapshot.functions).retain(|function| !gone.contains(&function.address));
        snapshot.unread = gone.iter().map(|bridge| unread(*bridge)).collect();
        snapshot.unread.sort();
        let found = problems(&snapshot);
        // What only another gap hangs below is told by that one.
        assert!(
            (1..=gone.len()).contains(&of(&found, "SP-V0111")),
            "{found:#?}"
        );
        assert_eq!(of(&found, "SP-V0102"), 0, "{found:#?}");
        let probed = Room::of(&rack_of(&snapshot).to_string()).probe();
        assert_eq!(probed.functions.len(), plain.functions.len());
        for (is, was) in probed.functions.iter().zip(&plain.functions) {
            assert_eq!(
                (is.address, &is.path, is.parent),
                (was.address, &was.path, was.parent)
            );
        }
        let said = rack::losses(&snapshot).join("; ");
        for bridge in gone {
            assert!(
                said.contains(&format!("{bridge}/class could not be read")),
                "{said}"
            );
        }
    }
}

/// Nothing names what the bridge itself hangs below: whoever verifies it and whoever makes a rack of it are told the same.
#[test]
fn a_gap_without_a_place_is_told_where_it_is() {
    let (mut snapshot, line) = recorded();
    // The card's switch went with all that is on it but one SoC, and nobody tells of it.
    let soc = snapshot.socs[0].address;
    let path = snapshot.functions.iter().find(|f| f.address == line[1]);
    let path = path.unwrap().path.clone();
    let stays = |at: PciAddress, p: &str| at == soc || !p.starts_with(path.as_str());
    (snapshot.functions).retain(|f| stays(f.address, f.path.as_str()));
    (snapshot.socs).retain(|s| stays(s.address, s.path.as_str()));
    snapshot.prerequisites = None;
    snapshot.unread = vec![unread(line[0])];
    let found = problems(&snapshot);
    assert_eq!(of(&found, "SP-V0102"), 0, "{found:#?}");
    let mut told = found
        .iter()
        .filter(|found| found.explanation.id == "SP-V0111");
    let told = told.next().expect("it is told");
    assert!(
        told.message.ends_with("no rack can be made of it"),
        "{told:?}"
    );
    let rack: Rack = serde_json::from_value(rack_of(&snapshot)).unwrap();
    let error = rack::examine(&rack).unwrap_err().to_string();
    assert!(
        error.contains("does not say what that hangs below"),
        "{error}"
    );
}
