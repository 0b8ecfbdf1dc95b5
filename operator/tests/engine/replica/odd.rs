//! Recorded servers that no rack file describes, and what no rack can show.
use std::{collections::BTreeMap, fs};

use crd::{
    Fact, Unknown,
    id::{NodeName, PciAddress, PciPath, Qid, Word},
    kind::{
        API_VERSION, RACK_KIND, Rack,
        rack::{RackMetadata, Server, VendorTool},
    },
    load::{SourceText, load},
    snapshot::{
        Acs, Bar, HardwareSnapshot, Holder, HolderKind, PciFunction, PortKind, PortOwner, SkuKind,
        SocStatus,
    },
};
use machine::rack;
use operator::verb::replica;

use super::{Opened, projected};

/// A server as no rack file describes one: gaps between buses, more than one function of a device, endpoints of the root
/// complex, odd ports, and facts that somebody could not read.
fn odd(plain: &HardwareSnapshot) -> HardwareSnapshot {
    let mut text = serde_json::to_string(plain).unwrap();
    // Another enumeration: every bus below the root port elsewhere.
    for (from, to) in [("0000:2", "0000:b"), ("0000:b0:01.0", "0000:20:01.0")] {
        text = text.replace(from, to);
    }
    let mut odd: HardwareSnapshot = serde_json::from_str(&text).unwrap();
    let template = odd
        .functions
        .iter()
        .find(|function| function.port.is_none())
        .unwrap()
        .clone();
    let below = |parent: &PciFunction, device: u8, function: u8, bus: u8| -> PciFunction {
        let address = PciAddress {
            domain: 0,
            bus,
            device,
            function,
        };
        PciFunction {
            address,
            path: PciPath(format!("{}/{device:02x}.{function:x}", parent.path)),
            parent: Some(parent.address),
            vendor: Word(0x11f8),
            device: Word(0x4052),
            class: "0x058000".into(),
            driver: Fact::known(
                "switchtec".into(),
                format!("/sys/bus/pci/devices/{address}/driver"),
            ),
            bars: Fact::known(
                vec![Bar {
                    index: 0,
                    size_kib: 4096,
                    prefetchable: false,
                    unassigned: false,
                }],
                format!("/sys/bus/pci/devices/{address}/resource"),
            ),
            link: Fact::unknown(
                Unknown::Absent,
                format!("/sys/bus/pci/devices/{address}/current_link_speed"),
            ),
            max_link: Fact::unknown(
                Unknown::Absent,
                format!("/sys/bus/pci/devices/{address}/max_link_speed"),
            ),
            numa_node: Fact::known(3, format!("/sys/bus/pci/devices/{address}/numa_node")),
            acs: Fact::known(
                Acs::Present {
                    offset: 0x100,
                    capability: Word(0x005c),
                    control: Word(0x0010),
                },
                format!("/sys/bus/pci/devices/{address}/config"),
            ),
            iommu_group: Fact::known(77, format!("/sys/bus/pci/devices/{address}/iommu_group")),
            ..template.clone()
        }
    };
    let upstream = odd
        .functions
        .iter()
        .find(|function| function.port == Some(PortKind::SwitchUpstream))
        .unwrap();
    let root = odd
        .functions
        .iter()
        .find(|f| Some(f.address) == upstream.parent)
        .unwrap();
    let management = below(root, 0, 1, upstream.address.bus);
    let mut alone = below(root, 7, 2, 0x00);
    alone.parent = None;
    alone.path = PciPath(alone.address.to_string());
    odd.functions.push(management);
    odd.functions.push(alone);
    for function in &mut odd.functions {
        if let Some(Acs::Present { offset, .. }) = &mut function.acs.value
            && function.port == Some(PortKind::SwitchDownstream)
        {
            *offset = 0x2a0;
        }
        if function.vendor == Word(0x10b5) {
            function.device = Word(0x8796);
        }
    }
    let reset = |fact: &mut Fact<String>, value: &str| {
        *fact = Fact::known(value.into(), fact.source.clone());
    };
    reset(&mut odd.socs[0].firmware, "9.9.9-rc2");
    odd.socs[0].status.value = Some(SocStatus::Other("Busy".into()));
    odd.socs[1].cores_free.value = Some(3);
    odd.socs[1].qid.value = Some(Qid(17));
    odd.socs[2].sku.value = Some(SkuKind("PCIe Ultra Plus".into()));
    odd.socs[2].dram_mib.value = Some(32692);
    let untold = |fact: &mut Fact<String>| {
        *fact = Fact::unknown(Unknown::Absent, fact.source.clone());
    };
    untold(&mut odd.socs[3].board_serial);
    untold(&mut odd.socs[3].firmware);
    odd.host.memory_mib.value = Some(1_031_812);
    reset(&mut odd.host.kernel, "6.12.9-custom+");
    odd.host.lockdown = Fact::unknown(Unknown::Absent, odd.host.lockdown.source.clone());
    odd.tools.apps_sdk = Fact::unknown(Unknown::NoPermission, odd.tools.apps_sdk.source.clone());
    odd.tools.compiler = Fact::unknown(Unknown::NoPermission, odd.tools.apps_sdk.source.clone());
    odd.settings.driver = BTreeMap::from([(
        "control_resp_timeout".to_owned(),
        Fact::known(
            1_300_000,
            "/sys/module/qaic/parameters/control_resp_timeout",
        ),
    )]);
    let asked = odd.prerequisites.as_mut().unwrap();
    let parameter = |name: &str, value: &str| {
        let path = format!("/sys/module/qaic/parameters/{name}");
        (name.to_owned(), Fact::known(value.to_owned(), path))
    };
    asked.driver_parameters = Some(BTreeMap::from([
        parameter("control_resp_timeout", "1300000"),
        parameter("datapath_polling", "Y"),
    ]));
    asked.secure_boot = Some(Fact::unknown(
        Unknown::NoPermission,
        asked.secure_boot.as_ref().unwrap().source.clone(),
    ));
    asked.distribution.value = Some("rhel 9.3".into());
    asked.pythons.value = Some(vec!["3.9".into(), "3.12".into()]);
    asked.virtual_machine.value = Some(true);
    asked.product.value = Some("QEMU Standard PC (Q35 + ICH9, 2009)".into());
    asked.disk_gib.value = Some(123);
    asked.iommus.value = Some(5);
    asked.driver_version = Fact::known("1.2.3".into(), asked.driver_version.source.clone());
    asked.vendor_operator.value = Some(vec!["/var/lib/qaic_soc_reset_done".into()]);
    asked.installed.value = Some(vec!["exec/qaic-runner".into(), "tools/qaic-util".into()]);
    odd.tools.missing = BTreeMap::from(
        [
            (VendorTool::QaicMonitorJson, "/opt/qti-aic/tools"),
            (VendorTool::QaicMonitorGrpcServer, "/opt/qti-aic/tools"),
            (VendorTool::QmonitorFirmware, "/opt/qti-aic/firmware"),
            (
                VendorTool::P2PTest,
                "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin",
            ),
            // It is there, and its service manager is not.
            (VendorTool::SystemdRun, "/run/systemd/system"),
        ]
        .map(|(tool, looked)| (tool, looked.to_owned())),
    );
    odd.tools.qmonitor_masked = Some("/etc/systemd/system/qmonitor-proxy.service".to_owned());
    asked.qaic_group = Fact::unknown(Unknown::Absent, "/etc/group");
    asked.reader.in_qaic_group = Fact::unknown(Unknown::Absent, "/etc/group");
    asked.switchtec.value = Some("/usr/local/sbin/switchtec".into());
    asked.socs[0].bar4_assigned.value = Some(false);
    let soc = asked.socs[0].address;
    let mut functions = odd.functions.iter_mut();
    let function = functions.find(|f| f.address == soc).unwrap();
    let mut bars = function.bars.value.as_mut().unwrap().iter_mut();
    bars.find(|bar| bar.index == 4).unwrap().unassigned = true;
    asked.socs[1].msi_vectors.value = Some(1);
    reconcile::view::in_order(&odd)
}

