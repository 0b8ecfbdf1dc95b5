//! Who holds a SoC on Linux: by which node, whose process it is, and in which container and pod.
use std::{
    fs,
    io::ErrorKind,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::symlink,
    },
    path::Path,
};

use crd::{
    id::PciAddress,
    kind::ResetScope,
    snapshot::{HardwareSnapshot, Holder, HolderKind},
    step::Action,
};
use machine::{Known, KnownWorker, StepError, perform, probe};
use nix::{
    fcntl::{OFlag, openat},
    sys::stat::{Mode, mkdirat},
};

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, at, known, soc},
    tree::{first_process, put},
};

const SOC: &str = "sys/devices/pci0000:20/0000:20:01.0/0000:21:00.0/0000:22:00.0/0000:23:00.0/0000:24:00.0/0000:25:00.0";
const ID: &str = "3f5a1c0de9b84e7f8a6d2b1c4e5f60718293a4b5c6d7e8f9012345678abcdef0";
const UID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/// The machine whose first SoC has this node.
fn machine(class: &str, node: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    record(&Room::of(TWO_ULTRA), folder.path(), &<[u8]>::to_vec);
    fs::create_dir_all(folder.path().join(SOC).join(class).join(node)).unwrap();
    put(folder.path(), "proc/meminfo", "");
    folder
}

/// A process with one file open.
fn process(root: &Path, pid: u32, name: &str, cgroup: &str, open: &str) {
    put(root, &format!("proc/{pid}/comm"), format!("{name}\n"));
    put(root, &format!("proc/{pid}/cgroup"), cgroup);
    let folder = root.join(format!("proc/{pid}/fd"));
    fs::create_dir_all(&folder).unwrap();
    for descriptor in ["7", "8"] {
        symlink(open, folder.join(descriptor)).unwrap();
    }
}

/// Who holds what.
fn held(read: &HardwareSnapshot) -> Vec<(PciAddress, Option<u32>)> {
    let holders = read.holders.iter();
    holders.map(|held| (held.soc, held.pid)).collect()
}

#[test]
fn a_process_is_known_by_its_unit_container_and_pod() {
    let folder = machine("accel", "accel5");
    let root = folder.path();
    let dashless = UID.replace('-', "_");
    let cases: [(u32, String, [Option<&str>; 3]); 6] = [
        (
            11,
            "0::/system.slice/bench.service\n".into(),
            [Some("bench.service"), None, None],
        ),
        (
            12,
            format!("0::/system.slice/docker-{ID}.scope\n"),
            [None, Some(ID), None],
        ),
        (
            13,
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{dashless}.slice/cri-containerd-{ID}.scope\n"
            ),
            [None, Some(ID), Some(UID)],
        ),
        (
            14,
            format!(
                "12:devices:/kubepods/besteffort/pod{UID}/{ID}\n1:name=systemd:/kubepods/besteffort/pod{UID}/{ID}\n0::/\n"
            ),
            [None, Some(ID), Some(UID)],
        ),
        (
            15,
            format!("0::/machine.slice/libpod-{ID}.scope/container\n"),
            [None, Some(ID), None],
        ),
        (16, String::new(), [None, None, None]),
    ];
    for (pid, cgroup, _) in &cases {
        process(root, *pid, "python3", cgroup, "/dev/accel/accel5");
    }
    process(root, 20, "idle", "0::/\n", "/dev/null");
    // A kernel without control groups, and a process without a name.
    fs::remove_file(root.join("proc/16/cgroup")).unwrap();
    fs::remove_file(root.join("proc/16/comm")).unwrap();
    let read = probe(&fixture(root), &known());
    let expected: Vec<Holder> = cases
        .iter()
        .map(|(pid, _, [unit, container, pod])| Holder {
            soc: at("0000:25:00.0"),
            kind: HolderKind::Foreign,
            pid: Some(*pid),
            name: if *pid == 16 { "" } else { "python3" }.to_owned(),
            unit: unit.map(str::to_owned),
            container: container.map(str::to_owned),
            pod: pod.map(str::to_owned),
        })
        .collect();
    assert_eq!(
        read.holders, expected,
        "each once, whatever it has open twice"
    );
    assert_eq!(read.socs[0].accel.get().unwrap().0, 5);
}

