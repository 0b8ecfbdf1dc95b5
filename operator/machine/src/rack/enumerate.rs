//! Enumeration: from a server's file to the tree of one boot, bus numbers given depth first as firmware gives them.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{MhiSerial, PciAddress, PciPath, Word},
    kind::rack::{Card, Device, HostSwitch, Presence, RackSoc, Server, Sku, Slot},
    snapshot::PortKind,
    step::MdpSetting,
};

use super::{
    boot_acs,
    draw::draw,
    groups::groups,
    live::iommu,
    made::made,
    parts::{Below, FIRST, bar4_kib, class, fits},
    world::{Function, Nature, Port, SocPart, World},
};

/// ACS that root ports can do: as measured on an emulated root port.
const ROOT_ACS: Word = Word(0x005f);
/// ACS that switch downstream ports can do: all classic bits.
const SWITCH_ACS: Word = Word(0x007f);

/// Enumerates a server's tree as firmware does at a boot: depth first, root port by root port, `unplugged` left out.
/// On first use `unplugged` is absent: the file's own word on presence holds.
pub(crate) fn enumerate(
    seed: u32,
    server: &Server,
    unplugged: Option<&BTreeSet<PciPath>>,
) -> Result<World, String> {
    let mut builder = Builder {
        seed,
        server,
        unplugged,
        world: World {
            functions: Vec::new(),
            by_address: BTreeMap::new(),
            by_path: BTreeMap::new(),
            absent: BTreeSet::new(),
            groups: BTreeMap::new(),
        },
        bus: 0,
        domain: 0,
    };
    let mut ports: Vec<_> = server.root_ports.iter().collect();
    ports.sort_by_key(|port| port.address);
    // Buses used below root ports so far, by domain and root bus.
    let mut counters: BTreeMap<(u32, u8), u8> = BTreeMap::new();
    for root in ports {
        let at = root.address;
        builder.domain = at.domain;
        builder.bus = *counters.entry((at.domain, at.bus)).or_insert(at.bus);
        let path = PciPath(at.to_string());
        let below = Below::from(root);
        let port = PortPart {
            vendor: Word(0x8086),
            device: Word(0x352a),
            kind: PortKind::Root,
            acs_capability: root.acs_capability.unwrap_or(ROOT_ACS),
            acs_now: root.acs,
            on_card: false,
        };
        builder.port(None, path, at, &port, |builder, index| {
            builder.below(index, below)
        })?;
        counters.insert((at.domain, at.bus), builder.bus);
    }
    let mut world = builder.world;
    world.by_path = (0..world.functions.len())
        .map(|index| (world.functions[index].path.clone(), index))
        .collect();
    for index in 0..world.functions.len() {
        let address = world.functions[index].address;
        if world.by_address.insert(address, index).is_some() {
            return Err(format!(
                "{address} would be given to two functions; root buses stand too close together"
            ));
        }
    }
    boot_acs::settle(&mut world, server);
    world.groups = groups(&world, iommu(server));
    Ok(world)
}

struct PortPart {
    vendor: Word,
    device: Word,
    kind: PortKind,
    acs_capability: Word,
    acs_now: Option<Word>,
    on_card: bool,
}

struct Builder<'a> {
    seed: u32,
    server: &'a Server,
    unplugged: Option<&'a BTreeSet<PciPath>>,
    world: World,
    /// The last bus number given out in the present root complex.
    bus: u8,
    domain: u32,
}