pub(super) fn one_ultra() -> Rack {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/engine/fixtures/rack.yaml"
    ));
    let loaded = load(&[SourceText::new("rack.yaml", text.unwrap())]);
    Rack {
        api_version: API_VERSION.into(),
        kind: RACK_KIND.into(),
        metadata: RackMetadata { name: "lab".into() },
        spec: loaded.racks[0].spec.clone(),
    }
}

#[test]
fn a_recorded_server_need_not_be_one_that_a_file_describes() {
    let plain = projected(Opened::new(&one_ultra()).unwrap().probe());
    let odd = odd(&plain);
    assert!(reconcile::recording::difference(&plain, &odd).len() > 60);
    let opened = Opened::new(&replica::rack("odd".into(), vec![odd.clone()])).unwrap();
    let probed = projected(opened.probe());
    let changes = reconcile::recording::difference(&odd, &probed);
    assert!(changes.is_empty(), "{changes:#?}");
    assert_eq!(probed, odd);
    // From here on it lives: a boot sets ACS again, draws numbers and forgets settings, and a reset mends a SoC.
    opened.server().reset_soc(odd.socs[0].address).unwrap();
    let reset = opened.probe();
    assert_eq!(reset.socs[0].status.get(), Some(&SocStatus::Ready));
    assert_ne!(reset.socs[0].accel, odd.socs[0].accel);
    opened.server().reboot().unwrap();
    let booted = opened.probe();
    assert_ne!(booted.boot_id, odd.boot_id);
    assert_eq!(booted.functions.len(), odd.functions.len());
    let words = |snapshot: &HardwareSnapshot| -> Vec<Option<Acs>> {
        snapshot.functions.iter().map(|f| f.acs.value).collect()
    };
    assert_ne!(
        words(&booted),
        words(&odd),
        "0x0010 of an endpoint is 0x001c again"
    );
}

