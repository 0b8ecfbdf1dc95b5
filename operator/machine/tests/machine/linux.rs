//! Linux: the tree of the machine that we run on against its own files, folders that stand for other machines, and tools.
use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use crd::{
    Fact, Unknown,
    snapshot::{Acs, HardwareSnapshot, PortKind},
};
use machine::{Invocation, Machine, Roots, ToolError, probe};
use proptest::prelude::*;

use crate::{
    room::{Room, TWO_ULTRA, at, known},
    tree::{functions, put, roots, whole},
};

/// A machine whose kernel files are these folders.
pub(crate) fn fixture(folder: &Path) -> Machine {
    Machine::linux(roots(folder))
}

/// Writes the functions that a rack shows into folders, as a kernel would lay them out.
pub(crate) fn record(room: &Room, folder: &Path, config: &dyn Fn(&[u8]) -> Vec<u8>) {
    functions(room.machine(), folder, config);
}

#[test]
fn a_kernels_folders_and_a_rack_are_read_alike() {
    let room = Room::of(TWO_ULTRA);
    let folder = tempfile::tempdir().unwrap();
    record(&room, folder.path(), &<[u8]>::to_vec);
    let read = probe(&fixture(folder.path()), &known());
    assert_eq!(read.functions, room.probe().functions);
    assert_eq!(read.socs.len(), 8);
    assert!(
        read.socs
            .iter()
            .all(|soc| soc.status.unknown == Some(Unknown::ToolMissing))
    );
}

/// Not the functions alone: everything but the time, and what stands in for this machine's own disk and name.
#[test]
fn whole_machines_are_read_alike() {
    for name in [
        "two-ultra-one-switch",
        "eight-ultra-two-switches",
        "mixed",
        "eight-standard-root-ports",
    ] {
        let room = Room::example(name);
        let folder = tempfile::tempdir().unwrap();
        whole(room.machine(), folder.path());
        let mut read = probe(&fixture(folder.path()), &known());
        let mut shown = room.probe();
        shown.metadata = read.metadata.clone();
        for snapshot in [&mut read, &mut shown] {
            let readings = snapshot.readings.as_mut().unwrap();
            assert!(!readings.power_microwatts.is_empty());
            readings.taken_at = None;
            let asked = snapshot.prerequisites.as_mut().unwrap();
            asked.disk_gib = Fact::unknown(Unknown::Absent, "/");
            // Where it is found differs with the machine's own search path.
            asked.switchtec = Fact::unknown(Unknown::ToolMissing, "switchtec");
        }
        let text = |snapshot: &HardwareSnapshot| serde_yaml::to_string(snapshot).unwrap();
        let (read, shown) = (text(&read), text(&shown));
        for (at, (one, other)) in read.lines().zip(shown.lines()).enumerate() {
            assert_eq!(one, other, "{name}, line {at}");
        }
        assert_eq!(read.len(), shown.len(), "{name}");
    }
}

#[test]
fn a_reader_without_rights_learns_nothing_about_acs() {
    let room = Room::of(TWO_ULTRA);
    let folder = tempfile::tempdir().unwrap();
    record(&room, folder.path(), &|bytes| bytes[..64].to_vec());
    let read = probe(&fixture(folder.path()), &known());
    for function in &read.functions {
        assert_eq!(
            function.acs.unknown,
            Some(Unknown::NoPermission),
            "{}",
            function.address
        );
        assert_eq!(function.acs.value, None);
    }
    // A bridge is known by its header; what kind of port it is, is not.
    assert_eq!(read.functions[0].port, Some(PortKind::Bridge));
    assert!(
        read.functions
            .iter()
            .any(|f| f.bars.get().is_some_and(|bars| !bars.is_empty())),
        "sizes stay readable"
    );
}

#[test]
fn an_empty_machine_has_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let read = probe(&fixture(folder.path()), &known());
    assert_eq!(
        (read.functions.len(), read.socs.len(), read.holders.len()),
        (0, 0, 0)
    );
    assert_eq!(read.boot_id.unknown, Some(Unknown::Absent));
    assert_eq!(read.tools.compiler.unknown, Some(Unknown::ToolMissing));
    assert!(read.settings.driver.is_empty() && read.settings.sysctl.is_empty());
}

