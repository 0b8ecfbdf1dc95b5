//! What the vendor's guides ask: a rack's answers, a kernel's folders, and what cannot be told.
use std::{fs, os::unix::fs::PermissionsExt};

use crd::{Unknown, snapshot::Prerequisites};
use machine::probe;

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, known},
    tree::put,
};

fn of(room: &Room) -> Prerequisites {
    room.probe().prerequisites.expect("a probe looks")
}

#[test]
fn a_healthy_rack_has_everything() {
    let room = Room::of(TWO_ULTRA);
    let seen = of(&room);
    assert_eq!(seen.reader.uid.get(), Some(&0));
    assert_eq!(seen.reader.sys_admin.get(), Some(&true));
    assert_eq!(seen.reader.in_qaic_group.get(), Some(&false));
    assert_eq!(seen.qaic_group.get(), Some(&995));
    assert_eq!(seen.distribution.get().unwrap(), "ubuntu 22.04");
    assert_eq!(seen.iommus.get(), Some(&1));
    assert_eq!(seen.virtual_machine.get(), Some(&false));
    assert_eq!(seen.modules.get().unwrap(), &["mhi", "qaic", "switchtec"]);
    assert_eq!(seen.installed.get().unwrap().len(), 7);
    assert_eq!(seen.switchtec.get().unwrap(), "/usr/bin/switchtec");
    assert_eq!(seen.vendor_operator.get().unwrap().len(), 0);
    assert_eq!(seen.disk_gib.get(), Some(&4096));
    assert_eq!(seen.socs.len(), 8);
    for soc in &seen.socs {
        assert_eq!(soc.bar4_assigned.get(), Some(&true), "{}", soc.address);
        assert_eq!(soc.msi_vectors.get(), Some(&32), "{}", soc.address);
    }
}

#[test]
fn a_rack_says_what_it_lacks() {
    let with = |field: &str| {
        let text = TWO_ULTRA.replace(
            "    - name: aic-01\n",
            &format!("    - name: aic-01\n      {field}\n"),
        );
        of(&Room::of(&text))
    };
    let user = with("host: { access: Unprivileged }");
    assert_eq!(user.reader.uid.get(), Some(&1000));
    assert_eq!(user.reader.sys_admin.get(), Some(&false));
    assert_eq!(user.reader.in_qaic_group.get(), Some(&true));
    let bare = with("host: { commandLine: \"quiet\" }");
    assert_eq!(bare.iommus.get(), Some(&0));
    assert!(
        bare.socs
            .iter()
            .all(|soc| soc.msi_vectors.get() == Some(&1))
    );
    let without = with("sdk: { missing: [switchtec, qaic-monitor-json] }");
    assert_eq!(without.switchtec.unknown, Some(Unknown::ToolMissing));
    assert!(
        !without
            .installed
            .get()
            .unwrap()
            .contains(&"tools/qaic-monitor-json".to_owned())
    );
    let room = Room::of(TWO_ULTRA);
    room.server().set("0000:25:00.0/driver", "none").unwrap();
    let unbound = &of(&room).socs[0];
    assert_eq!(unbound.msi_vectors.unknown, Some(Unknown::Absent));
}

