//! What `down` puts back is the word or value of the boot that it runs in, as it was before our first write.
use std::{fs, path::PathBuf};

use crd::kind::Persistence;
use operator::supervise::process;

use crate::{
    lab::Lab,
    supervision::{PATIENCE, Up},
};

/// A divergence port of the laboratory's pair.
const PORT: &str = "\"0000:24:00.0\"";
/// What somebody set before our first write: the kernel's word, with egress control and direct translation.
const OWN: &str = "0x007d";
/// What the kernel sets at boot.
const KERNEL: &str = "0x001d";

/// Runs the verbs over the word that somebody set, and returns the port's word after each.
fn course(verbs: &[&str]) -> Vec<String> {
    let lab = Lab::new();
    let set = ["rack", "set", "0000:24:00.0/acs", OWN];
    lab.run("state", &set).expect(0);
    let words = verbs.iter().map(|verb| {
        let arguments: &[&str] = match *verb {
            "apply" => &["apply", "-f", "declared"],
            "reboot" => &["rack", "reboot"],
            "down" => &["down", "--yes"],
            other => panic!("no such verb in this test: {other}"),
        };
        lab.run("state", arguments).expect(0);
        lab.registers("state").words[PORT].clone()
    });
    words.collect()
}

#[test]
fn the_word_of_the_boot_comes_back() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["apply", "down"], &["0x0051", OWN]),
        (&["apply", "reboot", "down"], &["0x0051", KERNEL, KERNEL]),
        (
            &["apply", "reboot", "apply", "down"],
            &["0x0051", KERNEL, "0x0011", KERNEL],
        ),
    ];
    for (verbs, words) in cases {
        assert_eq!(course(verbs), words, "{verbs:?}");
    }
}

/// Has no file of ours keep settings; returns the policy's file and text.
fn until_the_next_boot(lab: &Lab) -> (PathBuf, String) {
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    let text = text.replace("    persistence: Persist\n", "");
    fs::write(&policy, &text).unwrap();
    (policy, text)
}

/// The mappings and the driver's timeout.
type Settings = (&'static str, &'static str);

/// Declares settings that were others, boots into those that an administrator has written into files of their own since,
/// runs the verbs and returns what the settings are after each.
fn administered(set: Settings, verbs: &[&str], keeping: Persistence) -> Vec<(String, String)> {
    let lab = Lab::new();
    match keeping {
        Persistence::Runtime => drop(until_the_next_boot(&lab)),
        Persistence::Persist => {}
    }
    let rack = |arguments: &[&str]| {
        let arguments = [&["rack"], arguments].concat();
        lab.run("state", &arguments).expect(0);
    };
    rack(&["set", "vm.max_map_count", "70000"]);
    rack(&["set", "control_resp_timeout_s", "90"]);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let (maps, timeout) = set;
    let maps = format!("vm.max_map_count = {maps}");
    let timeout = format!("options qaic control_resp_timeout_s={timeout}");
    rack(&["set", "/etc/sysctl.d/10-admin.conf", &maps]);
    rack(&["set", "/etc/modprobe.d/10-admin.conf", &timeout]);
    rack(&["reboot"]);
    let seen = verbs.iter().map(|verb| {
        let arguments: &[&str] = match *verb {
            "apply" => &["apply", "-f", "declared"],
            "down" => &["down", "--yes"],
            other => panic!("no such verb in this test: {other}"),
        };
        lab.run("state", arguments).expect(0);
        let words = lab.registers("state").words;
        let value = |name: &str| words[name].clone();
        (value("vm.max_map_count"), value("control_resp_timeout_s"))
    });
    seen.collect()
}

#[test]
fn what_a_boot_set_is_not_replaced_by_what_was_before() {
    let declared = ("2048000", "2600");
    let edited = ("131060", "300");
    let first = ("70000", "90");
    let cases: [(Settings, &[&str], Persistence, &[Settings]); 4] = [
        (
            edited,
            &["apply", "down"],
            Persistence::Runtime,
            &[declared, edited],
        ),
        (edited, &["down"], Persistence::Runtime, &[edited]),
        // That it is what we would have written ourselves makes it no more ours.
        (
            declared,
            &["apply", "down"],
            Persistence::Runtime,
            &[declared, declared],
        ),
        // Here a file of ours, which is read last, set them.
        (
            edited,
            &["apply", "down"],
            Persistence::Persist,
            &[declared, first],
        ),
    ];
    for (set, verbs, keeping, expected) in cases {
        let expected = expected.iter();
        let expected: Vec<_> = expected
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect();
        let seen = administered(set, verbs, keeping);
        assert_eq!(seen, expected, "{set:?} {verbs:?} {keeping:?}");
    }
}

#[test]
fn what_was_first_comes_back_whatever_was_written_since() {
    let lab = Lab::new();
    // A value that is written twice has one pre-image.
    let (policy, text) = until_the_next_boot(&lab);
    let set = |target: &str, value: &str| {
        lab.run("state", &["rack", "set", target, value]).expect(0);
    };
    let apply = || lab.run("state", &["apply", "-f", "declared"]).expect(0);
    set("0000:24:00.0/acs", OWN);
    set("vm.max_map_count", "70000");
    let first = lab.registers("state").words;
    apply();
    // Somebody writes words that are neither what was there nor what we left, and the YAML asks for other values.
    set("0000:24:00.0/acs", "0x001d");
    set("0000:24:01.0/acs", "0x003d");
    set("vm.max_map_count", "80000");
    let edited = text
        .replace("Seconds: 2600", "Seconds: 3000")
        .replace("maxMapCount: 2048000", "maxMapCount: 1048576");
    assert_ne!(edited, text);
    fs::write(&policy, edited).unwrap();
    apply();
    let words = lab.registers("state").words;
    assert_eq!(words["vm.max_map_count"], "1048576");
    assert_eq!(words["control_resp_timeout_s"], "3000");
    assert_eq!(words[PORT], "0x0011");
    lab.run("state", &["down", "--yes"]).expect(0);
    let mut expected = first;
    // Bits that are no business of ours stay as somebody left them.
    expected.insert(PORT.into(), "0x003d".into());
    assert_eq!(lab.registers("state").words, expected);
}

/// A boot in the middle of a step is nobody's failure: all is planned again for the boot that is there.
#[test]
fn a_step_that_a_boot_cut_short_is_no_step_that_failed() {
    let lab = Lab::new();
    // Long enough to boot in the middle of the proof.
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let slow = rack.replace(
        "- name: aic-01\n",
        "- name: aic-01\n      durations: { toolSeconds: 40 }\n",
    );
    assert_ne!(slow, rack);
    fs::write(lab.path("rack.yaml"), slow).unwrap();
    // Only here does the rack's time take some of ours.
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("p2p.verify");
    let begun = || {
        let journal = fs::read_to_string(lab.journal("state")).unwrap_or_default();
        journal.contains("\"verb\":\"p2p.verify\"")
    };
    assert!(process::wait_for(PATIENCE, begun), "it never began");
    lab.run("state", &["rack", "reboot"]).expect(0);
    up.hears("aic-01 booted during aic-01/p2p.verify/");
    up.hears("serves on");
    assert_eq!(lab.registers("state").words[PORT], "0x0011");
    let again = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &again).expect(0);
}
