//! Recorded snapshots: pseudonyms leave plans as they are, and a difference names what differs where it stands.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Fact, Unknown,
    difference::{Change, ChangeSort},
    id::BootId,
    kind::DeletionRule,
    snapshot::{
        Acs, FileImage, HardwareSnapshot, Holder, HolderKind, KeptSettings, LedgerEntry,
        LedgerTarget, SettingsFile, SocIdentity, Unread,
    },
};
use proptest::prelude::*;
use reconcile::recording::{Pseudonyms, difference, redact};
use serde_json::Value;

use crate::{
    intent::declaration,
    properties::config,
    random::{build, world},
    simulate::{apply, plan_of},
    twist::{apply_twist, twist},
    world::{acs, set_acs, two_ultras},
};

fn pseudonyms(secret: &str) -> Pseudonyms {
    let kept = BTreeSet::from(["role".to_owned()]);
    Pseudonyms::new(secret.as_bytes(), kept)
}

/// A plan with pseudonyms put back, and without the digests over them.
fn read_back(plan: &impl serde::Serialize, names: &BTreeMap<String, String>) -> Value {
    let mut text = serde_json::to_string(plan).unwrap();
    for (pseudonym, name) in names {
        text = text.replace(pseudonym, name);
    }
    let mut value: Value = serde_json::from_str(&text).unwrap();
    forget_digests(&mut value);
    value
}

fn forget_digests(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("digest");
            map.values_mut().for_each(forget_digests);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_digests),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The first place where two documents differ.
fn first_difference(pointer: &str, one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            let below = |(key, value): (&String, &Value)| {
                let there = b.get(key).unwrap_or(&Value::Null);
                first_difference(&format!("{pointer}/{key}"), value, there)
            };
            a.iter().find_map(below)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => (a.iter().zip(b).enumerate())
            .find_map(|(at, (a, b))| first_difference(&format!("{pointer}/{at}"), a, b)),
        _ => (one != other).then(|| format!("{pointer}: {one} and {other}")),
    }
}

/// What each pseudonym stands for, told by comparing the two.
fn names(plain: &HardwareSnapshot, redacted: &HardwareSnapshot) -> BTreeMap<String, String> {
    let mut names = BTreeMap::from([(
        redacted.metadata.name.to_string(),
        plain.metadata.name.to_string(),
    )]);
    for (one, other) in plain.socs.iter().zip(&redacted.socs) {
        if let (Some(one), Some(other)) = (one.serial.get(), other.serial.get()) {
            names.insert(other.to_string(), one.to_string());
        }
    }
    // A SoC that has no serial any more is remembered by one: in the ledger, and in a set that it was a member of.
    let remembered = |snapshot: &HardwareSnapshot| -> Vec<SocIdentity> {
        let ledger = &snapshot.ledger;
        let members = ledger.groups.iter().flat_map(|group| &group.members);
        ledger.identities.iter().chain(members).cloned().collect()
    };
    let identities = (remembered(plain).into_iter()).zip(remembered(redacted));
    for (one, other) in identities {
        if let (Some(one), Some(other)) = (&one.serial, &other.serial) {
            names.insert(other.to_string(), one.to_string());
        }
    }
    let mut boots = vec![(plain.boot_id.value.clone(), redacted.boot_id.value.clone())];
    for (one, other) in plain.ledger.entries.iter().zip(&redacted.ledger.entries) {
        boots.push((Some(one.boot_id.clone()), Some(other.boot_id.clone())));
    }
    for (one, other) in boots {
        names.insert(other.unwrap().to_string(), one.unwrap().to_string());
    }
    let files = |snapshot: &HardwareSnapshot| -> Vec<String> {
        let kept = snapshot.settings.kept.values().filter_map(Fact::get);
        let by = kept.flat_map(|kept| kept.overruled.iter().map(|setting| setting.by.clone()));
        by.collect()
    };
    for (one, other) in files(plain).into_iter().zip(files(redacted)) {
        names.insert(other, one);
    }
    for (one, other) in plain.holders.iter().zip(&redacted.holders) {
        names.insert(other.name.clone(), one.name.clone());
        for (one, other) in [
            (&one.unit, &other.unit),
            (&one.container, &other.container),
            (&one.pod, &other.pod),
        ] {
            names.extend(other.clone().zip(one.clone()));
        }
        if let (Some(one), Some(other)) = (one.pid, other.pid) {
            names.insert(format!("pid {other} "), format!("pid {one} "));
        }
    }
    names
}

