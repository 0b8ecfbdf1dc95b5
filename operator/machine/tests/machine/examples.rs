//! Every example rack, probed, against what its file says in words.
use std::collections::BTreeSet;

use crd::{
    Unknown,
    snapshot::{Acs, BAR4, HardwareSnapshot, PortKind, SocStatus},
};

use crate::room::{Room, at};

/// A snapshot in one line a SoC: address, QID, state, partitioning, cores, memory, BAR 4 in KiB.
fn socs(snapshot: &HardwareSnapshot) -> Vec<String> {
    snapshot
        .socs
        .iter()
        .map(|soc| {
            let function = snapshot
                .functions
                .iter()
                .find(|f| f.address == soc.address)
                .unwrap();
            let bar = function.bar(BAR4).unwrap();
            format!(
                "{} qid {} {} mdp {} cores {} dram {} bar4 {}",
                soc.address,
                soc.qid
                    .get()
                    .map_or_else(|| "?".to_owned(), ToString::to_string),
                match soc.status.get() {
                    Some(SocStatus::Ready) => "Ready",
                    Some(SocStatus::Initializing) => "Initializing",
                    Some(SocStatus::Error) => "Error",
                    Some(SocStatus::Other(_)) => "Other",
                    None => "?",
                },
                soc.mdp
                    .get()
                    .map_or("?", |&on| if on { "on" } else { "off" }),
                soc.cores.get().copied().unwrap_or(0),
                soc.dram_mib.get().copied().unwrap_or(0),
                bar.size_kib,
            )
        })
        .collect()
}

fn ports(snapshot: &HardwareSnapshot, kind: PortKind) -> Vec<(String, String)> {
    snapshot
        .functions
        .iter()
        .filter(|function| function.port == Some(kind))
        .map(|function| {
            let acs = match function.acs.get() {
                Some(Acs::Present { control, .. }) => control.to_string(),
                Some(Acs::None) => "none".to_owned(),
                None => format!("{:?}", function.acs.unknown),
            };
            (function.address.to_string(), acs)
        })
        .collect()
}

#[test]
fn two_ultra_under_one_switch() {
    let snapshot = Room::example("two-ultra-one-switch").probe();
    assert_eq!(
        socs(&snapshot),
        [
            "0000:25:00.0 qid 0 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:26:00.0 qid 1 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:27:00.0 qid 2 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:28:00.0 qid 3 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2b:00.0 qid 4 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2c:00.0 qid 5 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2d:00.0 qid 6 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2e:00.0 qid 7 Ready mdp off cores 16 dram 32768 bar4 2097152",
        ]
    );
    let downstream = ports(&snapshot, PortKind::SwitchDownstream);
    assert_eq!(downstream.len(), 10);
    assert!(
        downstream.iter().all(|(_, acs)| acs == "0x001d"),
        "{downstream:?}"
    );
    assert_eq!(
        ports(&snapshot, PortKind::Root),
        [("0000:20:01.0".to_owned(), "0x001d".to_owned())]
    );
    assert!(
        ports(&snapshot, PortKind::SwitchUpstream)
            .iter()
            .all(|(_, acs)| acs == "none")
    );
    let first = &snapshot.socs[0];
    assert_eq!(first.path.as_str(), "0000:20:01.0/00.0/00.0/00.0/00.0/00.0");
    assert_eq!(first.sku.get().unwrap().0, "PCIe Ultra");
    let groups: BTreeSet<u32> = snapshot
        .functions
        .iter()
        .filter_map(|f| f.iommu_group.value)
        .collect();
    assert_eq!(
        groups.len(),
        snapshot.functions.len(),
        "every port isolates, so every function has a group of its own"
    );
    assert_eq!(snapshot.tools.platform_sdk.get().unwrap(), "1.21.0");
    assert_eq!(
        snapshot.tools.compiler.get().unwrap().program,
        "qaic-compile"
    );
    assert_eq!(snapshot.tools.qmonitor_running.get(), Some(&false));
    assert_eq!(
        snapshot.settings.driver["control_resp_timeout_s"].get(),
        Some(&60)
    );
    assert_eq!(
        snapshot.settings.sysctl["vm.max_map_count"].get(),
        Some(&65530)
    );
    assert_eq!(snapshot.host.cpus.get(), Some(&64));
    assert_eq!(snapshot.host.memory_mib.get(), Some(&(1024 * 1024)));
    assert_eq!(snapshot.readings.unwrap().temperature_millicelsius.len(), 8);
}

#[test]
fn numberings_are_not_one_another() {
    let snapshot = Room::example("eight-ultra-two-switches").probe();
    assert_eq!(snapshot.socs.len(), 32);
    // Bus 0x85 is "133" and comes before 0x25, "37".
    let first = snapshot
        .socs
        .iter()
        .find(|soc| soc.qid.get().unwrap().0 == 0)
        .unwrap();
    assert_eq!(first.address, at("0000:85:00.0"));
    let numeric: Vec<u32> = snapshot
        .socs
        .iter()
        .map(|soc| soc.qid.get().unwrap().0)
        .collect();
    let mhi: Vec<u32> = snapshot
        .socs
        .iter()
        .map(|soc| soc.mhi.get().unwrap().0)
        .collect();
    let accel: Vec<u32> = snapshot
        .socs
        .iter()
        .map(|soc| soc.accel.get().unwrap().0)
        .collect();
    let plain: Vec<u32> = (0..32).collect();
    for (one, other) in [
        (&numeric, &plain),
        (&mhi, &plain),
        (&accel, &plain),
        (&mhi, &numeric),
        (&mhi, &accel),
    ] {
        assert_ne!(one, other);
    }
    let mut sorted = mhi.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, plain);
}

