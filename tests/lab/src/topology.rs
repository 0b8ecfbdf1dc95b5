//! From a rack's server to a virtual machine: the same file that makes a virtual rack makes QEMU's command line.
//!
//! Root ports on other buses than 0 stand on expander bridges of their own, so that firmware gives every function the
//! address that the rack gives it; ids, ACS capabilities and their places are the rack's too.
use anyhow::{Result, bail};
use crd::{
    id::{PciPath, Word},
    kind::rack::{
        Access, Card, Device, Fault, HostSwitch, NodeSettings, Presence, RackSoc, RootPort, Server,
        Sku, Slot,
    },
};
use machine::rack::{timeout_parameter, uses_iommu};

/// QEMU's arguments for a server's tree, and what must be done inside once it has booted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wiring {
    /// Device types for the shim, in its notation (`tests/lab/shim/src/spec.rs`).
    pub(crate) types: Vec<String>,
    /// What follows each `-device`.
    pub(crate) devices: Vec<String>,
    /// ACS control words that the file says are there.
    pub(crate) words: Vec<(PciPath, Word)>,
    /// Functions that the file gives to VFIO.
    pub(crate) vfio: Vec<PciPath>,
    /// Functions that the kernel would bind, and the file says no driver has.
    pub(crate) unbound: Vec<PciPath>,
    /// Files that bear a setting, and what the file says is in them.
    pub(crate) settings: Vec<(String, u64)>,
    /// How many SoCs there are: what takes long, takes long for each.
    pub(crate) socs: u32,
    /// How many root and downstream ports there are.
    pub(crate) ports: u8,
    endpoints: u32,
}

/// Wires a server.
pub(crate) fn wire(server: &Server) -> Result<Wiring> {
    possible(server)?;
    let mut wiring = Wiring::default();
    let settings = server.settings.clone().unwrap_or_default();
    let NodeSettings {
        control_response_timeout_seconds,
        max_map_count,
    } = settings;
    let timeout = control_response_timeout_seconds
        .map(|seconds| timeout_parameter(server, u64::from(seconds)));
    wiring.settings.extend(timeout.map(|(parameter, value)| {
        let file = format!("/sys/module/qaic/parameters/{parameter}");
        (file, value)
    }));
    let count = max_map_count.map(u64::from);
    let file = "/proc/sys/vm/max_map_count".to_owned();
    wiring.settings.extend(count.map(|count| (file, count)));
    let mut ports: Vec<&RootPort> = server.root_ports.iter().collect();
    ports.sort_by_key(|port| port.address);
    let mut expanders: Vec<u8> = Vec::new();
    for port in ports {
        let at = port.address;
        if at.domain != 0 {
            bail!(
                "{at} is in PCI domain {}, and QEMU has domain 0 alone",
                at.domain
            );
        }
        let bus = if at.bus == 0 {
            "pcie.0".to_owned()
        } else {
            if !expanders.contains(&at.bus) {
                expanders.push(at.bus);
                wiring.devices.push(format!(
                    "pxb-pcie,id=bus{0:02x},bus_nr={0},bus=pcie.0",
                    at.bus
                ));
            }
            format!("bus{:02x}", at.bus)
        };
        wiring.root(port, &bus)?;
    }
    if let (Some(path), false) = (wiring.vfio.first(), has_iommu(server)) {
        bail!("{path} cannot be given to VFIO, because no kernel does that without an IOMMU");
    }
    Ok(wiring)
}

/// A server whose file says nothing about its command line has an IOMMU, as on the rack.
const WITH_IOMMU: &str = "intel_iommu=on iommu=pt";

/// What the server's kernel is told.
pub(crate) fn command_line(server: &Server) -> &str {
    let host = server.host.as_ref();
    host.and_then(|host| host.command_line.as_deref())
        .unwrap_or(WITH_IOMMU)
}

/// Whether the server has an IOMMU: the rack's own rule.
pub(crate) fn has_iommu(server: &Server) -> bool {
    uses_iommu(command_line(server))
}

