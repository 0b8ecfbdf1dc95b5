//! Builds snapshots of machines with cards, port by port.
use std::collections::BTreeMap;

use crd::{
    Fact, Unknown,
    id::{AccelMinor, BootId, MhiId, MhiSerial, NodeName, PciAddress, PciPath, Qid, Word},
    snapshot::{
        Acs, Bar, FileImage, HardwareSnapshot, Holder, HolderKind, Host, KeptSettings, Ledger,
        Lockdown, PciFunction, PortKind, PortOwner, SNAPSHOT_KIND, Settings, SettingsFile, SkuKind,
        SnapshotMetadata, Soc, SocStatus, Toolchain, Tools, WorkerToolchain,
    },
};

/// What Linux sets on every port that has ACS: SV, RR, CR, UF.
pub const LINUX_ACS: u16 = 0x001d;
const GIB2_KIB: u64 = 2 * 1024 * 1024;

/// A machine under construction.
pub struct Builder {
    snapshot: HardwareSnapshot,
    next_bus: u8,
    next_root: u8,
    devices: BTreeMap<PciAddress, u8>,
    buses: BTreeMap<PciAddress, u8>,
}

impl Builder {
    pub fn new(node: &str) -> Self {
        let source = "test";
        Self {
            snapshot: HardwareSnapshot {
                api_version: crd::kind::API_VERSION.into(),
                kind: SNAPSHOT_KIND.into(),
                metadata: SnapshotMetadata {
                    name: NodeName(node.into()),
                    labels: BTreeMap::new(),
                },
                boot_id: Fact::known(BootId(format!("boot-1-{node}")), source),
                functions: Vec::new(),
                socs: Vec::new(),
                unread: Vec::new(),
                host: Host {
                    kernel: Fact::known("6.8.0".into(), source),
                    command_line: Fact::known(String::new(), source),
                    lockdown: Fact::known(Lockdown::None, source),
                    memory_mib: Fact::known(1_048_576, source),
                    cpus: Fact::known(64, source),
                    cpu_features: Fact::known(vec!["avx2".into()], source),
                },
                settings: Settings {
                    driver: BTreeMap::from([(
                        "control_resp_timeout_s".into(),
                        Fact::known(60, source),
                    )]),
                    sysctl: BTreeMap::from([(
                        "vm.max_map_count".into(),
                        Fact::known(65530, source),
                    )]),
                    kept: SettingsFile::ALL
                        .into_iter()
                        .map(|file| {
                            let kept = KeptSettings {
                                image: FileImage::Absent,
                                overruled: Vec::new(),
                            };
                            (file, Fact::known(kept, file.path()))
                        })
                        .collect(),
                },
                tools: Tools {
                    platform_sdk: Fact::known("1.21.0".into(), source),
                    apps_sdk: Fact::known("1.21.0".into(), source),
                    compiler: Fact::known(
                        Toolchain {
                            program: "qaic-compile".into(),
                            version: "1.21.0".into(),
                        },
                        source,
                    ),
                    qmonitor_running: Fact::known(false, source),
                    qmonitor_owner: Some(Fact::known(PortOwner::Nobody, source)),
                    qmonitor_masked: None,
                    missing: BTreeMap::new(),
                    worker: Fact::known(
                        WorkerToolchain {
                            pack_format: 1,
                            instruction_set: "avx2".into(),
                            version: "0.1.0".into(),
                        },
                        source,
                    ),
                },
                prerequisites: None,
                programs: Vec::new(),
                workers: Vec::new(),
                holders: Vec::new(),
                ledger: Ledger::default(),
                readings: None,
                recording: None,
            },
            next_bus: 1,
            next_root: 1,
            devices: BTreeMap::new(),
            buses: BTreeMap::new(),
        }
    }

    /// A root port.
    pub fn root(&mut self) -> PciAddress {
        let device = self.next_root;
        self.next_root += 1;
        let address = PciAddress {
            domain: 0,
            bus: 0,
            device,
            function: 0,
        };
        self.function(
            address,
            None,
            address.to_string(),
            Some(PortKind::Root),
            0x8086,
        );
        address
    }

    /// A switch with this many slots below a port; gives its downstream ports.
    pub fn switch(&mut self, above: PciAddress, slots: usize, vendor: u16) -> Vec<PciAddress> {
        let upstream = self.below(above, Some(PortKind::SwitchUpstream), vendor);
        (0..slots)
            .map(|_| self.below(upstream, Some(PortKind::SwitchDownstream), vendor))
            .collect()
    }

    /// An Ultra card: its switch and four SoCs.
    pub fn ultra(&mut self, above: PciAddress) -> Vec<PciAddress> {
        let slots = self.switch(above, 4, 0x11f8);
        slots
            .into_iter()
            .map(|slot| self.soc(slot, "PCIe Ultra"))
            .collect()
    }

