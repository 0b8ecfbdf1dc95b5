//! Machines that are not whole: files that cannot be read, devices that go while they are read, tools that die or lie. Each
//! has a reason in the snapshot, and everything else of the machine is there all the same.
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    thread,
};

use crd::{
    Unknown,
    kind::ResetScope,
    snapshot::{HardwareSnapshot, HolderKind, PortKind},
    step::Action,
};
use machine::{Machine, StepError, perform, probe};
use nix::unistd::{Uid, setfsuid};

use crate::{
    linux::fixture,
    room::{Room, TWO_ULTRA, at, known, soc},
    tree::{double, put, whole},
};

/// Where the first SoC's files are, and the port above it.
const SOC: &str = "sys/devices/pci0000:20/0000:20:01.0/0000:21:00.0/0000:22:00.0/0000:23:00.0/0000:24:00.0/0000:25:00.0";
const PORT: &str =
    "sys/devices/pci0000:20/0000:20:01.0/0000:21:00.0/0000:22:00.0/0000:23:00.0/0000:24:00.0";
const DEVICES: &str = "/sys/bus/pci/devices";

fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    whole(Room::of(TWO_ULTRA).machine(), folder.path());
    folder
}

/// A machine's snapshot after its files were spoiled.
fn spoiled(spoil: impl FnOnce(&Path)) -> HardwareSnapshot {
    let folder = tree();
    spoil(folder.path());
    probe(&fixture(folder.path()), &known())
}

/// Puts a folder where a file is expected: reading it fails, whoever reads.
fn block(root: &Path, path: &str) {
    let place = root.join(path);
    let _ = fs::remove_file(&place);
    fs::create_dir_all(place).unwrap();
}

fn unread(snapshot: &HardwareSnapshot) -> Vec<(String, Unknown)> {
    let told = snapshot.unread.iter();
    told.map(|unread| (unread.path.clone(), unread.why))
        .collect()
}

fn function<'a>(snapshot: &'a HardwareSnapshot, address: &str) -> &'a crd::snapshot::PciFunction {
    let mut functions = snapshot.functions.iter();
    functions
        .find(|function| function.address == at(address))
        .unwrap()
}

#[test]
fn a_file_that_cannot_be_read_is_one_unknown_fact() {
    let all = Room::of(TWO_ULTRA).probe().functions.len();
    let read = spoiled(|root| {
        for file in [
            "config",
            "resource",
            "numa_node",
            "current_link_speed",
            "max_link_width",
        ] {
            block(root, &format!("{SOC}/{file}"));
        }
        put(root, &format!("{PORT}/config"), "short");
    });
    assert_eq!(
        (read.functions.len(), read.unread.len(), read.socs.len()),
        (all, 0, 8)
    );
    let soc = function(&read, "0000:25:00.0");
    let failed = Some(Unknown::ReadFailed);
    assert_eq!(soc.acs.unknown, failed);
    assert_eq!(soc.bars.unknown, failed);
    assert_eq!(soc.numa_node.unknown, failed);
    assert_eq!(soc.link.unknown, failed);
    assert_eq!(soc.max_link.unknown, failed);
    // What it is, its class and its place tell.
    let port = function(&read, "0000:24:00.0");
    assert_eq!(
        (port.acs.unknown, port.port),
        (Some(Unknown::ShortRead), Some(PortKind::SwitchDownstream))
    );
    // Its neighbours are as ever.
    let other = function(&read, "0000:24:01.0");
    assert_eq!(other.port, Some(PortKind::SwitchDownstream));
    assert!(other.acs.get().is_some() && read.socs[1].status.get().is_some());
}

#[test]
fn what_cannot_be_placed_is_told_and_the_rest_is_there() {
    let all = Room::of(TWO_ULTRA).probe().functions.len();
    let beside = |name: &str| format!("{DEVICES}/{name}");
    let read = spoiled(|root| {
        let devices = root.join(&DEVICES[1..]);
        symlink("../../../devices/nowhere", devices.join("0000:f0:00.0")).unwrap();
        symlink("0000:f1:00.0", devices.join("0000:f1:00.0")).unwrap();
        fs::write(devices.join("README"), "no device").unwrap();
        fs::create_dir(devices.join("0000:f2:00.0")).unwrap();
        put(root, &format!("{SOC}/vendor"), "17cb?\n");
    });
    assert_eq!(read.functions.len(), all - 1);
    assert_eq!(read.socs.len(), 7);
    assert_eq!(
        unread(&read),
        [
            (beside("0000:25:00.0/vendor"), Unknown::Malformed),
            (beside("0000:f0:00.0"), Unknown::Malformed),
            (beside("0000:f1:00.0/vendor"), Unknown::ReadFailed),
            (beside("0000:f2:00.0"), Unknown::ReadFailed),
            (beside("README"), Unknown::Malformed),
        ]
    );
}

