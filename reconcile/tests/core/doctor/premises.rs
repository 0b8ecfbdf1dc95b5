//! The machine around the cards, its driver and its software, as the doctor judges them.
use super::*;

#[test]
fn the_machine_around_the_cards() {
    use Verdict::{Fail, Pass, Unknown as Untold, Warn};
    let asked = |change: &'static dyn Fn(&mut Prerequisites)| {
        move |snapshot: &mut HardwareSnapshot| change(snapshot.prerequisites.as_mut().unwrap())
    };
    check(
        asked(&|a| a.reader.uid = known(1000)),
        "reader",
        Warn,
        "user 1000",
        0,
    );
    check(
        asked(&|a| a.reader.sys_admin = known(false)),
        "reader",
        Warn,
        "without CAP_SYS_ADMIN",
        0,
    );
    check(
        |s| s.host.kernel = known("5.4.0-42".into()),
        "kernel",
        Fail,
        "5.4.0-42",
        0,
    );
    check(
        |s| s.host.kernel = known("5.10-rc1".into()),
        "kernel",
        Pass,
        "5.10-rc1",
        0,
    );
    check(
        |s| s.host.kernel = known("custom".into()),
        "kernel",
        Untold,
        "custom",
        0,
    );
    check(
        |s| s.host.lockdown = known(Lockdown::Integrity),
        "lockdown",
        Fail,
        "Integrity",
        0,
    );
    check(
        |s| s.host.lockdown = Fact::unknown(Unknown::Absent, "test"),
        "lockdown",
        Warn,
        "securityfs",
        0,
    );
    check(
        |s| s.host.lockdown = Fact::unknown(Unknown::NoPermission, "test"),
        "lockdown",
        Untold,
        "may not read",
        0,
    );
    let no_groups = |s: &mut HardwareSnapshot| {
        for function in &mut s.functions {
            function.iommu_group = Fact::unknown(Unknown::Absent, "test");
        }
    };
    check(no_groups, "iommu", Pass, "on: 2 units", 0);
    check(
        |s| {
            no_groups(s);
            s.prerequisites.as_mut().unwrap().iommus = known(0);
        },
        "iommu",
        Fail,
        "off",
        0,
    );
    check(
        asked(&|a| a.virtual_machine = known(true)),
        "virtual-machine",
        Warn,
        "ACS belongs to",
        0,
    );
    check(
        asked(&|a| a.distribution = known("debian 12".into())),
        "distribution",
        Warn,
        "debian 12",
        0,
    );
    check(
        asked(&|a| a.distribution = known("rhel 10.1".into())),
        "distribution",
        Pass,
        "rhel 10.1",
        0,
    );
    check(
        asked(&|a| a.pythons = known(vec!["3.8".into()])),
        "python",
        Warn,
        "3.8, and not 3.10",
        0,
    );
    check(
        asked(&|a| a.disk_gib = known(200)),
        "disk",
        Warn,
        "200 GiB",
        0,
    );
    for (mib, verdict, fact) in [
        (1_048_576, Pass, "1099 GB"),
        (960_000, Pass, "1006 GB"),
        (600_000, Warn, "enough to compile"),
        (200_000, Warn, "enough to serve"),
        (40_000, Warn, "the least"),
        (16_000, Fail, "16 GB"),
    ] {
        check(
            |s| s.host.memory_mib = known(mib),
            "memory",
            verdict,
            fact,
            0,
        );
    }
    check(|s| s.host.cpus = known(31), "cpus", Warn, "31", 0);
    let count = check(
        |s| {
            drop(
                s.settings
                    .sysctl
                    .insert("vm.max_map_count".into(), known(65530)),
            )
        },
        "max-map-count",
        Warn,
        "65530",
        0,
    );
    assert_eq!(
        (count.mender, count.need),
        (Some(Mender::Apply), Need::Advised)
    );
    check(
        |s| s.settings.sysctl.clear(),
        "max-map-count",
        Untold,
        "no such setting",
        0,
    );
    check(
        |s| s.prerequisites = None,
        "disk",
        Untold,
        "did not look",
        0,
    );
}