/// What a rack can do and a real kernel under an emulator cannot be made to.
fn possible(server: &Server) -> Result<()> {
    if server.recorded.is_some() {
        bail!(
            "{} is made of a recording, which says what was seen and not how it was wired",
            server.name
        );
    }
    let access = server.host.as_ref().and_then(|host| host.access);
    match access.unwrap_or_default() {
        Access::Root => {}
        Access::Unprivileged => bail!(
            "{} is looked at without rights, and the lab's own scenario `unprivileged` does that",
            server.name
        ),
    }
    for fault in &server.faults {
        match fault {
            Fault::ResetHangs(_)
            | Fault::ResetLingers(_)
            | Fault::ResetFails(_)
            | Fault::MdpMissing(_)
            | Fault::P2pCorrupt(_)
            | Fault::ToolKilled(_)
            | Fault::ToolHangs(_)
            | Fault::ToolIdle(_)
            | Fault::ToolEndsBadly(_) => {}
            Fault::WriteIgnored(_)
            | Fault::WritePartial(_)
            | Fault::ConfigWritesDropped(_)
            | Fault::WriteRefused(_)
            | Fault::WriteForbidden(_)
            | Fault::LostOnceWritten(_)
            | Fault::SettingForbidden(_)
            | Fault::ShortReads(_)
            | Fault::FallsOff(_)
            | Fault::LeavesWhenAsked(_)
            | Fault::Kill { .. }
            | Fault::Power { .. } => bail!("the fault {fault} is a rack's alone"),
        }
    }
    if let Some(tenant) = server.tenants.first() {
        bail!(
            "the tenant {} holds a device node, and without the vendor's driver there is none",
            tenant.name
        );
    }
    Ok(())
}

impl Wiring {
    fn root(&mut self, port: &RootPort, bus: &str) -> Result<()> {
        let capability = port.acs_capability.unwrap_or(Word(0x005f));
        let kind = self.kind(&format!("root 8086:352a acs=148:{:04x}", capability.0));
        let id = self.port()?;
        let without = if capability.0 == 0 {
            ",disable-acs=on"
        } else {
            ""
        };
        let (device, function) = (port.address.device, port.address.function);
        self.devices.push(format!(
            "{kind},id={id},bus={bus},addr={device:02x}.{function:x},multifunction=on,chassis={0},slot={0}{without}",
            self.ports
        ));
        let path = PciPath(port.address.to_string());
        self.word(&path, port.acs);
        self.below(
            &id,
            &path,
            port.switch.as_ref(),
            port.card.as_ref(),
            port.device.as_ref(),
        )
    }

    fn below(
        &mut self,
        bus: &str,
        path: &PciPath,
        switch: Option<&HostSwitch>,
        card: Option<&Card>,
        device: Option<&Device>,
    ) -> Result<()> {
        match (switch, card, device) {
            (None, None, None) => Ok(()),
            (Some(switch), None, None) => self.switch(bus, path, switch),
            (None, Some(card), None) => self.card(bus, path, card),
            (None, None, Some(device)) => {
                self.device(bus, path, device);
                Ok(())
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                bail!("{path} has more than one of switch, card and device below it")
            }
        }
    }

    fn switch(&mut self, bus: &str, path: &PciPath, switch: &HostSwitch) -> Result<()> {
        let ids = format!(
            "{:04x}:{:04x}",
            switch.vendor.unwrap_or(Word(0x10b5)).0,
            switch.device.unwrap_or(Word(0xc010)).0
        );
        let (upstream, path) = self.upstream(bus, path, &ids);
        for port in &switch.ports {
            let capability = port.acs_capability.unwrap_or(Word(0x007f));
            let (id, path) =
                self.downstream(&upstream, &path, port.slot, &ids, 0xf24, capability)?;
            self.word(&path, port.acs);
            self.below(
                &id,
                &path,
                port.switch.as_ref(),
                port.card.as_ref(),
                port.device.as_ref(),
            )?;
        }
        Ok(())
    }

    fn card(&mut self, bus: &str, path: &PciPath, card: &Card) -> Result<()> {
        match card.presence.unwrap_or_default() {
            Presence::Plugged => {}
            Presence::Unplugged => return Ok(()),
        }
        let ordinary = RackSoc::default();
        if card.sku.soc_count() == 1 {
            self.soc(bus, path, card.sku, card.socs.first().unwrap_or(&ordinary));
            return Ok(());
        }
        let (upstream, path) = self.upstream(bus, path, "11f8:4052");
        for number in 0..card.sku.soc_count() {
            let soc = card.socs.get(number).unwrap_or(&ordinary);
            let slot = Slot {
                device: u8::try_from(number)?,
                function: 0,
            };
            let capability = soc.acs_capability.unwrap_or(Word(0x007f));
            let (id, path) =
                self.downstream(&upstream, &path, slot, "11f8:4052", 0x1cc, capability)?;
            self.word(&path, soc.acs);
            self.soc(&id, &path, card.sku, soc);
        }
        Ok(())
    }