/// A bridge that is gone or cannot be read hides nothing below it, and what was seen can be read back.
#[test]
fn a_recording_of_a_tree_with_a_hole_holds_together() {
    let whole = Room::of(TWO_ULTRA).probe();
    let soc = &function(&whole, "0000:25:00.0").path.0;
    let above = whole.functions.iter().filter(|function| {
        function.port.is_some() && soc.starts_with(&format!("{}/", function.path))
    });
    let bridges: Vec<String> = above.map(|bridge| bridge.address.to_string()).collect();
    assert!(bridges.len() > 3, "{bridges:?}");
    for bridge in &bridges {
        let folder = format!("{DEVICES}/{bridge}");
        for how in ["garbled", "gone while it was read", "gone before"] {
            let read = spoiled(|root| match how {
                "garbled" => put(root, &format!("{folder}/vendor"), "17cb?\n"),
                "gone before" => {
                    let link = root.join(&folder[1..]);
                    fs::remove_file(&link).unwrap_or_else(|_| {
                        fs::remove_dir_all(&link).unwrap();
                    });
                }
                _ => fs::remove_file(root.join(&folder[1..]).join("vendor")).unwrap(),
            });
            assert_eq!(read.socs.len(), 8, "{bridge} {how}");
            let told = unread(&read);
            assert!(
                told.iter().any(|(path, _)| path.starts_with(&folder)),
                "{bridge} {how}: {told:?}"
            );
            let text = crd::write::to_yaml(&read).unwrap();
            let back = crd::load::load(&[crd::load::SourceText::new("recording", &text)]);
            // Nobody recorded it, so that it has no hash: that alone is told.
            let errors = back.diagnostics.iter();
            let errors = errors.filter(|found| found.severity == crd::diagnostic::Severity::Error);
            let wrong: Vec<&String> = errors.map(|found| &found.message).collect();
            assert!(wrong.is_empty(), "{bridge} {how}: {wrong:?}");
        }
    }
}

/// The kernel takes a device's folder before, or after, its name in the list of the bus.
#[test]
fn a_device_that_goes_between_two_reads_is_told() {
    let read = spoiled(|root| fs::remove_dir_all(root.join(SOC)).unwrap());
    assert_eq!(read.socs.len(), 7);
    let path = format!("{DEVICES}/0000:25:00.0/vendor");
    assert_eq!(unread(&read), [(path, Unknown::Absent)]);
    // Of what it went while the rest was read, the rest is unknown.
    let read = spoiled(|root| {
        for file in ["config", "resource", "driver", "iommu_group", "numa_node"] {
            fs::remove_file(root.join(SOC).join(file)).unwrap();
        }
        fs::remove_dir_all(root.join(SOC).join("accel")).unwrap();
    });
    let soc = function(&read, "0000:25:00.0");
    let absent = Some(Unknown::Absent);
    assert_eq!(
        (soc.acs.unknown, soc.bars.unknown, soc.driver.unknown),
        (absent, absent, absent)
    );
    assert_eq!(read.socs[0].accel.unknown, absent);
    assert_eq!(read.socs.len(), 8);
}

#[test]
fn a_bus_that_cannot_be_listed_is_no_empty_bus() {
    let read = spoiled(|root| {
        fs::remove_dir_all(root.join(&DEVICES[1..])).unwrap();
        put(root, DEVICES, "");
    });
    assert_eq!(unread(&read), [(DEVICES.to_owned(), Unknown::ReadFailed)]);
    assert!(read.functions.is_empty() && read.socs.is_empty());
    assert!(read.host.kernel.get().is_some(), "the rest is there");
    // A reset of all would reach SoCs that nobody saw.
    let room = Room::of(TWO_ULTRA);
    let folder = tree();
    let devices = folder.path().join(&DEVICES[1..]);
    fs::create_dir(devices.join("0000:f2:00.0")).unwrap();
    put(folder.path(), "proc/1/comm", "init\n");
    let every = room
        .probe()
        .socs
        .iter()
        .map(|found| soc(&room.probe(), &found.address.to_string()))
        .collect();
    let reset = Action::Reset {
        scope: ResetScope::Host,
        socs: every,
    };
    let error = perform(&fixture(folder.path()), &reset).unwrap_err();
    assert!(error.to_string().contains("0000:f2:00.0"), "{error}");
    let calls = folder
        .path()
        .join("opt/qti-aic/tools/qaic-util.answers/calls");
    let calls = fs::read_to_string(calls).unwrap();
    assert!(!calls.contains("-s"), "{calls}");
}

/// Runs `work` as somebody whom file modes stop; root alone would walk through them.
fn without_rights<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let alone = scope.spawn(|| {
            // Of this thread only, and gone with it.
            setfsuid(Uid::from_raw(65_534));
            work()
        });
        alone.join().unwrap()
    })
}