/// Whoever listens where qmonitor does is there in the rack too, unseen where nobody could see.
#[test]
fn whoever_has_qmonitors_port_comes_along() {
    let plain = projected(Opened::new(&one_ultra()).unwrap().probe());
    let process = PortOwner::Process {
        pid: 17,
        name: "qaic-monitor-gr".into(),
        unit: None,
        container: Some("0123".into()),
    };
    let pod = PortOwner::Pod {
        pid: 18,
        name: "agent".into(),
        uid: "pod-of-the-vendor".into(),
    };
    for owner in [
        Fact::known(process, "/proc"),
        Fact::known(pod, "/proc"),
        Fact::unknown(Unknown::NoPermission, "/proc"),
        Fact::unknown(Unknown::Absent, "/proc"),
        Fact::unknown(Unknown::ReadFailed, "/proc"),
    ] {
        let mut odd = plain.clone();
        odd.tools.qmonitor_running.value = Some(true);
        odd.tools.qmonitor_owner = Some(owner);
        let rack = replica::rack("odd".into(), vec![odd.clone()]);
        let probed = projected(Opened::new(&rack).unwrap().probe());
        let changes = reconcile::recording::difference(&odd, &probed);
        assert!(changes.is_empty(), "{changes:#?}");
    }
    let mut older = plain;
    older.tools.qmonitor_running.value = Some(true);
    older.tools.qmonitor_owner = None;
    let said = rack::losses(&older).join("; ");
    assert!(said.contains("who listens where qmonitor does"), "{said}");
}

#[test]
fn what_no_rack_can_show_is_refused_with_its_reason() {
    let plain = projected(Opened::new(&one_ultra()).unwrap().probe());
    let check = |change: &dyn Fn(&mut Rack, &mut HardwareSnapshot), said: &str| {
        let mut snapshot = plain.clone();
        let mut rack = replica::rack("room".into(), Vec::new());
        change(&mut rack, &mut snapshot);
        let mut made = replica::rack("room".into(), vec![snapshot]);
        if let Some(server) = rack.spec.servers.pop() {
            let recorded = made.spec.servers[0].recorded.take();
            made.spec.servers[0] = Server { recorded, ..server };
        }
        let error = rack::examine(&made).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    };
    check(
        &|_, s| s.functions[1].parent = Some(s.socs[0].address),
        "where no port is",
    );
    check(
        &|_, s| s.functions[0].parent = Some(s.functions[1].address),
        "its parents lead to",
    );
    check(
        &|_, s| s.functions[1].path = s.functions[0].path.clone(),
        "twice",
    );
    check(
        &|_, s| s.functions[1].path.0.push('x'),
        "its parents lead to",
    );
    check(&|_, s| drop(s.socs.remove(0)), "says nothing of the SoC");
    check(
        &|_, s| s.functions[0].class = "bridge".into(),
        "six hexadecimal digits",
    );
    check(
        &|_, s| s.metadata.name = NodeName("../x".into()),
        "is no name",
    );
    check(
        &|rack, _| rack.spec.servers = one_ultra().spec.servers,
        "keep one of the two",
    );
    check(
        &|rack, _| {
            rack.spec.servers = one_ultra().spec.servers;
            rack.spec.servers[0].root_ports.clear();
            rack.spec.servers[0].name = NodeName("other".into());
        },
        "its recording is of aic-01",
    );
}

#[test]
fn what_is_lost_is_said() {
    let mut snapshot = projected(Opened::new(&one_ultra()).unwrap().probe());
    assert_eq!(rack::losses(&snapshot), Vec::<String>::new());
    snapshot.socs[0].status = Fact::unknown(Unknown::ToolFailed, "qaic-util");
    snapshot.holders.push(Holder {
        soc: snapshot.socs[1].address,
        kind: HolderKind::Foreign,
        pid: None,
        name: "pod default/llm".into(),
        unit: None,
        container: None,
        pod: None,
    });
    snapshot.functions[0].acs = Fact::unknown(Unknown::Lockdown, "config");
    let settings = &mut snapshot.settings.driver;
    settings.insert("control_resp_timeout".into(), Fact::known(1_500, "test"));
    // As versions recorded it that made no plans by what is missing.
    let asked = snapshot.prerequisites.as_mut().unwrap();
    let installed = asked.installed.value.as_mut().unwrap();
    installed.retain(|file| !file.contains("qaic-monitor"));
    let said = rack::losses(&snapshot).join("; ");
    for part in [
        "left 0000:25:00.0 out",
        "pod default/llm holds",
        "0000:20:01.0 could not be read",
        "one timeout parameter",
        "whole seconds",
        "that qaic-monitor-json, qaic-monitor-grpc-server is not installed",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