    /// One SoC.
    pub fn soc(&mut self, above: PciAddress, sku: &str) -> PciAddress {
        let address = self.below(above, None, 0x17cb);
        let index = u32::try_from(self.snapshot.socs.len()).expect("few SoCs");
        let Some(function) = self.snapshot.functions.last_mut() else {
            unreachable!("just added");
        };
        function.device = Word(0xa100);
        function.class = "0x120000".into();
        function.driver = Fact::known("qaic".into(), "test");
        function.bars = Fact::known(
            vec![Bar {
                index: 4,
                size_kib: GIB2_KIB,
                prefetchable: true,
                unassigned: false,
            }],
            "test",
        );
        let path = function.path.clone();
        let serial = format!("{}-{index:04x}", self.snapshot.metadata.name);
        self.snapshot.socs.push(Soc {
            address,
            path,
            serial: Fact::known(MhiSerial(serial), "test"),
            // Numberings that agree with nothing.
            qid: Fact::known(Qid((index * 7 + 3) % 31), "test"),
            mhi: Fact::known(MhiId((index * 5 + 1) % 37), "test"),
            accel: Fact::known(AccelMinor((index * 3 + 2) % 41), "test"),
            status: Fact::known(SocStatus::Ready, "test"),
            mdp: Fact::known(false, "test"),
            cores: Fact::known(16, "test"),
            cores_free: Fact::known(16, "test"),
            dram_mib: Fact::known(32768, "test"),
            sku: Fact::known(SkuKind(sku.into()), "test"),
            board_serial: Fact::known("same-everywhere".into(), "test"),
            firmware: Fact::known("1".into(), "test"),
        });
        address
    }

    /// Any other device.
    pub fn device(&mut self, above: PciAddress, vendor: u16, driver: &str) -> PciAddress {
        let address = self.below(above, None, vendor);
        if let Some(function) = self.snapshot.functions.last_mut() {
            function.driver = Fact::known(driver.into(), "test");
        }
        address
    }

    pub fn build(self) -> HardwareSnapshot {
        reconcile::view::in_order(&self.snapshot)
    }

    fn below(&mut self, above: PciAddress, port: Option<PortKind>, vendor: u16) -> PciAddress {
        let free = &mut self.next_bus;
        let bus = *self.buses.entry(above).or_insert_with(|| {
            let bus = *free;
            *free += 1;
            bus
        });
        let device = self.devices.entry(above).or_insert(0);
        let address = PciAddress {
            domain: 0,
            bus,
            device: *device,
            function: 0,
        };
        *device += 1;
        let parent = self.snapshot.functions.iter().find(|f| f.address == above);
        let path = parent.map_or_else(String::new, |f| f.path.0.clone());
        let path = format!("{path}/{:02x}.{}", address.device, address.function);
        self.function(address, Some(above), path, port, vendor);
        address
    }

    fn function(
        &mut self,
        address: PciAddress,
        parent: Option<PciAddress>,
        path: String,
        port: Option<PortKind>,
        vendor: u16,
    ) {
        let acs = match port {
            Some(PortKind::Root | PortKind::SwitchDownstream) => Fact::known(
                Acs::Present {
                    offset: 0x1cc,
                    capability: Word(0x007f),
                    control: Word(LINUX_ACS),
                },
                "test",
            ),
            Some(PortKind::SwitchUpstream | PortKind::Bridge) | None => {
                Fact::known(Acs::None, "test")
            }
        };
        let group = u32::try_from(self.snapshot.functions.len()).expect("few functions");
        self.snapshot.functions.push(PciFunction {
            address,
            path: PciPath(path),
            parent,
            vendor: Word(vendor),
            device: Word(0x4052),
            class: if port.is_some() {
                "0x060400"
            } else {
                "0x020000"
            }
            .into(),
            port,
            acs,
            iommu_group: Fact::known(group, "test"),
            driver: Fact::unknown(Unknown::Absent, "test"),
            bars: Fact::known(Vec::new(), "test"),
            link: Fact::unknown(Unknown::Absent, "test"),
            max_link: Fact::unknown(Unknown::Absent, "test"),
            numa_node: Fact::unknown(Unknown::Absent, "test"),
        });
    }
}

/// Somebody who is none of us and has a SoC open.
pub fn tenant(soc: PciAddress) -> Holder {
    Holder {
        soc,
        kind: HolderKind::Foreign,
        pid: Some(7),
        name: "tenant".into(),
        unit: None,
        container: None,
        pod: None,
    }
}

/// Two Ultra cards below one host switch.
pub fn two_ultras(node: &str) -> HardwareSnapshot {
    ultras(node, 2)
}

/// Ultras under one switch.
pub fn ultras(node: &str, cards: usize) -> HardwareSnapshot {
    let mut builder = Builder::new(node);
    let root = builder.root();
    let slots = builder.switch(root, cards, 0x10b5);
    for slot in slots {
        builder.ultra(slot);
    }
    builder.build()
}

/// Changes a port's ACS fact.
pub fn set_acs(snapshot: &mut HardwareSnapshot, port: PciAddress, acs: Fact<Acs>) {
    if let Some(function) = snapshot.functions.iter_mut().find(|f| f.address == port) {
        function.acs = acs;
    }
}

/// A port's ACS control word.
pub fn word(snapshot: &HardwareSnapshot, port: PciAddress) -> Option<u16> {
    let function = snapshot.functions.iter().find(|f| f.address == port)?;
    match function.acs.get()? {
        Acs::None => None,
        Acs::Present { control, .. } => Some(control.0),
    }
}

/// A fresh ACS capability with this control word.
pub fn acs(control: u16) -> Fact<Acs> {
    Fact::known(
        Acs::Present {
            offset: 0x1cc,
            capability: Word(0x007f),
            control: Word(control),
        },
        "test",
    )
}