/// The tree of this very machine, read a second time here in another way.
#[test]
fn this_machine_is_told_truthfully() {
    let read: HardwareSnapshot = probe(&Machine::linux(Roots::default()), &known());
    let names: Vec<String> = match fs::read_dir("/sys/bus/pci/devices") {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect(),
        Err(_) => Vec::new(),
    };
    assert_eq!(read.functions.len(), names.len());
    for name in names {
        let function = read
            .functions
            .iter()
            .find(|f| f.address.to_string() == name)
            .unwrap();
        let folder = Path::new("/sys/bus/pci/devices").join(&name);
        let text = |file: &str| {
            fs::read_to_string(folder.join(file))
                .unwrap()
                .trim()
                .to_owned()
        };
        assert_eq!(function.vendor.to_string(), text("vendor"));
        assert_eq!(function.device.to_string(), text("device"));
        assert_eq!(function.class, text("class"));
        let real = fs::canonicalize(&folder).unwrap();
        let above = real
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        assert_eq!(
            function.parent.map(|parent| parent.to_string()),
            above.contains('.').then_some(above)
        );
        let config = fs::read(folder.join("config")).unwrap();
        assert_eq!(function.port.is_some(), config[0x0e] & 0x7f == 1);
        if config.len() == 64 {
            assert_eq!(
                function.acs.value, None,
                "{name}: what cannot be read is not absent"
            );
        }
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(read.boot_id.get().unwrap().as_str(), boot.trim());
    let count = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    assert_eq!(
        read.settings.sysctl["vm.max_map_count"]
            .get()
            .unwrap()
            .to_string(),
        count.trim()
    );
    assert!(read.host.memory_mib.get().unwrap() > &0 && read.host.cpus.get().unwrap() > &0);
}

#[test]
fn tools_end_or_are_ended() {
    let machine = Machine::linux(Roots::default());
    let shell = |script: &str, deadline: u64| Invocation {
        files: vec![("input".to_owned(), "content".to_owned())],
        ..Invocation::new("sh", &["-c", script], Duration::from_millis(deadline))
    };
    let output = machine
        .run(&shell("echo out; echo err >&2; exit 3", 20_000))
        .unwrap();
    assert_eq!(
        (
            output.status,
            output.stdout.as_str(),
            output.stderr.as_str(),
            output.timed_out
        ),
        (Some(3), "out\n", "err\n", false)
    );
    let output = machine.run(&shell("cat {dir}/input; cat", 20_000)).unwrap();
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (Some(0), "content"),
        "standard input is empty"
    );
    let output = machine.run(&shell("kill -9 $$", 20_000)).unwrap();
    assert_eq!((output.status, output.timed_out), (None, false));
    // Children of a tool go with it, and what it printed until then is kept.
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "echo $$ > {0}/pid; echo early; sleep 1000 & sleep 1000",
        folder.path().display()
    );
    let output = machine.run(&shell(&script, 1500)).unwrap();
    assert_eq!(
        (output.status, output.timed_out, output.stdout.as_str()),
        (None, true, "early\n")
    );
    let group = fs::read_to_string(folder.path().join("pid")).unwrap();
    let mut members = 0;
    for entry in fs::read_dir("/proc").unwrap() {
        let stat = fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .collect();
        members += usize::from(fields.get(2) == Some(&group.trim()) && fields[0] != "Z");
    }
    assert_eq!(members, 0, "nothing of its process group runs");
    // More output than a pipe holds, on both streams at once.
    let output = machine
        .run(&shell(
            "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2",
            20_000,
        ))
        .unwrap();
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (300_000, 300_000)
    );
    let missing = machine.run(&Invocation::new(
        "/opt/qti-aic/tools/qaic-util",
        &["-q"],
        Duration::from_secs(1),
    ));
    assert!(matches!(missing, Err(ToolError::Missing { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Files full of anything still make a snapshot.
    #[test]
    fn any_machine_has_a_snapshot(config in proptest::collection::vec(any::<u8>(), 0..4096), text in "\\PC{0,60}") {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for address in ["0000:00:00.0", "0000:00:01.0"] {
            let real = format!("sys/devices/pci0000:00/{address}");
            put(root, &format!("{real}/vendor"), "0x17cb\n");
            put(root, &format!("{real}/device"), "0xa100\n");
            // What a function is, a class that is none does not say.
            let class = if address == "0000:00:00.0" { "0x120000\n" } else { &text };
            put(root, &format!("{real}/class"), class);
            for file in ["resource", "numa_node", "current_link_speed", "current_link_width"] {
                put(root, &format!("{real}/{file}"), &text);
            }
            put(root, &format!("{real}/config"), &config);
            fs::create_dir_all(root.join("sys/bus/pci/devices")).unwrap();
            symlink(format!("../../../devices/pci0000:00/{address}"), root.join("sys/bus/pci/devices").join(address)).unwrap();
        }
        for file in ["meminfo", "cpuinfo", "cmdline", "self/status", "net/tcp", "sys/kernel/random/boot_id", "sys/vm/max_map_count"] {
            put(root, &format!("proc/{file}"), &text);
        }
        put(root, "opt/qti-aic/versions/apps.xml", &text);
        put(root, "opt/qti-aic/exec/qaic-exec", "");
        put(root, "sys/kernel/security/lockdown", &text);
        let read = probe(&fixture(root), &known());
        prop_assert_eq!(read.functions.len(), 1);
        prop_assert_eq!(read.socs.len(), 1);
        let unread = |path: &str| read.unread.iter().any(|unread| unread.path == path);
        prop_assert!(unread("/sys/bus/pci/devices/0000:00:01.0/class"));
        let written = serde_yaml::to_string(&read).unwrap();
        prop_assert_eq!(serde_yaml::from_str::<HardwareSnapshot>(&written).unwrap(), read);
    }
}

#[test]
fn a_bridge_is_shown_with_what_its_registers_say() {
    let room = Room::of(TWO_ULTRA);
    let snapshot = room.probe();
    let port = snapshot
        .functions
        .iter()
        .find(|f| f.address == at("0000:24:00.0"))
        .unwrap();
    let Some(Acs::Present {
        offset,
        capability,
        control,
    }) = port.acs.get()
    else {
        panic!()
    };
    assert_eq!((*offset, capability.0, control.0), (0x1cc, 0x007f, 0x001d));
}