    fn upstream(&mut self, bus: &str, path: &PciPath, ids: &str) -> (String, PciPath) {
        let kind = self.kind(&format!("upstream {ids}"));
        let id = self.endpoint();
        self.devices.push(format!("{kind},id={id},bus={bus}"));
        (id, PciPath(format!("{path}/00.0")))
    }

    fn downstream(
        &mut self,
        bus: &str,
        path: &PciPath,
        slot: Slot,
        ids: &str,
        offset: u16,
        capability: Word,
    ) -> Result<(String, PciPath)> {
        let acs = if capability.0 == 0 {
            String::new()
        } else {
            format!(" acs={offset:03x}:{:04x}", capability.0)
        };
        let kind = self.kind(&format!("downstream {ids}{acs}"));
        let id = self.port()?;
        self.devices.push(format!(
            "{kind},id={id},bus={bus},addr={:02x}.{:x},multifunction=on,chassis={2},slot={2}",
            slot.device, slot.function, self.ports
        ));
        Ok((id, PciPath(format!("{path}/{slot}"))))
    }

    fn soc(&mut self, bus: &str, path: &PciPath, sku: Sku, soc: &RackSoc) {
        self.socs += 1;
        let device = match sku {
            Sku::Standard | Sku::Pro | Sku::Ultra => "a100",
            Sku::Standard080 | Sku::Ultra080 => "a080",
        };
        let class = soc.class.as_deref().unwrap_or("0x120000");
        let size = soc.bar4_kib.unwrap_or(2 << 20) << 10;
        let kind = self.kind(&format!(
            "endpoint 17cb:{device} class={} bar=0:1000:0 bar=2:200000:c bar=4:{size:x}:c",
            class.trim_start_matches("0x")
        ));
        let id = self.endpoint();
        self.devices.push(format!("{kind},id={id},bus={bus}"));
        if soc.driver.as_deref() == Some("none") {
            self.unbound.push(PciPath(format!("{path}/00.0")));
        }
        self.given_away(path, soc.driver.as_deref());
    }

    /// Other devices: NVMe as QEMU's own, to which the kernel binds its driver; anything else has ids and nothing behind.
    fn device(&mut self, bus: &str, path: &PciPath, device: &Device) {
        let class = device.class.trim_start_matches("0x");
        let ids = format!("{:04x}:{:04x}", device.vendor.0, device.device.0);
        let id = self.endpoint();
        if class == "010802" {
            let kind = self.kind(&format!("nvme {ids}"));
            self.devices
                .push(format!("{kind},id={id},bus={bus},serial={id}"));
        } else {
            let kind = self.kind(&format!("endpoint {ids} class={class} bar=0:1000:0"));
            self.devices.push(format!("{kind},id={id},bus={bus}"));
        }
        self.given_away(path, device.driver.as_deref());
    }

    fn given_away(&mut self, path: &PciPath, driver: Option<&str>) {
        if driver.is_some_and(|driver| driver == "vfio-pci") {
            self.vfio.push(PciPath(format!("{path}/00.0")));
        }
    }

    fn word(&mut self, path: &PciPath, word: Option<Word>) {
        self.words.extend(word.map(|word| (path.clone(), word)));
    }

    /// The name of a device type, made on first use.
    fn kind(&mut self, what: &str) -> String {
        let line = |number: usize| format!("lab-{number} {what}");
        let known = (0..self.types.len()).find(|&number| self.types[number] == line(number));
        let number = known.unwrap_or_else(|| {
            self.types.push(line(self.types.len()));
            self.types.len() - 1
        });
        format!("lab-{number}")
    }

    /// A port's id; its number is chassis and slot too, which QEMU wants distinct and of 8 bits.
    fn port(&mut self) -> Result<String> {
        let Some(number) = self.ports.checked_add(1) else {
            bail!("a machine has at most 255 ports");
        };
        self.ports = number;
        Ok(format!("port{number}"))
    }

    fn endpoint(&mut self) -> String {
        self.endpoints += 1;
        format!("device{}", self.endpoints)
    }
}
