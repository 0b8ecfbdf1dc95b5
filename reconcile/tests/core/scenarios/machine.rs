//! One thing out of the ordinary on the machine.
use crd::{
    Fact, Unknown,
    kind::{CardRequirements, MdpMode},
    plan::ReportReason,
    snapshot::{HardwareSnapshot, Holder, HolderKind, Lockdown, SocStatus, Unread},
};

use super::{Expected, Row, check_rows, port_of};
use crate::world::{acs, set_acs};

fn foreign(snapshot: &mut HardwareSnapshot, soc: usize) {
    let soc = snapshot.socs[soc].address;
    snapshot.holders.push(Holder {
        soc,
        kind: HolderKind::Foreign,
        pid: Some(4711),
        name: "vllm".into(),
        unit: None,
        container: None,
        pod: None,
    });
}

#[test]
fn one_thing_out_of_the_ordinary_on_the_machine() {
    let rows: Vec<Row> = vec![
        (
            "nothing",
            |_, _| {},
            Expected {
                resets: Some(8),
                clears: Some(8),
                ..Expected::default()
            },
        ),
        (
            "somebody who cannot be seen may hold one",
            |_, node| {
                foreign(node, 1);
                let holder = node.holders.last_mut().unwrap();
                holder.kind = HolderKind::Unseen {
                    why: Unknown::NoPermission,
                };
                holder.pid = None;
                holder.name = "/proc/1/fd".into();
            },
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["somebody who cannot be seen (/proc/1/fd: NoPermission)"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "a device that went while it was read",
            |_, node| {
                node.unread.push(Unread {
                    path: "/sys/bus/pci/devices/0000:77:00.0/vendor".into(),
                    why: Unknown::Absent,
                });
            },
            Expected {
                // By its bus it may have been beside the last card, whose set waits for the next look.
                blocked: vec![ReportReason::Unread],
                says: vec!["could not be read: /sys/bus/pci/devices/0000:77:00.0/vendor (Absent)"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "a foreign holder",
            |_, node| foreign(node, 1),
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["pid 4711 (vllm)"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "cores in use by nobody we know",
            |_, node| node.socs[1].cores_free = Fact::known(2, "test"),
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["14 of 16 cores"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "cores of which nothing can be made",
            |_, node| {
                node.socs[1].cores_free = Fact::unknown(Unknown::Malformed, "qaic-util: Nsp Free");
            },
            Expected {
                blocked: vec![ReportReason::HeldByForeign],
                says: vec!["cannot be told (qaic-util: Nsp Free: Malformed)"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "cores of which a version says nothing",
            |_, node| node.socs[1].cores_free = Fact::unknown(Unknown::Absent, "test"),
            Expected {
                resets: Some(8),
                clears: Some(8),
                ..Expected::default()
            },
        ),
        (
            "a SoC that is Initializing",
            |_, node| node.socs[5].status = Fact::known(SocStatus::Initializing, "test"),
            Expected {
                blocked: vec![ReportReason::Initializing],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "a SoC in Error",
            |_, node| node.socs[5].status = Fact::known(SocStatus::Error, "test"),
            Expected {
                blocked: vec![ReportReason::NotReady],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "an unknown ACS word",
            |_, node| {
                let port = port_of(node, 0);
                set_acs(node, port, Fact::unknown(Unknown::ShortRead, "test"));
            },
            Expected {
                blocked: vec![ReportReason::AcsUnknown],
                clears: Some(4),
                ..Expected::default()
            },
        ),
        (
            "lockdown",
            |_, node| node.host.lockdown = Fact::known(Lockdown::Integrity, "test"),
            Expected {
                blocked: vec![ReportReason::Lockdown, ReportReason::NoFittingGroup],
                clears: Some(0),
                resets: Some(0),
                ..Expected::default()
            },
        ),
        (
            "a port that is clear already",
            |_, node| {
                let port = port_of(node, 0);
                set_acs(node, port, acs(0x0011));
            },
            Expected {
                clears: Some(7),
                ..Expected::default()
            },
        ),
        (
            "a BAR of 64 KiB",
            |_, node| {
                let soc = node.socs[0].address;
                for function in node.functions.iter_mut().filter(|f| f.address == soc) {
                    function.bars.value.as_mut().unwrap()[0].size_kib = 64;
                }
            },
            Expected {
                says: vec!["has 64 KiB"],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "a BAR without addresses",
            |_, node| {
                let soc = node.socs[0].address;
                for function in node.functions.iter_mut().filter(|f| f.address == soc) {
                    function.bars.value.as_mut().unwrap()[0].unassigned = true;
                }
            },
            Expected {
                says: vec!["no addresses were given to that of"],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "BARs that could not be read",
            |_, node| {
                let soc = node.socs[0].address;
                for function in node.functions.iter_mut().filter(|f| f.address == soc) {
                    function.bars = Fact::unknown(Unknown::ReadFailed, "resource");
                }
            },
            Expected {
                says: vec!["could not be read of", "(resource: ReadFailed)"],
                resets: Some(4),
                ..Expected::default()
            },
        ),
        (
            "BARs that could not be read, and a policy that wants them so large",
            |declared, node| {
                declared.groups.clear();
                declared.policies[0].spec.mdp = Some(MdpMode::Enabled);
                declared.policies[0].spec.require = Some(CardRequirements {
                    bar4_gib: Some(2),
                    min_sdk: None,
                });
                let soc = node.socs[0].address;
                for function in node.functions.iter_mut().filter(|f| f.address == soc) {
                    function.bars = Fact::unknown(Unknown::ReadFailed, "resource");
                }
            },
            Expected {
                blocked: vec![ReportReason::Unread],
                says: vec![
                    "the policy requires BAR 4 of 2 GiB and how large it is could not be read of",
                ],
                resets: Some(7),
                ..Expected::default()
            },
        ),
        (
            "BARs larger than P2P needs and the policy wants",
            |declared, node| {
                declared.policies[0].spec.require = Some(CardRequirements {
                    bar4_gib: Some(1),
                    min_sdk: None,
                });
                let socs: Vec<_> = node.socs.iter().map(|soc| soc.address).collect();
                for function in &mut node.functions {
                    if let Some(bars) = function
                        .bars
                        .value
                        .as_mut()
                        .filter(|_| socs.contains(&function.address))
                    {
                        bars.iter_mut()
                            .filter(|bar| bar.index == 4)
                            .for_each(|bar| bar.size_kib *= 2);
                    }
                }
            },
            Expected {
                resets: Some(8),
                clears: Some(8),
                ..Expected::default()
            },
        ),
        (
            "a VFIO neighbour of the card's switch",
            |_, node| {
                let soc = node.socs[0].clone();
                let mut stranger = node
                    .functions
                    .iter()
                    .find(|f| f.address == soc.address)
                    .expect("there")
                    .clone();
                stranger.address.function = 1;
                stranger.path = "0000:00:01.0/00.0/00.0/00.0/00.0/00.1".into();
                stranger.driver = Fact::known("vfio-pci".into(), "test");
                node.functions.push(stranger);
            },
            Expected {
                blocked: vec![ReportReason::UntrustedNeighbour],
                says: vec!["driver vfio-pci"],
                resets: Some(4),
                clears: Some(4),
            },
        ),
        (
            "a driver that counts milliseconds",
            |_, node| {
                node.settings.driver.clear();
                node.settings
                    .driver
                    .insert("control_resp_timeout".into(), Fact::known(60_000, "test"));
            },
            Expected {
                resets: Some(8),
                ..Expected::default()
            },
        ),
    ];
    check_rows(rows);
}