#[test]
fn eight_standard_cards_have_the_order_of_a_real_capture() {
    let snapshot = Room::example("eight-standard-root-ports").probe();
    let mut order: Vec<(u32, u8)> = snapshot
        .socs
        .iter()
        .map(|soc| (soc.qid.get().unwrap().0, soc.address.bus))
        .collect();
    order.sort_unstable();
    let buses: Vec<u8> = order.into_iter().map(|(_, bus)| bus).collect();
    assert_eq!(buses, [0x01, 0x81, 0xa1, 0xa2, 0xc1, 0xc2, 0x21, 0x22]);
    assert!(snapshot.socs.iter().all(|soc| soc.cores.get() == Some(&14)));
    assert_eq!(ports(&snapshot, PortKind::SwitchUpstream), []);
    assert_eq!(snapshot.tools.compiler.get().unwrap().program, "qaic-exec");
    let boards: BTreeSet<&String> = snapshot
        .socs
        .iter()
        .filter_map(|soc| soc.board_serial.get())
        .collect();
    assert_eq!(boards.len(), 2, "a board serial names no card");
}

#[test]
fn mixed_servers_differ() {
    let room = Room::example("mixed");
    let snapshots: Vec<HardwareSnapshot> = room
        .machines
        .iter()
        .map(|machine| machine::probe(machine, &crate::room::known()))
        .collect();
    let (large, small) = (&snapshots[0], &snapshots[1]);
    assert_ne!(large.boot_id, small.boot_id);
    assert_eq!(large.socs.len(), 10);
    let qids: Vec<u32> = large
        .socs
        .iter()
        .map(|soc| soc.qid.get().unwrap().0)
        .collect();
    assert_ne!(qids, (0..10).collect::<Vec<_>>());
    assert_eq!(
        socs(small)[..2],
        [
            "0000:41:00.0 qid 4 Ready mdp on cores 16 dram 32768 bar4 2097152",
            "0000:42:00.0 qid 5 Ready mdp off cores 16 dram 16384 bar4 2097152",
        ]
    );
    assert_eq!(
        small.socs.len(),
        6,
        "the modem of the same vendor and class is no SoC"
    );
    assert!(
        small.socs[2..]
            .iter()
            .all(|soc| soc.cores.get() == Some(&8))
    );
    assert_eq!(
        small.socs[0].sku.unknown,
        Some(Unknown::Absent),
        "this SDK prints no SKU"
    );
    assert_eq!(small.holders.len(), 1);
    assert_eq!(
        (small.holders[0].soc, small.holders[0].pid),
        (at("0000:41:00.0"), Some(4711))
    );
    assert_eq!(small.socs[0].cores_free.get(), Some(&0));
    assert_eq!(small.host.cpus.get(), Some(&24));
    assert_eq!(small.metadata.labels["shardplane.dev/pool"], "small");
}

#[test]
fn broken_is_told_apart() {
    let snapshot = Room::example("broken").probe();
    assert_eq!(
        socs(&snapshot),
        [
            "0000:25:00.0 qid 0 Ready mdp off cores 16 dram 32768 bar4 64",
            "0000:26:00.0 qid 1 Ready mdp off cores 8 dram 32768 bar4 2097152",
            "0000:27:00.0 qid 2 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:28:00.0 qid 3 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2b:00.0 qid 4 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2c:00.0 qid 5 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:2d:00.0 qid 6 Initializing mdp ? cores 0 dram 0 bar4 2097152",
            "0000:2e:00.0 qid 7 Error mdp ? cores 0 dram 0 bar4 2097152",
            "0000:31:00.0 qid 8 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:32:00.0 qid 9 Error mdp ? cores 0 dram 0 bar4 2097152",
            "0000:33:00.0 qid 10 Ready mdp off cores 16 dram 32768 bar4 2097152",
            "0000:34:00.0 qid 11 Ready mdp off cores 16 dram 32768 bar4 2097152",
        ]
    );
    let downstream = ports(&snapshot, PortKind::SwitchDownstream);
    assert!(downstream.contains(&("0000:30:02.0".to_owned(), "none".to_owned())));
    let neighbour = snapshot
        .functions
        .iter()
        .find(|f| f.vendor.0 == 0x15b3)
        .unwrap();
    assert_eq!(neighbour.driver.get().unwrap(), "vfio-pci");
    // The SoC given to a virtual machine is held, though nobody has it open.
    assert_eq!(snapshot.holders.len(), 1);
    assert_eq!(
        (snapshot.holders[0].soc, snapshot.holders[0].name.as_str()),
        (at("0000:32:00.0"), "vfio")
    );
    // The port without ACS takes what is below it into one group.
    let group = |address: &str| {
        snapshot
            .functions
            .iter()
            .find(|f| f.address == at(address))
            .unwrap()
            .iommu_group
            .value
    };
    assert_eq!(group("0000:30:02.0"), group("0000:33:00.0"));
    assert_ne!(group("0000:30:02.0"), group("0000:31:00.0"));
}