#[test]
fn each_drivers_node_and_vfio_are_known() {
    for (class, node, open) in [
        ("accel", "accel300", "/dev/accel/accel300"),
        ("qaic", "qaic_aic100_0", "/dev/qaic_aic100_0"),
        ("accel", "accel5", "/dev/vfio/5"),
    ] {
        let folder = machine(class, node);
        process(folder.path(), 77, "qemu", "0::/\n", open);
        let read = probe(&fixture(folder.path()), &known());
        let found = held(&read);
        assert_eq!(found, [(at("0000:25:00.0"), Some(77))], "{open}");
        let asked = read.prerequisites.unwrap();
        let told = asked.socs[0].node.as_ref().unwrap().get();
        let expected = match class {
            "qaic" => "/dev/qaic_aic100_0".to_owned(),
            _ => format!("/dev/accel/{node}"),
        };
        assert_eq!(told, Some(&expected));
    }
}

#[test]
fn a_worker_of_ours_is_told_from_a_stranger() {
    let folder = machine("accel", "accel5");
    let unit = "0::/system.slice/shardplane.service\n";
    for pid in [31, 32] {
        process(
            folder.path(),
            pid,
            "shardplane-work",
            unit,
            "/dev/accel/accel5",
        );
    }
    let worker: crd::snapshot::PresentWorker = serde_yaml::from_str(&format!(
        "{{ id: demo-0, program: \"b3:{}\", socs: [\"0000:25:00.0\"], options: \"b3:{}\", state: Ready }}",
        "a".repeat(64),
        "b".repeat(64),
    ))
    .unwrap();
    let known = Known {
        workers: vec![KnownWorker {
            worker,
            pids: vec![31],
        }],
        ..known()
    };
    let read = probe(&fixture(folder.path()), &known);
    let foreign: Vec<_> = read
        .holders
        .iter()
        .map(|held| (held.pid, held.kind.is_foreign()))
        .collect();
    assert_eq!(foreign, [(Some(31), false), (Some(32), true)]);
}

/// Nodes are made anew, and bound into containers under other names: the number says which device is open.
#[test]
fn a_holder_is_known_by_the_number_of_what_it_has_open() {
    // What every machine has: a character device, whose number the SoC's node is said to have.
    let check = |number: &str, open: &str, expected: Option<u32>| {
        let folder = machine("accel", "accel5");
        let root = folder.path();
        put(root, &format!("{SOC}/accel/accel5/dev"), number);
        process(root, 77, "bench", "0::/\n", open);
        let read = probe(&fixture(root), &known());
        let found = held(&read);
        let expected: Vec<_> = expected
            .iter()
            .map(|pid| (at("0000:25:00.0"), Some(*pid)))
            .collect();
        assert_eq!(found, expected, "{number} {open}");
    };
    check("1:3\n", "/dev/null", Some(77));
    check("1:5\n", "/dev/null", None);
    check("1:5\n", "/dev/accel/accel5", Some(77));
    check("1:5\n", "/dev/accel/accel5 (deleted)", Some(77));
    check("garbage", "/dev/accel/accel5", Some(77));
}

/// Where `/proc` shows a part of the processes, whoever is not shown may hold any SoC.
#[test]
fn processes_of_another_namespace_may_hold() {
    let unseen = |spoil: &dyn Fn(&Path)| {
        let folder = machine("accel", "accel5");
        spoil(folder.path());
        let read = probe(&fixture(folder.path()), &known());
        let unseen = |holder: &Holder| matches!(holder.kind, HolderKind::Unseen { .. });
        assert!(read.holders.iter().all(unseen), "{:?}", read.holders);
        read.holders.len()
    };
    assert_eq!(unseen(&|_| ()), 0);
    assert_eq!(unseen(&|root| first_process(root, "pid:[4026532201]")), 8);
    let without = |root: &Path| fs::remove_dir_all(root.join("proc/1")).unwrap();
    assert_eq!(unseen(&without), 8, "hidden, or not mounted");
}

