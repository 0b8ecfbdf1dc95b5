//! Drivers from before the accel class: their nodes, and their names for what the kernel shows of a SoC.
use std::fs;

use crd::Unknown;
use machine::probe;

use crate::{
    linux::fixture,
    room::{Room, TWO_ULTRA, known},
    tree::{put, whole},
};

const MHI: &str = "sys/bus/mhi/devices";

#[test]
fn a_controller_is_known_by_the_function_that_it_hangs_below() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    whole(Room::of(TWO_ULTRA).machine(), root);
    let before = probe(&fixture(root), &known());
    // `mhi3` becomes `a100_00.25.00`, in sysfs and in the list, and a channel stands beside each controller.
    for entry in fs::read_dir(root.join(MHI)).unwrap() {
        let link = entry.unwrap().path();
        let target = fs::read_link(&link).unwrap();
        let function = target.parent().unwrap().file_name().unwrap();
        let function = function.to_str().unwrap();
        let name = format!("a100_00.{}.00", &function[5..7]);
        let place = link.parent().unwrap().join(&target);
        fs::rename(&place, place.with_file_name(&name)).unwrap();
        fs::remove_file(&link).unwrap();
        let older = target.with_file_name(&name);
        std::os::unix::fs::symlink(&older, link.with_file_name(&name)).unwrap();
        let channel = format!("{name}_QAIC_CONTROL");
        std::os::unix::fs::symlink(older.join(&channel), link.with_file_name(&channel)).unwrap();
    }
    let after = probe(&fixture(root), &known());
    assert_eq!(after.socs.len(), 8);
    for (after, before) in after.socs.iter().zip(&before.socs) {
        assert!(before.serial.get().is_some());
        assert_eq!(after.serial.get(), before.serial.get(), "{}", after.address);
        assert!(
            after.serial.source.contains("/a100_00."),
            "{:?}",
            after.serial
        );
        assert_eq!(after.mhi.get(), None, "such a name has no number");
    }
    put(
        root,
        "sys/bus/mhi/devices/loose/serialnumber",
        "Serial Number: 1\n",
    );
    assert_eq!(probe(&fixture(root), &known()).socs, after.socs);
}

#[test]
fn a_serial_of_zero_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    whole(Room::of(TWO_ULTRA).machine(), root);
    for entry in fs::read_dir(root.join(MHI)).unwrap() {
        fs::write(
            entry.unwrap().path().join("serialnumber"),
            "Serial Number: 0\n",
        )
        .unwrap();
    }
    let seen = probe(&fixture(root), &known());
    assert_eq!(seen.socs.len(), 8);
    for soc in &seen.socs {
        assert_eq!(soc.serial.unknown, Some(Unknown::Absent), "{}", soc.address);
    }
}
