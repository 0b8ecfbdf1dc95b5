//! Settings files: the same steps on a rack and on Linux folders, what overrules them, and what a boot makes of them.
use std::{fs, os::unix::fs::symlink, path::Path};

use crd::{
    Unknown,
    snapshot::{FileImage, HardwareSnapshot, KeptSettings, SettingsFile},
    step::Action,
};
use machine::{Machine, Performed, StepError, perform, probe};

use crate::{
    linux::fixture,
    room::{Room, TWO_ULTRA, known},
};

const OURS: &str = "# ours\nvm.max_map_count = 2048000\n";

/// A machine of folders that have what a system has, and nothing in them.
fn linux(folder: &Path) -> Machine {
    for name in ["etc/sysctl.d", "etc/modprobe.d", "proc", "usr/lib/sysctl.d"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fixture(folder)
}

fn write(before: &FileImage, after: &FileImage) -> Action {
    Action::WriteFile {
        file: SettingsFile::Sysctl,
        before: before.clone(),
        after: after.clone(),
    }
}

fn kept(snapshot: &HardwareSnapshot, file: SettingsFile) -> &KeptSettings {
    let kept = snapshot
        .settings
        .kept
        .get(&file)
        .expect("the folder is there");
    kept.get().expect("it can be read")
}

#[test]
fn a_file_is_written_read_back_and_taken_away_on_both_machines() {
    let folder = tempfile::tempdir().unwrap();
    let room = Room::of(TWO_ULTRA);
    let (absent, ours) = (FileImage::Absent, FileImage::Text(OURS.to_owned()));
    let theirs = FileImage::Text(String::new());
    for machine in [room.machine(), &linux(folder.path())] {
        let image = || {
            kept(&probe(machine, &known()), SettingsFile::Sysctl)
                .image
                .clone()
        };
        let refused = |action: &Action| {
            let before = image();
            let error = perform(machine, action).unwrap_err();
            assert!(matches!(error, StepError::Expectation { .. }), "{error}");
            assert_eq!(image(), before);
        };
        assert_eq!(image(), absent);
        refused(&write(&theirs, &ours));
        let changed = perform(machine, &write(&absent, &ours)).unwrap();
        assert_eq!(
            changed,
            Performed::Changed {
                before: "absent".to_owned(),
                after: format!("text:{OURS}"),
            }
        );
        assert_eq!(image(), ours);
        let again = perform(machine, &write(&absent, &ours)).unwrap();
        assert_eq!(again, Performed::AlreadyDone);
        refused(&write(&theirs, &absent));
        perform(machine, &write(&ours, &theirs)).unwrap();
        assert_eq!(image(), theirs, "an empty file is not an absent one");
        perform(machine, &write(&theirs, &absent)).unwrap();
        assert_eq!(image(), absent);
    }
    let left = fs::read_dir(folder.path().join("etc/sysctl.d")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn what_is_read_after_our_file_is_told_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let machine = linux(folder.path());
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("usr/lib/sysctl.d/99-z.conf", "vm/max_map_count = 3\n");
    put("etc/sysctl.d/10-a.conf", "vm.max_map_count = 1\n");
    put(
        "etc/sysctl.d/95-b.conf",
        "kernel.panic = 9\n-vm.max_map_count=2\n",
    );
    put(
        "etc/modprobe.d/zz.conf",
        "options qaic control_resp_timeout_s=7 x=1\n",
    );
    put(
        "etc/modprobe.d/10-a.conf",
        "options qaic control_resp_timeout_s=5\ninstall qaic modprobe -i qaic control_resp_timeout_s=9\n",
    );
    put("proc/cmdline", "ro qaic.control_resp_timeout_s=8 quiet\n");
    let seen = probe(&machine, &known());
    let said = |file| -> Vec<String> {
        let overruled = &kept(&seen, file).overruled;
        overruled
            .iter()
            .map(|other| format!("{} {}={}", other.by, other.name, other.value))
            .collect()
    };
    assert_eq!(
        said(SettingsFile::Sysctl),
        [
            "/etc/sysctl.d/95-b.conf vm.max_map_count=2",
            "/usr/lib/sysctl.d/99-z.conf vm.max_map_count=3"
        ]
    );
    assert_eq!(
        said(SettingsFile::Modprobe),
        [
            "/etc/modprobe.d/zz.conf control_resp_timeout_s=7",
            "/proc/cmdline control_resp_timeout_s=8",
            "/etc/modprobe.d/10-a.conf control_resp_timeout_s=9"
        ]
    );
    // A name in an earlier folder hides the later one: linked to nothing, it says nothing.
    symlink("/dev/null", folder.path().join("etc/sysctl.d/99-z.conf")).unwrap();
    let seen = probe(&machine, &known());
    assert_eq!(kept(&seen, SettingsFile::Sysctl).overruled.len(), 1);
}

#[test]
fn what_is_no_file_of_ours_is_unknown_and_never_replaced() {
    type Place = fn(&Path);
    let places: [Place; 3] = [
        |path| symlink("/dev/null", path).unwrap(),
        |path| fs::write(path, b"a = \xff\n").unwrap(),
        |path| fs::write(path, "#".repeat(70_000)).unwrap(),
    ];
    for place in places {
        let folder = tempfile::tempdir().unwrap();
        let machine = linux(folder.path());
        place(&folder.path().join("etc/sysctl.d/90-shardplane.conf"));
        let fact = &probe(&machine, &known()).settings.kept[&SettingsFile::Sysctl];
        assert_eq!(fact.unknown, Some(Unknown::Malformed));
        let action = write(&FileImage::Absent, &FileImage::Text(OURS.to_owned()));
        let error = perform(&machine, &action).unwrap_err();
        assert!(matches!(error, StepError::Expectation { .. }), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let machine = linux(folder.path());
    fs::remove_dir(folder.path().join("etc/sysctl.d")).unwrap();
    let seen = probe(&machine, &known());
    assert!(!seen.settings.kept.contains_key(&SettingsFile::Sysctl));
    let action = write(&FileImage::Absent, &FileImage::Text(OURS.to_owned()));
    let error = perform(&machine, &action).unwrap_err();
    assert!(matches!(error, StepError::Write(_)), "{error}");
}

#[test]
fn a_boot_sets_what_the_files_say_and_the_last_one_counts() {
    let settings = |room: &Room| {
        let settings = room.probe().settings;
        let driver: Vec<u64> = settings
            .driver
            .values()
            .filter_map(|fact| fact.value)
            .collect();
        (settings.sysctl["vm.max_map_count"].value.unwrap(), driver)
    };
    for (sdk, line, seconds) in [
        ("1.21.0", "options qaic control_resp_timeout_s=2600", 2600),
        (
            "1.8.0",
            "options qaic control_resp_timeout=2600000",
            2_600_000,
        ),
    ] {
        let text = TWO_ULTRA.replace(
            "- name: aic-01",
            &format!("- name: aic-01\n      sdk: {{ platform: {sdk} }}"),
        );
        let room = Room::of(&text);
        let fresh = settings(&room);
        let server = room.server();
        server
            .set("/etc/sysctl.d/90-shardplane.conf", OURS)
            .unwrap();
        server
            .set("/etc/modprobe.d/90-shardplane.conf", line)
            .unwrap();
        assert_eq!(settings(&room), fresh, "a file sets nothing before a boot");
        room.machine().power_loss().unwrap();
        assert_eq!(settings(&room), (2_048_000, vec![seconds]));
        server
            .set("/etc/sysctl.d/99-local.conf", "vm.max_map_count = 70000")
            .unwrap();
        let seen = room.probe();
        assert_eq!(kept(&seen, SettingsFile::Sysctl).overruled.len(), 1);
        server.reboot().unwrap();
        assert_eq!(settings(&room).0, 70_000);
        for file in [
            "sysctl.d/90-shardplane.conf",
            "sysctl.d/99-local.conf",
            "modprobe.d/90-shardplane.conf",
        ] {
            server.set(&format!("/etc/{file}"), "absent").unwrap();
        }
        server.reboot().unwrap();
        assert_eq!(settings(&room), fresh);
    }
    let room = Room::of(TWO_ULTRA);
    for path in [
        "/etc/passwd",
        "/etc/sysctl.d/",
        "/etc/sysctl.d/../passwd",
        "/etc/sysctl.d/.x",
    ] {
        assert!(room.server().set(path, "x").is_err(), "{path}");
    }
}