#[test]
fn the_driver_and_its_parameter_under_either_name_and_unit() {
    use Verdict::{Fail, Pass, Unknown as Untold, Warn};
    let timeout = |name: &'static str, value: u64| {
        move |s: &mut HardwareSnapshot| {
            s.settings.driver.clear();
            s.settings.driver.insert(name.into(), known(value));
        }
    };
    for (name, value, verdict, fact) in [
        ("control_resp_timeout_s", 60, Fail, "is 60 s"),
        ("control_resp_timeout_s", 1300, Warn, "is 1300 s"),
        ("control_resp_timeout_s", 2600, Pass, "is 2600 s"),
        ("control_resp_timeout", 60_000, Fail, "is 60000 ms"),
        ("control_resp_timeout", 2_600_000, Pass, "is 2600000 ms"),
        ("control_resp_timeout", 2600, Fail, "is 2600 ms"),
    ] {
        check(timeout(name, value), "control-timeout", verdict, fact, 0);
    }
    check(
        |s| s.settings.driver.clear(),
        "control-timeout",
        Untold,
        "either name",
        0,
    );
    let unbind = |driver: Option<&'static str>| {
        move |s: &mut HardwareSnapshot| {
            let address = s.socs[0].address;
            let function = s
                .functions
                .iter_mut()
                .find(|f| f.address == address)
                .unwrap();
            function.driver = match driver {
                Some(driver) => known(driver.into()),
                None => Fact::unknown(Unknown::Absent, "test"),
            };
        }
    };
    check(unbind(None), "driver-bound", Fail, "no driver", 1);
    check(unbind(None), "driver-bound", Pass, "qaic", 7);
    check(
        unbind(Some("vfio-pci")),
        "driver-bound",
        Fail,
        "virtual machine",
        1,
    );
    check(unbind(Some("vfio-pci")), "neighbours", Warn, "vfio-pci", 1);
    check(unbind(Some("uio")), "driver-bound", Fail, "uio", 1);
    check(
        |s| {
            for function in &mut s.functions {
                function.driver = Fact::unknown(Unknown::Absent, "test");
            }
            s.prerequisites.as_mut().unwrap().modules = known(vec!["mhi".into()]);
        },
        "driver-loaded",
        Fail,
        "not loaded",
        0,
    );
    check(
        |s| s.socs[3].accel = Fact::unknown(Unknown::Absent, "test"),
        "accel-node",
        Fail,
        "no device node",
        1,
    );
    // An SDK from before the accel class gives nobody a node that is not seen.
    check(
        |s| {
            s.tools.platform_sdk = known("1.8.2".into());
            for (soc, asked) in s
                .socs
                .iter_mut()
                .zip(&mut s.prerequisites.as_mut().unwrap().socs)
            {
                soc.accel = Fact::unknown(Unknown::Absent, "test");
                asked.node = Some(Fact::unknown(Unknown::Absent, "test"));
            }
        },
        "accel-node",
        Fail,
        "no device node",
        8,
    );
    check(
        |s| {
            s.tools.platform_sdk = known("1.8.2".into());
            s.socs[3].accel = Fact::unknown(Unknown::Absent, "test");
            s.prerequisites.as_mut().unwrap().socs[3].node = None;
        },
        "accel-node",
        Untold,
        "did not look",
        1,
    );
    check(
        |s| s.tools.platform_sdk = known("1.8.2".into()),
        "accel-node",
        Pass,
        "an accel node each",
        8,
    );
    // A driver may be older than its SDK.
    check(
        |s| {
            s.socs[3].accel = Fact::unknown(Unknown::Absent, "test");
            let node = known("/dev/qaic_aic100_3".into());
            s.prerequisites.as_mut().unwrap().socs[3].node = Some(node);
        },
        "accel-node",
        Pass,
        "/dev/qaic_aic100_3: this driver has no accel class",
        1,
    );
    check(
        |s| s.prerequisites.as_mut().unwrap().socs[2].msi_vectors = known(1),
        "msi",
        Warn,
        "1 interrupt of 32",
        1,
    );
    check(
        |s| {
            s.prerequisites.as_mut().unwrap().qaic_group =
                Fact::unknown(Unknown::Absent, "/etc/group")
        },
        "qaic-group",
        Warn,
        "no group qaic",
        0,
    );
    check(
        |s| s.prerequisites.as_mut().unwrap().reader.uid = known(1000),
        "qaic-group",
        Warn,
        "not in it",
        0,
    );
}

#[test]
fn sdks_and_tools() {
    use Verdict::{Fail, Pass, Unknown as Untold, Warn};
    let sdk = |platform: &'static str, apps: &'static str| {
        move |s: &mut HardwareSnapshot| {
            s.tools.platform_sdk = known(platform.into());
            s.tools.apps_sdk = known(apps.into());
        }
    };
    check(
        sdk("1.16.9", "1.16.9"),
        "sdk-multi-device",
        Fail,
        "1.16.9",
        0,
    );
    check(
        sdk("1.17.0", "1.17.0"),
        "sdk-multi-device",
        Pass,
        "1.17.0",
        0,
    );
    check(
        sdk("1.17.0", "1.17.0"),
        "sdk-installer-mdp",
        Warn,
        "1.17.0",
        0,
    );
    check(sdk("1.18", "1.18"), "sdk-installer-mdp", Pass, "1.18", 0);
    check(sdk("1.21.0", "1.20.0"), "sdk-match", Warn, "1.20.0", 0);
    check(sdk("1.21.0", "1.21.4"), "sdk-match", Pass, "one release", 0);
    check(
        |s| s.tools.platform_sdk = Fact::unknown(Unknown::Absent, "platform.xml"),
        "sdk-multi-device",
        Untold,
        "nothing there says it",
        0,
    );
    check(
        |s| {
            s.tools.platform_sdk = Fact::unknown(Unknown::Absent, "platform.xml");
            let asked = s.prerequisites.as_mut().unwrap();
            asked.installed = Fact::unknown(Unknown::ToolMissing, "/opt/qti-aic");
        },
        "sdk-multi-device",
        Fail,
        "not installed",
        0,
    );
    let lack = |s: &mut HardwareSnapshot| {
        let asked = s.prerequisites.as_mut().unwrap();
        asked.switchtec = Fact::unknown(Unknown::ToolMissing, "switchtec");
        asked.installed = known(vec!["tools/qaic-util".into()]);
        asked.vendor_operator = known(vec!["/var/lib/qaic_soc_reset_done".into()]);
        s.tools.compiler = Fact::unknown(Unknown::ToolMissing, "/opt/qti-aic/exec");
        s.tools.worker = Fact::unknown(Unknown::ToolMissing, "shardplane-worker toolchain");
        s.tools.qmonitor_running = known(false);
    };
    check(lack, "sdk-switchtec", Warn, "command is not there", 0);
    check(
        lack,
        "vendor-tools",
        Fail,
        "qaic-monitor-json (requests for MDP)",
        0,
    );
    check(lack, "vendor-operator", Warn, "qaic_soc_reset_done", 0);
    check(lack, "compiler", Warn, "AI100", 0);
    check(lack, "worker", Warn, "target CPU", 0);
    let stopped = check(lack, "qmonitor", Warn, "stopped", 0);
    assert_eq!(stopped.mender, Some(Mender::Apply));
}