/// The kernel tells of a program that no file of a process does.
#[test]
fn a_channel_that_is_taken_is_held() {
    let folder = machine("accel", "accel5");
    let root = folder.path();
    // One that nobody can read takes nothing from it.
    for (channel, state) in [(0, "9\n"), (1, "1\n"), (2, "0\n")] {
        let file = format!("{SOC}/accel/accel5/dbc{channel}_state");
        put(root, &file, state);
    }
    let read = probe(&fixture(root), &known());
    let [held] = read.holders.as_slice() else {
        panic!("{:?}", read.holders)
    };
    assert_eq!((held.soc, held.pid), (at("0000:25:00.0"), None));
    assert_eq!(held.name, "a program with DMA bridge channel 1 (Assigned)");
    assert!(held.kind.is_foreign());
    let reset = Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&read, "0000:25:00.0")],
    };
    let error = perform(&fixture(root), &reset).unwrap_err();
    assert!(matches!(error, StepError::Held { .. }), "{error}");
    // Where nothing else is told, it may be the one.
    put(root, &format!("{SOC}/accel/accel5/dbc1_state"), "0\n");
    let untold = probe(&fixture(root), &known());
    let [held] = untold.holders.as_slice() else {
        panic!("{:?}", untold.holders)
    };
    assert!(
        held.kind.is_foreign() && held.name.ends_with("/accel/accel5/dbc0_state"),
        "{held:?}"
    );
    let error = perform(&fixture(root), &reset).unwrap_err();
    assert!(matches!(error, StepError::Held { .. }), "{error}");
    // Who has it open by a file is named by that alone.
    process(root, 77, "bench", "0::/\n", "/dev/accel/accel5");
    let read = probe(&fixture(root), &known());
    assert_eq!(read.holders.len(), 1);
    assert_eq!(read.holders[0].pid, Some(77));
}

/// Resets a SoC of a tree; why that was refused, if it was for who holds it.
fn refused(root: &Path, address: &str) -> Option<String> {
    let read = probe(&fixture(root), &known());
    let reset = Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&read, address)],
    };
    match perform(&fixture(root), &reset) {
        Err(StepError::Held { soc, by }) => Some(format!("{soc} {by}")),
        Err(StepError::Access(error)) => Some(error.to_string()),
        Err(_) | Ok(_) => None,
    }
}