fn close(path: PathBuf, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_of_others_are_told_as_such_and_their_processes_may_hold() {
    let folder = tree();
    let root = folder.path();
    fs::create_dir_all(root.join("proc/4711/fd")).unwrap();
    fs::create_dir_all(root.join("proc/4712/fd")).unwrap();
    symlink("/dev/accel/accel0", root.join("proc/4712/fd/3")).unwrap();
    close(root.to_owned(), 0o755);
    close(root.join("proc/4711/fd"), 0o700);
    close(root.join(SOC).join("config"), 0o600);
    close(root.join("proc/self/status"), 0o000);
    let read = without_rights(|| probe(&fixture(root), &known()));
    let refused = Some(Unknown::NoPermission);
    assert_eq!(function(&read, "0000:25:00.0").acs.unknown, refused);
    assert_eq!(read.host.cpus.unknown, refused);
    let of = |address: &str| {
        let mut holders = read
            .holders
            .iter()
            .filter(move |held| held.soc == at(address));
        (
            holders.next().map(|held| held.kind.clone()),
            holders.count(),
        )
    };
    let unseen = HolderKind::Unseen {
        why: Unknown::NoPermission,
    };
    assert_eq!(
        of("0000:2c:00.0"),
        (Some(unseen), 0),
        "whoever cannot be seen may hold any of them"
    );
    assert_eq!(read.holders.len(), 9, "and who can be seen is seen");
    assert!(read.holders.iter().any(|held| held.pid == Some(4712)));
    // Nothing is reset meanwhile.
    let reset = Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&read, "0000:2c:00.0")],
    };
    let machine: Machine = fixture(root);
    let error = without_rights(|| perform(&machine, &reset)).unwrap_err();
    assert!(matches!(error, StepError::Access(_)), "{error}");
}

/// A process that ends, or closes a file, while we look holds nothing.
#[test]
fn what_ended_meanwhile_holds_nothing() {
    let read = spoiled(|root| {
        symlink("/nowhere", root.join("proc/4711")).unwrap();
        fs::create_dir_all(root.join("proc/4712")).unwrap();
        fs::create_dir_all(root.join("proc/4713/fd")).unwrap();
        symlink("socket:[1]", root.join("proc/4713/fd/3")).unwrap();
    });
    assert_eq!(read.holders, []);
    let read = spoiled(|root| {
        fs::create_dir_all(root.join("proc/4712")).unwrap();
        put(root, "proc/4712/fd", "no folder");
    });
    assert!(
        read.holders.len() == 8 && read.holders.iter().all(|held| held.kind.is_foreign()),
        "{:?}",
        read.holders
    );
}

/// The kernel's half of the snapshot is there whatever becomes of the tool, and the tool's half says why it is not.
#[test]
fn a_tool_that_dies_or_lies_leaves_the_kernels_facts() {
    const TOOL: &str = "opt/qti-aic/tools/qaic-util";
    let whole = Room::of(TWO_ULTRA).probe();
    let check = |what: &str, spoil: &dyn Fn(&Path), why: Unknown| {
        let read = spoiled(spoil);
        assert_eq!(read.functions, whole.functions, "{what}");
        for (read, whole) in read.socs.iter().zip(&whole.socs) {
            assert_eq!(
                (&read.serial, &read.accel, &read.mhi),
                (&whole.serial, &whole.accel, &whole.mhi),
                "{what}"
            );
            assert_eq!(
                (read.status.unknown, read.mdp.get()),
                (Some(why), None),
                "{what}"
            );
        }
        assert_eq!(read.tools.platform_sdk, whole.tools.platform_sdk, "{what}");
    };
    let says =
        |root: &Path, file: &str, text: &[u8]| put(root, &format!("{TOOL}.answers/{file}"), text);
    let silent = |root: &Path| {
        says(root, "stdout", b"");
        let _ = fs::remove_file(root.join(format!("{TOOL}.answers/json")));
    };
    check("success, and nothing said", &silent, Unknown::ToolFailed);
    check(
        "failure, and nothing said",
        &|root| {
            silent(root);
            says(root, "status", b"255");
        },
        Unknown::ToolFailed,
    );
    check(
        "garbage and success",
        &|root| {
            silent(root);
            says(root, "stdout", b"QID \xff\n\tStatus:Ready\n\0\x1b[\nQID\n");
        },
        Unknown::ToolFailed,
    );
    check(
        "garbage in its file too",
        &|root| {
            silent(root);
            says(root, "json", &[0xfe; 64]);
        },
        Unknown::ToolFailed,
    );
    check(
        "killed",
        &|root| double(root, "dies", TOOL),
        Unknown::ToolFailed,
    );
    check(
        "no program",
        &|root| {
            fs::remove_file(root.join(TOOL)).unwrap();
            put(root, TOOL, "not a program");
        },
        Unknown::ToolFailed,
    );
    check(
        "not there",
        &|root| fs::remove_file(root.join(TOOL)).unwrap(),
        Unknown::ToolMissing,
    );
}
