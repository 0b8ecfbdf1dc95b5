//! Who listens where qmonitor does: on Linux by the socket's inode, on a rack as its file and whoever works on it say.
use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use crd::{Fact, Unknown, snapshot::PortOwner};
use machine::probe;

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, known},
    tree::put,
};

const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const UID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/// A kernel's line for a socket: `0A` listens.
fn socket(port: u16, state: &str, inode: u32) -> String {
    format!(
        "   0: 00000000:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )
}

fn process(root: &Path, pid: u32, name: &str, cgroup: &str, inode: u32) {
    put(root, &format!("proc/{pid}/comm"), format!("{name}\n"));
    put(root, &format!("proc/{pid}/cgroup"), cgroup);
    let folder = root.join(format!("proc/{pid}/fd"));
    fs::create_dir_all(&folder).unwrap();
    symlink(format!("socket:[{inode}]"), folder.join("3")).unwrap();
}

fn machine(tcp: &[String]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    record(&Room::of(TWO_ULTRA), folder.path(), &<[u8]>::to_vec);
    put(folder.path(), "proc/meminfo", "");
    put(
        folder.path(),
        "proc/1/net/tcp",
        format!("{HEAD}{}", tcp.concat()),
    );
    folder
}

fn owner(root: &Path) -> (Option<bool>, Fact<PortOwner>) {
    let tools = probe(&fixture(root), &known()).tools;
    (tools.qmonitor_running.value, tools.qmonitor_owner.unwrap())
}

/// A pod without the host's network has a table of its own, and one without its processes a first process of its own.
#[test]
fn a_pods_own_network_says_nothing_of_the_machine() {
    let folder = machine(&[]);
    let elsewhere = format!("{HEAD}{}", socket(62472, "0A", 5));
    put(folder.path(), "proc/net/tcp", &elsewhere);
    let nobody = Fact::known(PortOwner::Nobody, "/proc");
    assert_eq!(owner(folder.path()), (Some(false), nobody));

    let first = folder.path().join("proc/1/ns/pid");
    fs::remove_file(&first).unwrap();
    symlink("pid:[4026532201]", &first).unwrap();
    let (listens, by) = owner(folder.path());
    assert_eq!((listens, by.value), (None, None));
    assert_eq!(by.unknown, Some(Unknown::ReadFailed));
}

#[test]
fn a_listener_is_known_by_its_socket_and_told_by_its_group() {
    // Somebody who is connected there, and somebody who listens elsewhere.
    let others = [socket(62472, "01", 5), socket(443, "0A", 6)];
    let folder = machine(&others);
    process(folder.path(), 11, "client", "0::/user.slice\n", 5);
    let nobody = Fact::known(PortOwner::Nobody, "/proc");
    assert_eq!(owner(folder.path()), (Some(false), nobody));

    for (cgroup, expected) in [
        (
            "0::/system.slice/qmonitor-proxy.service\n".to_owned(),
            PortOwner::Process {
                pid: 21,
                name: "qaic-monitor-gr".into(),
                unit: Some("qmonitor-proxy.service".into()),
                container: None,
            },
        ),
        (
            format!("0::/kubepods/besteffort/pod{UID}/0123\n"),
            PortOwner::Pod {
                pid: 21,
                name: "qaic-monitor-gr".into(),
                uid: UID.into(),
            },
        ),
    ] {
        let listening = [&others[..], &[socket(62472, "0A", 31)]].concat();
        let folder = machine(&listening);
        process(folder.path(), 11, "client", "0::/user.slice\n", 5);
        process(folder.path(), 21, "qaic-monitor-gr", &cgroup, 31);
        let expected = Fact::known(expected, "/proc");
        assert_eq!(owner(folder.path()), (Some(true), expected));
    }
}

/// Another pid namespace's, or one of a process whose descriptors are not ours to see: never taken for nobody.
#[test]
fn a_listener_that_is_not_seen_is_unknown() {
    let folder = machine(&[socket(62472, "0A", 31)]);
    process(folder.path(), 11, "client", "0::/user.slice\n", 5);
    let unseen = Fact::unknown(Unknown::Absent, "/proc");
    assert_eq!(owner(folder.path()), (Some(true), unseen));
    // A file where the descriptors should be cannot be listed, by root either.
    put(folder.path(), "proc/12/fd", "");
    let unread = Fact::unknown(Unknown::ReadFailed, "/proc");
    assert_eq!(owner(folder.path()), (Some(true), unread));
}

#[test]
fn a_racks_agent_runs_from_every_boot_until_somebody_stops_it() {
    let room = Room::of(TWO_ULTRA);
    let seen = || room.probe().tools;
    let is_pods = |fact: &Option<Fact<PortOwner>>| {
        matches!(
            fact,
            Some(Fact {
                value: Some(PortOwner::Pod { .. }),
                ..
            })
        )
    };
    assert_eq!(
        seen().qmonitor_owner,
        Some(Fact::known(PortOwner::Nobody, "/proc"))
    );
    room.server().set("qmonitor", "running").unwrap();
    // It takes ten seconds from its start to its first answer.
    room.machine().wait(Duration::from_secs(11));
    let tools = seen();
    assert_eq!(tools.qmonitor_running.get(), Some(&true));
    assert!(matches!(
        tools.qmonitor_owner.unwrap().value,
        Some(PortOwner::Process { .. })
    ));
    room.server().set("vendor-agent", "running").unwrap();
    assert!(is_pods(&seen().qmonitor_owner));
    assert!(room.server().set("vendor-agent", "on").is_err());
    room.server().reboot().unwrap();
    assert_eq!(
        seen().qmonitor_owner,
        Some(Fact::known(PortOwner::Nobody, "/proc"))
    );

    let declared = TWO_ULTRA.replace(
        "rootPorts:",
        "vendorAgent: { name: qaic-device-age, pid: 3000, pod: some-pod }\n      rootPorts:",
    );
    assert_ne!(declared, TWO_ULTRA);
    let room = Room::of(&declared);
    let seen = || room.probe().tools;
    assert!(is_pods(&seen().qmonitor_owner));
    assert_eq!(seen().qmonitor_running.get(), Some(&true));
    room.server().set("vendor-agent", "stopped").unwrap();
    assert_eq!(seen().qmonitor_running.get(), Some(&false));
    room.server().reboot().unwrap();
    assert!(is_pods(&seen().qmonitor_owner), "a boot starts it");
}
