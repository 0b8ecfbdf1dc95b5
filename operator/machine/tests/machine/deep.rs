//! Switches below switches: what is recorded of them is read back, however deep, and what no tree can be is told.
use std::{fs, os::unix::fs::symlink, path::Path};

use crd::{
    Unknown,
    diagnostic::Severity,
    id::PciPath,
    load::{SourceText, load},
    snapshot::HardwareSnapshot,
};
use machine::probe;

use crate::{linux::fixture, room::known, tree::put};

/// A root port and so many functions, each below the one before it.
fn chain(root: &Path, hops: usize) {
    let devices = root.join("sys/bus/pci/devices");
    fs::create_dir_all(&devices).unwrap();
    let mut place = "devices/pci0000:00".to_owned();
    for hop in 0..=hops {
        // There are no more buses than that; what is deeper is on one that was there already.
        let address = format!("0000:{:02x}:01.{}", hop % 256, hop / 256);
        place = format!("{place}/{address}");
        for (file, text) in [
            ("vendor", "0x10b5\n"),
            ("device", "0xc010\n"),
            ("class", "0x060400\n"),
        ] {
            put(root, &format!("sys/{place}/{file}"), text);
        }
        symlink(format!("../../../{place}"), devices.join(&address)).unwrap();
    }
}

/// What a probe sees, and the errors that its recording is read back with.
fn recorded(hops: usize) -> (HardwareSnapshot, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    chain(folder.path(), hops);
    let snapshot = probe(&fixture(folder.path()), &known());
    let text = serde_json::to_string(&snapshot).unwrap();
    let loaded = load(&[SourceText::new("one.json", text)]);
    let errors = loaded.diagnostics.into_iter();
    let errors = errors.filter(|found| found.severity == Severity::Error);
    (snapshot, errors.map(|found| found.message).collect())
}

#[test]
fn the_deepest_tree_is_recorded_and_read_back() {
    for hops in [1, 40, 64, 255] {
        let (snapshot, errors) = recorded(hops);
        assert_eq!(snapshot.functions.len(), hops + 1);
        assert_eq!(snapshot.unread, []);
        assert_eq!(errors, [""; 0], "{hops}");
    }
}

#[test]
fn what_is_deeper_than_there_are_buses_is_told_and_the_rest_is_read() {
    let (snapshot, errors) = recorded(258);
    let deepest = snapshot.functions.iter().map(|f| f.path.0.len()).max();
    assert!(deepest.unwrap() <= PciPath::LONGEST);
    assert!(snapshot.functions.len() >= 256);
    assert!(!snapshot.unread.is_empty());
    for unread in &snapshot.unread {
        assert_eq!(unread.why, Unknown::TooLong, "{unread:?}");
    }
    assert_eq!(errors, [""; 0]);
}