/// Its first thread has ended, and the others have the node open.
#[test]
fn a_process_without_its_first_thread_holds() {
    let folder = machine("accel", "accel5");
    let root = folder.path();
    process(root, 77, "bench", "0::/\n", "/dev/accel/accel5");
    for (thread, descriptors) in [(77, false), (78, true)] {
        let place = root.join(format!("proc/77/task/{thread}/fd"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if descriptors {
            fs::rename(root.join("proc/77/fd"), place).unwrap();
        } else {
            fs::create_dir(place).unwrap();
        }
    }
    fs::create_dir(root.join("proc/77/fd")).unwrap();
    let read = probe(&fixture(root), &known());
    assert_eq!(held(&read), [(at("0000:25:00.0"), Some(77))]);
    assert_eq!(
        refused(root, "0000:25:00.0").as_deref(),
        Some("0000:25:00.0 bench (pid 77)")
    );
}

/// Its first thread has other files than the one that has the node.
#[test]
fn a_thread_with_files_of_its_own_holds() {
    let folder = machine("accel", "accel5");
    let root = folder.path();
    process(root, 77, "bench", "0::/\n", "/dev/null");
    let own = root.join("proc/77/task/78/fd");
    fs::create_dir_all(&own).unwrap();
    assert_eq!(refused(root, "0000:25:00.0"), None);
    symlink("/dev/accel/accel5", own.join("3")).unwrap();
    assert_eq!(
        refused(root, "0000:25:00.0").as_deref(),
        Some("0000:25:00.0 bench (pid 77)")
    );
}

/// Whatever anybody can open below a folder that is deep enough has a path that the kernel tells nobody.
#[test]
fn a_path_that_is_too_long_to_be_told_hides_nobody() {
    let folder = machine("accel", "accel5");
    let root = folder.path();
    let name = "d".repeat(250);
    let mut deep = OwnedFd::from(fs::File::open(root).unwrap());
    for _ in 0..20 {
        mkdirat(&deep, name.as_str(), Mode::S_IRWXU).unwrap();
        deep = openat(&deep, name.as_str(), OFlag::O_RDONLY, Mode::empty()).unwrap();
    }
    let ours = format!("/proc/self/fd/{}", deep.as_raw_fd());
    let error = fs::read_link(&ours).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilename);
    put(root, "proc/77/comm", "deep\n");
    symlink(
        format!("/proc/{}/fd", std::process::id()),
        root.join("proc/77/fd"),
    )
    .unwrap();
    assert_eq!(held(&probe(&fixture(root), &known())), []);
    assert_eq!(refused(root, "0000:25:00.0"), None);
}

/// The file is closed and its mapping stays, however it was made and whichever thread is left: the device is open.
#[test]
fn a_mapping_holds() {
    const LIBRARY: &str = "7f00-7f10 r-xp 0 08:02 1 /usr/bin/bench\n";
    let node =
        |rights: &str| format!("{LIBRARY}7f20-7f30 {rights} 0 00:06 612 /dev/accel/accel5\n");
    let check = |files: &[(&str, &str)], held: bool| {
        let folder = machine("accel", "accel5");
        let root = folder.path();
        process(root, 77, "bench", "0::/\n", "/dev/null");
        for (file, text) in files {
            put(root, &format!("proc/77/{file}"), text);
        }
        let expected = held.then_some("0000:25:00.0 bench (pid 77)");
        assert_eq!(
            refused(root, "0000:25:00.0").as_deref(),
            expected,
            "{files:?}"
        );
    };
    check(&[("maps", LIBRARY)], false);
    check(&[("maps", &node("rw-s"))], true);
    check(&[("maps", &node("rw-p"))], true);
    // More of it than any other file may have.
    let many =
        "7f00-7f10 r--p 0 08:02 1 /models/weights/of/a/large/model.safetensors\n".repeat(300_000);
    check(&[("maps", &many)], false);
    check(&[("maps", &format!("{many}{}", node("rw-s")))], true);
    // The first thread has ended, and its memory lives on in another.
    let other = ("task/78/maps", &*node("rw-s"));
    check(&[("maps", ""), ("task/77/maps", ""), other], true);
    check(&[("maps", ""), ("task/77/maps", "")], false);
}

/// One SoC whose nodes are not known is held by whoever; its neighbours are as they are.
#[test]
fn what_is_not_known_of_one_soc_is_its_own() {
    let folder = machine("accel", "accel5");
    let root = folder.path();
    let nodes = root.join(SOC).join("accel");
    fs::remove_dir_all(&nodes).unwrap();
    fs::write(&nodes, "no folder").unwrap();
    let read = probe(&fixture(root), &known());
    let [held] = read.holders.as_slice() else {
        panic!("{:?}", read.holders)
    };
    assert_eq!(held.soc, at("0000:25:00.0"));
    assert!(matches!(held.kind, HolderKind::Unseen { .. }), "{held:?}");
    assert!(held.name.ends_with("/0000:25:00.0/accel"), "{}", held.name);
    let said = refused(root, "0000:25:00.0").unwrap();
    assert!(said.contains("/0000:25:00.0/accel"), "{said}");
    assert_eq!(refused(root, "0000:26:00.0"), None);
}