proptest! {
    #![proptest_config(config(400))]

    /// Every plan over pseudonyms is the plan over names, whatever was done before.
    #[test]
    fn a_redacted_snapshot_plans_alike(
        world in world(),
        first in declaration(),
        between in proptest::collection::vec(twist(), 0..3),
        second in declaration(),
    ) {
        let mut nodes = vec![build(&world, "node-a")];
        nodes[0].metadata.labels.insert("role".into(), "cards".into());
        nodes[0].metadata.labels.insert("site".into(), "secret-site".into());
        let plan = plan_of(&first, &nodes);
        apply(&plan, &mut nodes, false);
        for twist in between {
            apply_twist(&mut nodes[0], twist);
        }
        let plain = &nodes[0];
        let redacted = redact(plain, &pseudonyms("key"));
        let text = serde_json::to_string(&redacted).unwrap();
        for secret in ["node-a", "same-everywhere", "secret-site", "\"site\"", "tenant", "777"] {
            prop_assert!(!text.contains(secret), "{secret} is in {text}");
        }
        prop_assert_eq!(redacted.metadata.labels["role"].as_str(), "cards");
        let names = names(plain, &redacted);
        let over_names = plan_of(&second, std::slice::from_ref(plain));
        let over_pseudonyms = plan_of(&second, &[redacted]);
        let differs = first_difference(
            "",
            &read_back(&over_pseudonyms, &names),
            &read_back(&over_names, &BTreeMap::new()),
        );
        prop_assert_eq!(differs, None);
    }

    /// No difference between a snapshot and itself; between two, every change stands where it says.
    #[test]
    fn a_difference_points_at_both_documents(
        world in world(),
        between in proptest::collection::vec(twist(), 0..4),
    ) {
        let before = build(&world, "node-a");
        let mut after = before.clone();
        for twist in between {
            apply_twist(&mut after, twist);
        }
        prop_assert_eq!(difference(&before, &before), []);
        let changes = difference(&before, &after);
        prop_assert_eq!(changes.is_empty(), before == after);
        let (a, b) = (serde_json::to_value(&before).unwrap(), serde_json::to_value(&after).unwrap());
        for change in &changes {
            let at = |document: &Value, pointer: &Option<String>| {
                pointer.as_ref().map(|pointer| document.pointer(pointer).cloned().unwrap())
            };
            prop_assert_eq!(&at(&a, &change.before_pointer), &change.before);
            prop_assert_eq!(&at(&b, &change.after_pointer), &change.after);
            prop_assert_ne!(&change.before, &change.after);
        }
        let back = difference(&after, &before);
        prop_assert_eq!(changes.len(), back.len());
    }
}

#[test]
fn the_same_key_gives_the_same_pseudonyms_and_another_gives_others() {
    let snapshot = two_ultras("aic-07");
    let name = |secret: &str| redact(&snapshot, &pseudonyms(secret)).metadata.name;
    assert_eq!(name("one"), name("one"));
    assert_ne!(name("one"), name("two"));
    assert_ne!(
        pseudonyms("one").redaction().key,
        pseudonyms("two").redaction().key
    );
}

#[test]
fn of_the_command_line_only_what_decides_about_cards_stays() {
    let mut snapshot = two_ultras("aic-07");
    let kept = |line: &str, snapshot: &mut HardwareSnapshot| {
        snapshot.host.command_line = Fact::known(line.into(), "/proc/cmdline");
        let redacted = redact(snapshot, &pseudonyms("key"));
        redacted.host.command_line.value.unwrap()
    };
    assert_eq!(kept("", &mut snapshot), "");
    assert_eq!(
        kept("intel_iommu=on pci=noaer", &mut snapshot),
        "intel_iommu=on pci=noaer"
    );
    let line = "BOOT_IMAGE=/boot/vmlinuz root=/dev/secret intel_iommu=on iommu=pt";
    let redacted = kept(line, &mut snapshot);
    assert!(redacted.starts_with("intel_iommu=on iommu=pt redacted-"));
    assert!(!redacted.contains("secret"));
}

fn said(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let Change {
            subject,
            field,
            words,
            ..
        } = change;
        format!("{subject}: {field}: {words}")
    };
    changes.iter().map(line).collect()
}