#[test]
fn a_kernels_folders_are_read_and_what_is_not_there_is_unknown() {
    let room = Room::of(TWO_ULTRA);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    record(&room, root, &<[u8]>::to_vec);
    put(
        root,
        "proc/self/status",
        "Uid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\nGroups:\t4 27 \nCapEff:\t0000000000200000\n",
    );
    put(root, "proc/cpuinfo", "flags\t\t: fpu hypervisor\n");
    put(root, "sys/class/dmi/id/sys_vendor", "QEMU\n");
    put(root, "sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    put(root, "sys/module/qaic/version", "1.2.3\n");
    put(root, "var/lib/qaic_soc_reset_done", "");
    put(
        root,
        "var/lib/kubelet/device-plugins/qualcomm.com_qaic.sock",
        "",
    );
    // One that may not be run is none.
    put(root, "opt/qti-aic/tools/qaic-monitor-json", "");
    for program in ["opt/qti-aic/tools/qaic-util", "bin/switchtec"] {
        put(root, program, "");
        let runs = fs::Permissions::from_mode(0o755);
        fs::set_permissions(root.join(program), runs).unwrap();
    }
    let seen = probe(&fixture(root), &known()).prerequisites.unwrap();
    assert_eq!(seen.reader.uid.get(), Some(&0), "the effective one counts");
    assert_eq!(seen.reader.sys_admin.get(), Some(&true));
    assert_eq!(seen.virtual_machine.get(), Some(&true));
    assert_eq!(seen.product.get().unwrap(), "QEMU Standard PC (Q35)");
    assert_eq!(seen.driver_version.get().unwrap(), "1.2.3");
    assert_eq!(seen.installed.get().unwrap(), &["tools/qaic-util"]);
    assert!(seen.switchtec.get().unwrap().ends_with("/bin/switchtec"));
    assert_eq!(
        seen.vendor_operator.get().unwrap(),
        &[
            "/var/lib/kubelet/device-plugins/qualcomm.com_qaic.sock",
            "/var/lib/qaic_soc_reset_done"
        ]
    );
    assert_eq!(seen.iommus.unknown, Some(Unknown::Absent));
    assert_eq!(seen.socs[0].msi_vectors.unknown, Some(Unknown::Absent));
    assert_eq!(seen.socs[0].bar4_assigned.get(), Some(&true));
}

/// Four bytes of attributes stand before the variable's own.
#[test]
fn secure_boot_is_read_from_the_firmwares_variable() {
    let name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let seen = |bytes: Option<&[u8]>| {
        let folder = tempfile::tempdir().unwrap();
        if let Some(bytes) = bytes {
            put(folder.path(), name, bytes);
        }
        let asked = probe(&fixture(folder.path()), &known())
            .prerequisites
            .unwrap();
        let fact = asked.secure_boot.unwrap();
        (fact.value, fact.unknown)
    };
    assert_eq!(seen(Some(&[6, 0, 0, 0, 1])), (Some(true), None));
    assert_eq!(seen(Some(&[6, 0, 0, 0, 0])), (Some(false), None));
    for odd in [
        &[1][..],
        &[6, 0, 0, 0],
        &[6, 0, 0, 0, 1, 0],
        &[6, 0, 0, 0, 7],
        &[],
    ] {
        assert_eq!(seen(Some(odd)), (None, Some(Unknown::Malformed)), "{odd:?}");
    }
    assert_eq!(
        seen(None),
        (None, Some(Unknown::Absent)),
        "no EFI, or a kernel that hides it"
    );
}

/// Writes a file of the first SoC.
type Put<'a> = &'a dyn Fn(&str, &str);

#[test]
fn what_is_asked_of_each_soc_has_its_bounds() {
    use crd::snapshot::{Channel, ChannelState};
    let soc = "sys/devices/pci0000:20/0000:20:01.0/0000:21:00.0/0000:22:00.0/0000:23:00.0/0000:24:00.0/0000:25:00.0";
    let seen = |spoil: &dyn Fn(Put<'_>)| {
        let folder = tempfile::tempdir().unwrap();
        record(&Room::of(TWO_ULTRA), folder.path(), &<[u8]>::to_vec);
        spoil(&|path, text| put(folder.path(), &format!("{soc}/{path}"), text));
        let asked = probe(&fixture(folder.path()), &known())
            .prerequisites
            .unwrap();
        asked.socs[0].clone()
    };
    // A kernel before 6.19 has the node and no states.
    let plain = seen(&|put| put("accel/accel0/uevent", ""));
    assert_eq!(plain.channels.unwrap().unknown, Some(Unknown::Absent));
    let busy = seen(&|put| {
        for number in 0..16 {
            put(
                &format!("accel/accel0/dbc{number}_state"),
                if number == 11 { "5\n" } else { "0\n" },
            );
        }
        put("accel/accel0/dbcx_state", "9\n");
        put("hwmon/hwmon3/power1_max", "75000000\n");
        for (name, count) in [
            ("ce_count", "3\n"),
            ("ue_count", "1\n"),
            ("ue_nonfatal_count", "2\n"),
        ] {
            put(name, count);
        }
    });
    let channels = busy.channels.unwrap().value.unwrap();
    assert_eq!(channels.count, 16);
    assert_eq!(
        channels.busy,
        [Channel {
            number: 11,
            state: ChannelState::AfterPowerUp
        }]
    );
    let errors = busy.errors.unwrap().value.unwrap();
    assert_eq!(
        (errors.correctable, errors.uncorrectable, errors.nonfatal),
        (3, 1, 2)
    );
    assert_eq!(busy.power_limit_microwatts.unwrap().value, Some(75_000_000));
    let odd = seen(&|put| {
        put("accel/accel0/dbc0_state", "6\n");
        put("ce_count", "many\n");
        put("hwmon/hwmon3/power1_max", "-1\n");
    });
    let malformed = Some(Unknown::Malformed);
    assert_eq!(
        odd.channels.unwrap().unknown,
        malformed,
        "a state that no kernel has"
    );
    assert_eq!(odd.errors.unwrap().unknown, malformed);
    assert_eq!(odd.power_limit_microwatts.unwrap().unknown, malformed);
    let many = seen(&|put| {
        for number in 0..300 {
            put(&format!("accel/accel0/dbc{number}_state"), "0\n");
        }
    });
    assert_eq!(many.channels.unwrap().value, None, "more than there are");
}

#[test]
fn a_guest_is_known_by_whatever_tells_of_it() {
    let room = Room::of(TWO_ULTRA);
    let maker = "/sys/class/dmi/id/sys_vendor";
    let product = "/sys/class/dmi/id/product_name";
    let hypervisor = "/sys/hypervisor/type";
    let may = "/proc/xen/capabilities";
    for (there, expected) in [
        (&[(maker, "QEMU\n")] as &[(&str, &str)], Some(true)),
        (&[(product, "KVM\n")], Some(true)),
        (&[(maker, "Supermicro\n")], Some(false)),
        (&[], Some(false)),
        (&[(hypervisor, "xen\n")], Some(true)),
        (&[(hypervisor, "xen\n"), (may, "")], Some(true)),
        // The domain that has the machine.
        (&[(hypervisor, "xen\n"), (may, "control_d\n")], Some(false)),
        (&[(hypervisor, "\n")], Some(false)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        record(&room, root, &<[u8]>::to_vec);
        put(root, "/proc/cpuinfo", "flags\t\t: fpu\n");
        for (path, text) in there {
            put(root, path, text.as_bytes());
        }
        let seen = probe(&fixture(root), &known())
            .prerequisites
            .expect("a probe looks");
        assert_eq!(
            seen.virtual_machine.get().copied(),
            expected,
            "{there:?}: {:?}",
            seen.virtual_machine
        );
    }
}

/// Of many processors the first is asked, however long the rest; what it does not say is looked for in the rest.
#[test]
fn the_first_processor_speaks_for_all() {
    let first = "processor\t: 0\nflags\t\t: fpu avx2\n\n";
    let second = "processor\t: 1\nflags\t\t: fpu avx2 hypervisor\n\n";
    let silent = "processor\t: 0\nbugs\t\t: none\n\n";
    let padded = format!("bugs\t\t: {}\n{first}", "x".repeat(40_000));
    for (text, is_virtual) in [
        (format!("{first}{}", second.repeat(1_000)), Some(false)),
        (format!("{second}{}", first.repeat(1_000)), Some(true)),
        (format!("{silent}{second}"), Some(true)),
        (first.trim_end().to_owned(), Some(false)),
        (padded, Some(false)),
        (silent.to_owned(), None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "proc/cpuinfo", &text);
        let seen = probe(&fixture(folder.path()), &known());
        let features = seen.host.cpu_features.get();
        let told = seen.prerequisites.unwrap().virtual_machine;
        assert_eq!(told.get().copied(), is_virtual, "{text:.60}");
        let found = is_virtual.map(|_| vec!["avx2".to_owned()]);
        assert_eq!(features, found.as_ref(), "{text:.60}");
    }
}
