//! Ports out of the ordinary under the whole engine: without the ACS capability, and beside a device given to a guest.
use std::fs;

use crate::lab::Lab;

/// A laboratory whose switch holds this.
fn with(ports: &str) -> Lab {
    let lab = Lab::new();
    let rack = lab.path("rack.yaml");
    let text = fs::read_to_string(&rack).unwrap();
    let (above, _) = text.split_once("              - { slot").unwrap();
    fs::write(&rack, format!("{above}{ports}")).unwrap();
    lab
}

#[test]
fn a_port_without_the_capability_is_no_obstacle_and_is_left_alone() {
    let lab = with(concat!(
        "              - slot: \"00.0\"\n",
        "                card: { sku: Ultra, socs: [{ acsCapability: \"0x0000\" }] }\n",
    ));
    let before = lab.registers("state").words;
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(0);
    let after = lab.registers("state").words;
    let changed = before.iter().filter(|(at, word)| after[*at] != **word);
    let ports: Vec<&String> = changed
        .map(|(at, _)| at)
        .filter(|at| at.contains("0000:"))
        .collect();
    // One of the pair's two ports has a word to change.
    assert_eq!(ports.len(), 1, "{ports:?}");
    let status = lab.run("state", &["status"]).expect(0);
    assert!(status.stdout.contains("P2P proven"), "{}", status.stdout);
    lab.run("state", &["down"]).expect(0);
    assert_eq!(lab.registers("state").words, before);
}

/// Two cards of one SoC and a device of a guest below one switch; the words of their ports.
fn neighbours(cards: &str, guest: &str) -> Lab {
    let lab = with(&format!(
        r#"              - {{ slot: "00.0", card: {{ sku: Pro }}{cards} }}
              - {{ slot: "01.0", card: {{ sku: Pro }}{cards} }}
              - {{ slot: "02.0", device: {{ vendor: "0x10de", device: "0x20b0", class: "0x030200", driver: vfio-pci }}{guest} }}
"#
    ));
    let group = lab.path("declared/group.yaml");
    let text = fs::read_to_string(&group).unwrap();
    fs::write(&group, text.replace("per: Card", "per: Switch")).unwrap();
    lab
}

#[test]
fn a_guests_device_refuses_whatever_its_own_port_does() {
    for guest in ["", r#", acs: "0x0011""#, r#", acsCapability: "0x0000""#] {
        let lab = neighbours("", guest);
        let untouched = lab.registers("state");
        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(12);
        let named = ended.stdout.lines().find(|line| line.contains("vfio-pci"));
        let named = named.unwrap_or_else(|| panic!("{guest}: {}", ended.stdout));
        assert!(named.contains("would take isolation from"), "{named}");
        assert_eq!(lab.registers("state").words["\"0000:22:00.0\""], "0x001d");
        assert_eq!(lab.registers("state").resets, untouched.resets, "{guest}");
    }
}

#[test]
fn ports_that_are_open_already_take_nothing_from_a_guests_device() {
    let lab = neighbours(r#", acs: "0x0011""#, "");
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(0);
}

/// Beside members or above them, before anything was applied or after: it is named, and nothing else is touched for it.
#[test]
fn a_port_that_cannot_be_read_is_no_reason_to_give_up_the_others() {
    let lab = Lab::new();
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    let words = lab.registers("applied").words;
    lab.run("applied", &["apply", "-f", "declared"]).expect(0);
    let relaxed = lab.registers("applied").words;
    let at = |key: &String| key.trim_matches('"').to_owned();
    let changed = words.keys().filter(|key| relaxed[*key] != words[*key]);
    let ports: Vec<String> = changed.map(at).collect();
    assert!(!ports.is_empty(), "{relaxed:?}");
    let below = words.keys().map(at).filter(|at| at.starts_with("0000:24:"));
    let below: Vec<String> = below.collect();
    assert_eq!(below.len(), 4, "{words:?}");
    for (nth, port) in below.iter().enumerate() {
        let fault = format!("short-reads:{port}");
        lab.run("applied", &["rack", "fault", &fault]).expect(0);
        let said = lab.run("applied", &plan).expect(0);
        let named = said
            .stdout
            .contains(&format!("control word of {port} could not be read"));
        assert_eq!(named, ports.contains(port), "{}", said.stdout);
        lab.run("applied", &["rack", "fault", "--clear"]).expect(0);
        lab.run("applied", &plan).expect(0);

        let fresh = format!("fresh-{nth}");
        lab.run(&fresh, &["rack", "fault", &fault]).expect(0);
        let said = lab.run(&fresh, &plan);
        assert!(matches!(said.code, 0 | 2), "{}", said.stderr);
    }
    assert_eq!(lab.registers("applied").words, relaxed);
}