impl Builder<'_> {
    /// Adds a bridge, numbers its secondary bus, lets `below` fill it, and closes its bus range.
    fn port(
        &mut self,
        parent: Option<usize>,
        path: PciPath,
        address: PciAddress,
        part: &PortPart,
        below: impl FnOnce(&mut Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        self.bus = self
            .bus
            .checked_add(1)
            .ok_or_else(|| format!("no bus number is left for what is below {path}"))?;
        let secondary = self.bus;
        let index = self.world.functions.len();
        self.world.functions.push(Function {
            path,
            address,
            parent,
            vendor: part.vendor,
            device: part.device,
            class: 0x06_0400,
            driver: Some("pcieport".to_owned()),
            nature: Nature::Port(Port {
                kind: part.kind,
                acs_capability: part.acs_capability,
                acs_at_boot: Word(0),
                acs_now: part.acs_now,
                secondary,
                subordinate: secondary,
                on_card: part.on_card,
            }),
            shown: None,
        });
        below(self, index)?;
        let last = self.bus;
        if let Nature::Port(port) = &mut self.world.functions[index].nature {
            port.subordinate = last;
        }
        Ok(())
    }

    fn secondary(&self, index: usize) -> u8 {
        match &self.world.functions[index].nature {
            Nature::Port(port) => port.secondary,
            Nature::Soc(_) | Nature::Other => 0,
        }
    }

    /// Path and address of the function in `slot` right below a port.
    fn place(&self, parent: usize, slot: Slot) -> (PciPath, PciAddress) {
        let path = PciPath(format!("{}/{slot}", self.world.functions[parent].path));
        let address = PciAddress {
            domain: self.domain,
            bus: self.secondary(parent),
            device: slot.device,
            function: slot.function,
        };
        (path, address)
    }

    fn below(&mut self, parent: usize, below: Below<'_>) -> Result<(), String> {
        if let Some(many) = below.too_many(self.world.functions[parent].path.0.as_str()) {
            return Err(many);
        }
        let Below {
            switch,
            card,
            device,
        } = below;
        switch.map_or(Ok(()), |switch| self.switch(parent, switch))?;
        card.map_or(Ok(()), |card| self.card(parent, card))?;
        device.map_or(Ok(()), |device| self.device(parent, device))
    }

    fn is_out(&self, path: &PciPath) -> bool {
        self.unplugged.is_some_and(|out| out.contains(path))
    }

    fn switch(&mut self, parent: usize, switch: &HostSwitch) -> Result<(), String> {
        let (vendor, device) = (
            switch.vendor.unwrap_or(Word(0x10b5)),
            switch.device.unwrap_or(Word(0xc010)),
        );
        let (path, address) = self.place(parent, FIRST);
        let upstream = PortPart {
            vendor,
            device,
            kind: PortKind::SwitchUpstream,
            acs_capability: Word(0),
            acs_now: None,
            on_card: false,
        };
        self.port(Some(parent), path, address, &upstream, |builder, index| {
            let mut ports: Vec<_> = switch.ports.iter().collect();
            ports.sort_by_key(|port| port.slot);
            for port in ports {
                let (path, address) = builder.place(index, port.slot);
                let below = Below::from(port);
                let part = PortPart {
                    vendor,
                    device,
                    kind: PortKind::SwitchDownstream,
                    acs_capability: port.acs_capability.unwrap_or(SWITCH_ACS),
                    acs_now: port.acs,
                    on_card: false,
                };
                builder.port(Some(index), path, address, &part, |builder, index| {
                    builder.below(index, below)
                })?;
            }
            Ok(())
        })
    }

    fn card(&mut self, parent: usize, card: &Card) -> Result<(), String> {
        let (path, address) = self.place(parent, FIRST);
        fits(card, &path)?;
        let out = match card.presence.unwrap_or_default() {
            Presence::Plugged => false,
            Presence::Unplugged => true,
        };
        if out {
            self.world.absent.insert(path.clone());
        }
        if self.is_out(&path) || (self.unplugged.is_none() && out) {
            return Ok(());
        }
        let board = card.board_serial.clone().unwrap_or_else(|| {
            let number = draw(self.seed, &format!("{}/board/{path}", self.server.name));
            format!(
                "PN471-{:02}-{:06}",
                number % 90 + 10,
                number >> 8 & 0xf_ffff
            )
        });
        let ordinary = RackSoc::default();
        if card.sku.soc_count() == 1 {
            let soc = card.socs.first().unwrap_or(&ordinary);
            return self.soc(parent, card.sku, &board, soc);
        }
        let upstream = card_port(PortKind::SwitchUpstream, Word(0), None);
        self.port(Some(parent), path, address, &upstream, |builder, index| {
            for number in 0..card.sku.soc_count() {
                let soc = card.socs.get(number).unwrap_or(&ordinary);
                let slot = Slot {
                    device: u8::try_from(number).unwrap_or(u8::MAX),
                    function: 0,
                };
                let (path, address) = builder.place(index, slot);
                let part = card_port(
                    PortKind::SwitchDownstream,
                    soc.acs_capability.unwrap_or(SWITCH_ACS),
                    soc.acs,
                );
                builder.port(Some(index), path, address, &part, |builder, index| {
                    builder.soc(index, card.sku, &board, soc)
                })?;
            }
            Ok(())
        })
    }

    fn soc(&mut self, parent: usize, sku: Sku, board: &str, soc: &RackSoc) -> Result<(), String> {
        let (path, address) = self.place(parent, FIRST);
        if self.is_out(&path) {
            return Ok(());
        }
        let class = class(soc.class.as_deref().unwrap_or("0x120000"), &path)?;
        let bar4_kib = bar4_kib(soc, &path)?;
        let (cores, dram_mib, device) = made(sku);
        let serial = soc.serial.clone().unwrap_or_else(|| {
            let number = draw(self.seed, &format!("{}/soc/{path}", self.server.name));
            MhiSerial((number & 0x7fff_ffff).to_string())
        });
        let driver = match soc.driver.as_deref() {
            None => Some("qaic".to_owned()),
            Some("none") => None,
            Some(driver) => Some(driver.to_owned()),
        };
        self.world.functions.push(Function {
            path,
            address,
            parent: Some(parent),
            vendor: Word(0x17cb),
            device,
            class,
            driver,
            nature: Nature::Soc(SocPart {
                serial,
                board_serial: board.to_owned(),
                sku,
                cores: soc.cores.unwrap_or(cores),
                dram_mib: soc.dram_mib.unwrap_or(dram_mib),
                bar4_kib,
                mdp: soc.mdp.is_some_and(|mdp| mdp == MdpSetting::On),
                state: soc.state.unwrap_or_default(),
            }),
            shown: None,
        });
        Ok(())
    }

    fn device(&mut self, parent: usize, device: &Device) -> Result<(), String> {
        let (path, address) = self.place(parent, FIRST);
        if self.is_out(&path) {
            return Ok(());
        }
        let class = class(&device.class, &path)?;
        self.world.functions.push(Function {
            path,
            address,
            parent: Some(parent),
            vendor: device.vendor,
            device: device.device,
            class,
            driver: device.driver.clone(),
            nature: Nature::Other,
            shown: None,
        });
        Ok(())
    }
}

fn card_port(kind: PortKind, acs_capability: Word, acs_now: Option<Word>) -> PortPart {
    PortPart {
        vendor: Word(0x11f8),
        // A 52-lane Switchtec of the fourth generation: enough lanes for four x8 SoCs and an x16 host link.
        device: Word(0x4052),
        kind,
        acs_capability,
        acs_now,
        on_card: true,
    }
}