#[test]
fn a_difference_is_told_in_words() {
    let before = two_ultras("aic-07");
    let port = before
        .functions
        .iter()
        .find(|function| matches!(function.acs.get(), Some(Acs::Present { .. })))
        .unwrap()
        .address;
    let check = |change: &dyn Fn(&mut HardwareSnapshot), expected: &[&str]| {
        let mut after = before.clone();
        change(&mut after);
        assert_eq!(said(&difference(&before, &after)), expected);
    };
    check(
        &|s| s.socs[0].mdp.value = Some(true),
        &["SoC 0000:05:00.0: MDP: off -> on"],
    );
    check(
        &|s| set_acs(s, port, acs(0x0011)),
        &["port 0000:00:01.0: ACS control: 0x001d -> 0x0011"],
    );
    check(
        &|s| set_acs(s, port, Fact::unknown(Unknown::ShortRead, "test")),
        &["port 0000:00:01.0: ACS: 0x001d -> unknown (ShortRead)"],
    );
    check(
        &|s| {
            s.socs.remove(0);
        },
        &["SoC 0000:05:00.0: : is gone"],
    );
    // It is in two lists, and goes once.
    check(
        &|s| {
            let gone = s.socs.remove(0).address;
            s.functions.retain(|function| function.address != gone);
        },
        &["SoC 0000:05:00.0: : is gone"],
    );
    check(
        &|s| {
            s.holders.push(Holder {
                soc: s.socs[0].address,
                kind: HolderKind::Foreign,
                pid: Some(1),
                name: "python3".into(),
                unit: None,
                container: None,
                pod: None,
            });
        },
        &["SoC 0000:05:00.0: holder: python3 came"],
    );
    check(
        &|s| {
            let count = s.settings.sysctl.get_mut("vm.max_map_count").unwrap();
            *count = Fact::known(2_048_000, "test");
        },
        &["settings: sysctl vm.max_map_count: 65530 -> 2048000"],
    );
    check(
        &|s| s.host.kernel.source = "elsewhere".into(),
        &["host: kernel source: test -> elsewhere"],
    );
    let mut renumbered = before.clone();
    for soc in &mut renumbered.socs {
        soc.address.bus += 1;
    }
    let changes = difference(&before, &renumbered);
    assert!(
        changes
            .iter()
            .all(|change| change.sort == ChangeSort::Changed && change.field == "address"),
        "a SoC is known by where it is wired: {changes:?}"
    );
}

/// Who could not be seen is told by a path, and a path by the process that it is of.
#[test]
fn what_could_not_be_read_names_nobody() {
    let mut plain = two_ultras("node-a");
    for (path, why) in [
        ("/proc/4711/fd", Unknown::NoPermission),
        ("/sys/bus/pci/devices", Unknown::ReadFailed),
    ] {
        plain.unread.push(Unread {
            path: path.into(),
            why,
        });
        plain.holders.push(Holder {
            soc: plain.socs[0].address,
            kind: HolderKind::Unseen { why },
            pid: None,
            name: path.into(),
            unit: None,
            container: None,
            pod: None,
        });
    }
    let redacted = redact(&plain, &pseudonyms("key"));
    let process = &redacted.unread[0].path;
    assert!(
        process.starts_with("/proc/") && process.ends_with("/fd"),
        "{process}"
    );
    assert!(!process.contains("4711"), "{process}");
    assert_eq!(redacted.holders[0].name, *process);
    assert_eq!(redacted.unread[1], plain.unread[1]);
    assert_eq!(redacted.holders[1], plain.holders[1]);
}

/// What a person wrote into a file of ours, or calls a file of theirs, stays at home; what decides about cards does not.
#[test]
fn settings_files_name_nobody() {
    let mut plain = two_ultras("node-a");
    let text = "# by Jane of site seven\noptions qaic control_resp_timeout_s=2600 # Jane\noptions seven key=1\n\n";
    let kept = |text: &str| {
        let kept = KeptSettings {
            image: FileImage::Text(text.into()),
            overruled: Vec::new(),
        };
        Fact::known(kept, SettingsFile::Modprobe.path())
    };
    plain.settings.kept = BTreeMap::from([
        (SettingsFile::Modprobe, kept(text)),
        (
            SettingsFile::Sysctl,
            Fact::unknown(Unknown::TooLong, "/etc/sysctl.d/97-seven.conf"),
        ),
    ]);
    plain.ledger.entries.push(LedgerEntry {
        target: LedgerTarget::File {
            file: SettingsFile::Modprobe,
        },
        owners: Vec::new(),
        deletion: DeletionRule::Revert,
        pre_image: FileImage::Text(text.into()).to_string(),
        written: "absent".into(),
        boot_id: BootId("boot".into()),
    });
    let redacted = redact(&plain, &pseudonyms("key"));
    let whole = serde_json::to_string(&redacted).expect("a snapshot");
    for said in ["Jane", "seven"] {
        assert!(!whole.contains(said), "{said}: {whole}");
    }
    let modprobe = &redacted.settings.kept[&SettingsFile::Modprobe];
    assert_eq!(modprobe.source, SettingsFile::Modprobe.path());
    let image = modprobe.get().map(|kept| kept.image.to_string());
    let image = image.expect("an image");
    assert_eq!(image, redacted.ledger.entries[0].pre_image);
    assert_eq!(redacted.ledger.entries[0].written, "absent");
    let lines: Vec<&str> = image.lines().collect();
    assert!(lines[0].starts_with("text:# line-"), "{image}");
    assert!(
        lines[1].starts_with("options qaic control_resp_timeout_s=2600 # line-"),
        "{image}"
    );
    assert_eq!(lines.len(), text.lines().count());
    // The same file has the same name, and is read where it was.
    let source = &redacted.settings.kept[&SettingsFile::Sysctl].source;
    assert!(source.starts_with("/etc/sysctl.d/99-file-"), "{source}");
}
