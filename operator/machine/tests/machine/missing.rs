//! What steps call and a machine is known to lack: on a rack, in a kernel's and an SDK's folders, and where nobody can tell.
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use crd::kind::rack::VendorTool;
use machine::probe;

use crate::{
    linux::fixture,
    room::{Room, TWO_ULTRA, known},
    tree::{put, whole},
};

const TOOLS: &str = "/opt/qti-aic/tools";
const FIRMWARE: &str = "/opt/qti-aic/firmware";
const EXEC: &str = "/opt/qti-aic/exec";
const TESTS: &str = "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin";
const BOOTED: &str = "/run/systemd/system";

fn expected(found: &[(VendorTool, &str)]) -> BTreeMap<VendorTool, String> {
    let owned = |(tool, looked): &(VendorTool, &str)| (*tool, (*looked).to_owned());
    found.iter().map(owned).collect()
}

/// A rack that lacks it, and the same machine as files.
#[test]
fn a_rack_and_a_kernel_lack_the_same() {
    for (lacks, found) in [
        ("", &[][..]),
        ("qaic-monitor-json", &[(VendorTool::QaicMonitorJson, TOOLS)]),
        (
            "qaic-monitor-grpc-server",
            &[(VendorTool::QaicMonitorGrpcServer, TOOLS)],
        ),
        ("fw2_swe.json", &[(VendorTool::QmonitorFirmware, FIRMWARE)]),
        ("qaic-runner", &[(VendorTool::QaicRunner, EXEC)]),
        ("2c-p2p-bw", &[(VendorTool::P2PTest, TESTS)]),
        ("systemd-run", &[(VendorTool::SystemdRun, "systemd-run")]),
        ("switchtec, qaic-util, qaic-exec, qaic-compile", &[]),
        (
            "qaic-runner, qaic-monitor-json",
            &[
                (VendorTool::QaicMonitorJson, TOOLS),
                (VendorTool::QaicRunner, EXEC),
            ],
        ),
    ] {
        let server = "    - name: aic-01\n";
        let lacking = format!("{server}      sdk: {{ missing: [{lacks}] }}\n");
        let room = Room::of(&TWO_ULTRA.replace(server, &lacking));
        assert_eq!(room.probe().tools.missing, expected(found), "{lacks}");

        let folder = tempfile::tempdir().unwrap();
        whole(room.machine(), folder.path());
        let seen = probe(&fixture(folder.path()), &known());
        assert_eq!(seen.tools.missing, expected(found), "{lacks}");
    }
}

