//! Random racks, and what somebody does to a server before it is recorded.
use crd::{
    id::{NodeName, PciAddress, Word},
    kind::{
        API_VERSION, RACK_KIND, Rack,
        rack::{
            Access, Card, Device, Fault, HostSwitch, NodeSettings, QidOrder, RackMetadata, RackSoc,
            RackSpec, RootPort, Sdk, Server, Sku, Slot, SocState, SwitchPort, VendorTool,
            VirtualHost,
        },
    },
    snapshot::{HardwareSnapshot, Lockdown, PortKind},
    step::MdpSetting,
};
use machine::RackServer;
use proptest::prelude::*;

/// What somebody does to a server before it is recorded; places count modulo what is there.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Acs(usize, u16),
    Mdp(usize, bool),
    Driver(usize, &'static str),
    State(usize, &'static str),
    Hold(usize),
    Unplug(usize),
    Reset(usize),
    ShortReads(usize),
    File(&'static str, &'static str),
    Qmonitor,
    ToolHangs,
    Reboot,
}

pub(super) fn act(server: &RackServer, seen: &HardwareSnapshot, deed: &Deed) {
    let ports: Vec<PciAddress> = seen
        .functions
        .iter()
        .filter(|function| {
            matches!(
                function.port,
                Some(PortKind::SwitchDownstream | PortKind::Root)
            )
        })
        .map(|function| function.address)
        .collect();
    let socs: Vec<PciAddress> = seen.socs.iter().map(|soc| soc.address).collect();
    let of = |list: &[PciAddress], at: usize| list.get(at % list.len().max(1)).copied();
    let set = |address: Option<PciAddress>, what: &str, value: &str| {
        if let Some(address) = address {
            // What a server cannot do, it refuses; then nothing was done.
            let _ = server.set(&format!("{address}/{what}"), value);
        }
    };
    match deed {
        Deed::Acs(at, word) => set(of(&ports, *at), "acs", &Word(*word).to_string()),
        Deed::Mdp(at, on) => set(of(&socs, *at), "mdp", if *on { "on" } else { "off" }),
        Deed::Driver(at, driver) => set(of(&socs, *at), "driver", driver),
        Deed::State(at, state) => set(of(&socs, *at), "state", state),
        Deed::Hold(at) => {
            if let Some(soc) = of(&socs, *at) {
                server.hold(soc, "python3", 4242).unwrap();
            }
        }
        Deed::Unplug(at) => {
            if let Some(soc) = of(&socs, *at) {
                // It may be out already.
                let _ = server.unplug(soc);
            }
        }
        Deed::Reset(at) => {
            if let Some(soc) = of(&socs, *at) {
                server.reset_soc(soc).unwrap();
            }
        }
        Deed::ShortReads(at) => {
            if let Some(port) = of(&ports, *at) {
                server.fault(Fault::ShortReads(port)).unwrap();
            }
        }
        Deed::File(path, text) => server.set(path, text).unwrap(),
        Deed::Qmonitor => {
            server.set("qmonitor", "running").unwrap();
            server.reboot().unwrap();
            server.set("qmonitor", "running").unwrap();
        }
        Deed::ToolHangs => server.fault(Fault::ToolHangs("qaic-util".into())).unwrap(),
        Deed::Reboot => server.reboot().unwrap(),
    }
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let at = 0_usize..64;
    prop_oneof![
        3 => (at.clone(), 0_u16..0x80).prop_map(|(at, word)| Deed::Acs(at, word)),
        3 => (at.clone(), any::<bool>()).prop_map(|(at, on)| Deed::Mdp(at, on)),
        1 => (at.clone(), prop_oneof![Just("none"), Just("vfio-pci")]).prop_map(|(at, driver)| Deed::Driver(at, driver)),
        1 => (at.clone(), prop_oneof![Just("stuck"), Just("error"), Just("ready")]).prop_map(|(at, state)| Deed::State(at, state)),
        2 => at.clone().prop_map(Deed::Hold),
        2 => at.clone().prop_map(Deed::Unplug),
        2 => at.clone().prop_map(Deed::Reset),
        1 => at.prop_map(Deed::ShortReads),
        1 => Just(Deed::File("/etc/sysctl.d/90-shardplane.conf", "vm.max_map_count = 2048000")),
        1 => Just(Deed::File("/etc/sysctl.d/99-local.conf", "vm.max_map_count = 70000")),
        1 => Just(Deed::File("/etc/modprobe.d/95-x.conf", "options qaic control_resp_timeout_s=61")),
        1 => Just(Deed::Qmonitor),
        1 => Just(Deed::ToolHangs),
        1 => Just(Deed::Reboot),
    ]
}

prop_compose! {
    fn soc()(
        cores in prop::option::of(prop_oneof![Just(8_u32), Just(14), Just(16)]),
        dram_mib in prop::option::of(prop_oneof![Just(8116_u32), Just(16308), Just(32692)]),
        bar4_kib in prop::option::weighted(0.2, Just(64_u64)),
        mdp in prop::option::of(prop_oneof![Just(MdpSetting::On), Just(MdpSetting::Off)]),
        state in prop::option::weighted(0.2, prop_oneof![Just(SocState::Stuck), Just(SocState::Error)]),
        driver in prop::option::weighted(0.2, prop_oneof![Just("none".to_owned()), Just("vfio-pci".to_owned())]),
        class in prop::option::weighted(0.2, Just("0xff0000".to_owned())),
        acs in prop::option::weighted(0.3, (0_u16..0x80).prop_map(Word)),
        acs_capability in prop::option::weighted(0.2, prop_oneof![Just(Word(0)), Just(Word(0x1f))]),
    ) -> RackSoc {
        RackSoc { serial: None, cores, dram_mib, bar4_kib, mdp, state, driver, class, acs, acs_capability }
    }
}

fn card() -> impl Strategy<Value = Card> {
    let sku = prop_oneof![
        3 => Just(Sku::Ultra),
        1 => Just(Sku::Pro),
        1 => Just(Sku::Standard),
        1 => Just(Sku::Standard080),
        1 => Just(Sku::Ultra080),
    ];
    let board = prop::option::weighted(0.3, Just("PN471-12".to_owned()));
    (sku, board, prop::collection::vec(soc(), 4)).prop_map(|(sku, board_serial, mut socs)| {
        socs.truncate(sku.soc_count());
        Card {
            sku,
            presence: None,
            board_serial,
            socs,
        }
    })
}

/// What hangs below a port.
#[derive(Clone, Debug)]
enum Below {
    Nothing,
    Card(Card),
    Device(&'static str),
    Switch(Vec<Below>),
}

fn below() -> impl Strategy<Value = Below> {
    let leaf = prop_oneof![
        4 => card().prop_map(Below::Card),
        1 => Just(Below::Device("mlx5_core")),
        1 => Just(Below::Device("vfio-pci")),
        1 => Just(Below::Nothing),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop::collection::vec(inner, 1..4).prop_map(Below::Switch)
    })
}

fn parts(below: &Below) -> (Option<HostSwitch>, Option<Card>, Option<Device>) {
    match below {
        Below::Nothing => (None, None, None),
        Below::Card(card) => (None, Some(card.clone()), None),
        Below::Device(driver) => {
            let device = Device {
                vendor: Word(0x15b3),
                device: Word(0x101d),
                class: "0x020000".into(),
                driver: Some((*driver).into()),
            };
            (None, None, Some(device))
        }
        Below::Switch(ports) => {
            let port = |(number, below): (usize, &Below)| {
                let (switch, card, device) = parts(below);
                SwitchPort {
                    slot: Slot {
                        device: u8::try_from(number).unwrap(),
                        function: 0,
                    },
                    acs: None,
                    acs_capability: None,
                    switch,
                    card,
                    device,
                }
            };
            let ports = ports.iter().enumerate().map(port).collect();
            (
                Some(HostSwitch {
                    vendor: None,
                    device: None,
                    ports,
                }),
                None,
                None,
            )
        }
    }
}

prop_compose! {
    fn host()(
        access in prop::option::weighted(0.15, Just(Access::Unprivileged)),
        lockdown in prop::option::weighted(0.2, Just(Lockdown::Integrity)),
        line in prop::option::of(prop_oneof![Just("quiet".to_owned()), Just("amd_iommu=on ro".to_owned())]),
        memory_gib in prop::option::of(1_u32..2048),
        cpus in prop::option::of(1_u32..256),
        cpu_features in prop_oneof![Just(Vec::new()), Just(vec!["avx2".to_owned()])],
    ) -> VirtualHost {
        VirtualHost { kernel: Some("6.1.0-28-amd64".into()), command_line: line, lockdown, access, memory_gib, cpus, cpu_features }
    }
}

prop_compose! {
    fn sdk()(
        platform in prop::option::of(prop_oneof![Just("1.8.2"), Just("1.12.0"), Just("1.17.1"), Just("1.21.0")]),
        apps in prop::option::weighted(0.3, prop_oneof![Just("1.20.0"), Just("1.21.4")]),
        missing in prop::collection::vec(prop_oneof![
            Just(VendorTool::QueryTool), Just(VendorTool::QaicMonitorJson), Just(VendorTool::QaicRunner),
            Just(VendorTool::QaicCompile), Just(VendorTool::Switchtec), Just(VendorTool::P2PTest),
            Just(VendorTool::QaicMonitorGrpcServer), Just(VendorTool::SystemdRun),
            Just(VendorTool::QmonitorFirmware),
        ], 0..2),
    ) -> Sdk {
        Sdk { platform: platform.map(str::to_owned), apps: apps.map(str::to_owned), missing }
    }
}

prop_compose! {
    pub(super) fn any_rack()(
        seed in any::<u32>(),
        roots in prop::collection::vec(below(), 1..3),
        host in prop::option::of(host()),
        sdk in prop::option::of(sdk()),
        timeout in prop::option::of(1_u32..5000),
        count in prop::option::of(1_u32..3_000_000),
        shuffled in any::<bool>(),
        labelled in any::<bool>(),
    ) -> Rack {
        let root = |(number, below): (usize, &Below)| {
            let (switch, card, device) = parts(below);
            RootPort {
                address: PciAddress { domain: 0, bus: [0x20, 0x80][number], device: 1, function: 0 },
                acs: None,
                acs_capability: None,
                switch,
                card,
                device,
            }
        };
        Rack {
            api_version: API_VERSION.into(),
            kind: RACK_KIND.into(),
            metadata: RackMetadata { name: "room".into() },
            spec: RackSpec {
                seed,
                speedup: None,
                servers: vec![Server {
                    name: NodeName("aic-01".into()),
                    labels: labelled.then(|| ("role".to_owned(), "cards".to_owned())).into_iter().collect(),
                    host,
                    sdk,
                    settings: Some(NodeSettings { control_response_timeout_seconds: timeout, max_map_count: count }),
                    qid_order: shuffled.then_some(QidOrder::Shuffled),
                    durations: None,
                    tenants: Vec::new(),
                    vendor_agent: None,
                    faults: Vec::new(),
                    recorded: None,
                    root_ports: roots.iter().enumerate().map(root).collect(),
                }],
            },
        }
    }
}