fn check(spoil: &dyn Fn(&Path), found: &[(VendorTool, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    whole(Room::of(TWO_ULTRA).machine(), folder.path());
    spoil(folder.path());
    let seen = probe(&fixture(folder.path()), &known());
    assert_eq!(seen.tools.missing, expected(found));
}

/// What only has a tool's name is no tool.
#[test]
fn a_link_that_leads_nowhere_and_a_folder_are_no_tools() {
    type Spoil = fn(&Path);
    let spoils: [Spoil; 4] = [
        |tool| std::os::unix::fs::symlink("/nonexistent/tool", tool).unwrap(),
        |tool| std::os::unix::fs::symlink(tool, tool).unwrap(),
        |tool| fs::create_dir(tool).unwrap(),
        |tool| fs::write(tool, "#!/bin/sh\n").unwrap(),
    ];
    for spoil in spoils {
        for (tool, folder) in [
            (VendorTool::QaicMonitorJson, TOOLS),
            (VendorTool::QaicMonitorGrpcServer, TOOLS),
            (VendorTool::QaicRunner, EXEC),
        ] {
            let at = format!("{}/{}", &folder[1..], tool.name());
            let spoiled = |root: &Path| {
                fs::remove_file(root.join(&at)).unwrap();
                spoil(&root.join(&at));
            };
            check(&spoiled, &[(tool, &format!("{folder}/{}", tool.name()))]);
        }
    }
}

#[test]
fn who_starts_qmonitor_is_told_by_the_service_manager() {
    let remove = |root: &Path, path: &str| fs::remove_file(root.join(path)).unwrap();
    let server = "opt/qti-aic/tools/qaic-monitor-grpc-server";
    let unit = |root: &Path, folder: &str| {
        put(
            root,
            &format!("{folder}/qmonitor-proxy.service"),
            "[Unit]\n",
        );
    };
    let not_booted = |root: &Path| fs::remove_dir(root.join(&BOOTED[1..])).unwrap();
    check(&not_booted, &[(VendorTool::SystemdRun, BOOTED)]);
    // An installed unit says itself what it starts, and is started by its name.
    for folder in [
        "etc/systemd/system",
        "usr/lib/systemd/system",
        "run/systemd/system",
    ] {
        check(
            &|root| {
                remove(root, server);
                remove(root, "opt/qti-aic/firmware/fw2_swe.json");
                unit(root, folder);
            },
            &[],
        );
    }
    check(
        &|root| {
            remove(root, server);
            unit(root, "run/systemd/transient");
        },
        &[(VendorTool::QaicMonitorGrpcServer, TOOLS)],
    );
    check(
        &|root| {
            remove(root, "bin/systemd-run");
            unit(root, "etc/systemd/system");
        },
        &[(VendorTool::SystemdRun, "systemd-run")],
    );
    check(
        &|root| {
            remove(root, "bin/systemd-run");
            put(root, "bin/systemctl", "");
            unit(root, "etc/systemd/system");
        },
        &[],
    );
    check(
        &|root| {
            put(root, "bin/systemctl", "");
            unit(root, "etc/systemd/system");
            not_booted(root);
        },
        &[(VendorTool::SystemdRun, BOOTED)],
    );
}

/// A link to nothing where the unit would lie, before the vendor's own and behind another one.
#[test]
fn a_masked_unit_is_told_from_one_that_is_installed() {
    let unit = "systemd/system/qmonitor-proxy.service";
    let at = |spoil: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        whole(Room::of(TWO_ULTRA).machine(), folder.path());
        spoil(folder.path());
        let seen = probe(&fixture(folder.path()), &known());
        (seen.tools.qmonitor_masked, seen.tools.missing)
    };
    let mask = |root: &Path, folder: &str, target: &str| {
        let unit = root.join(folder).join(unit);
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, unit).unwrap();
    };
    let installed = |root: &Path| put(root, &format!("usr/lib/{unit}"), "[Unit]\n");
    let server = "opt/qti-aic/tools/qaic-monitor-grpc-server";
    let none = BTreeMap::new();
    for folder in ["etc", "run", "usr/lib"] {
        let found = at(&|root| mask(root, folder, "/dev/null"));
        assert_eq!(found, (Some(format!("/{folder}/{unit}")), none.clone()));
    }
    let found = at(&|root| put(root, &format!("etc/{unit}"), ""));
    assert_eq!(found, (Some(format!("/etc/{unit}")), none.clone()));
    let found = at(&|root| {
        installed(root);
        mask(root, "etc", "/dev/null");
        fs::remove_file(root.join(server)).unwrap();
    });
    let lacks = expected(&[(VendorTool::QaicMonitorGrpcServer, TOOLS)]);
    assert_eq!(found, (Some(format!("/etc/{unit}")), lacks));
    // Another unit under its name, a mask behind one, and what cannot be told.
    let found = at(&|root| mask(root, "etc", "/opt/site/monitor.service"));
    assert_eq!(found, (None, none.clone()));
    let found = at(&|root| {
        put(root, &format!("etc/{unit}"), "[Unit]\n");
        mask(root, "usr/lib", "/dev/null");
    });
    assert_eq!(found, (None, none.clone()));
    let found = at(&|root| {
        put(root, "etc/systemd/system", "");
        mask(root, "usr/lib", "/dev/null");
    });
    assert_eq!(found, (None, none));
}

#[test]
fn without_an_sdk_all_of_it_is_missing() {
    check(
        &|root| fs::remove_dir_all(root.join("opt/qti-aic")).unwrap(),
        &[
            (VendorTool::QaicMonitorJson, TOOLS),
            (VendorTool::QaicMonitorGrpcServer, TOOLS),
            (VendorTool::QmonitorFirmware, FIRMWARE),
            (VendorTool::QaicRunner, EXEC),
            (VendorTool::P2PTest, TESTS),
        ],
    );
}

/// What cannot be listed may have it: a file where a folder is to be, for whoever may read everything too.
#[test]
fn where_it_cannot_be_told_nothing_is_missing() {
    check(
        &|root| {
            for folder in [TOOLS, FIRMWARE, EXEC, TESTS, BOOTED] {
                let folder = root.join(&folder[1..]);
                fs::remove_dir_all(&folder).unwrap();
                fs::write(&folder, "").unwrap();
            }
        },
        &[],
    );
    if nix::unistd::geteuid().is_root() {
        return;
    }
    check(
        &|root| {
            let tools = root.join(&TOOLS[1..]);
            fs::remove_dir_all(&tools).unwrap();
            fs::create_dir(&tools).unwrap();
            fs::set_permissions(&tools, fs::Permissions::from_mode(0o000)).unwrap();
        },
        &[],
    );
}
