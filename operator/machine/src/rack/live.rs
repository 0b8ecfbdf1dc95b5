//! A server's live registers: everything that a boot, a write or a fault can change.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{BootId, PciAddress, PciPath, WorkerId},
    kind::rack::{Durations, Fault, Server, Sku, SocState},
    snapshot::parameters,
};
use serde::{Deserialize, Serialize};

use super::{
    draw, etc, host,
    registers::{Iommu, Written, acs_offset},
    soc_live::SocLive,
    world::{Nature, World},
};

/// Version of the live registers' file.
pub(crate) const FORMAT: u32 = 1;
/// Events kept for readers that come late.
const MOST_EVENTS: usize = 256;

/// Live registers of one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) format: u32,
    /// Fingerprint of the rack file that they were seeded from.
    pub(crate) digest: String,
    /// Boots so far; the first is 1.
    pub(crate) boot: u32,
    pub(crate) boot_id: BootId,
    /// The rack's time in milliseconds, as of `wall_ms` where that is present.
    pub(crate) rack_ms: u64,
    pub(crate) wall_ms: Option<u64>,
    /// What is out of its slot now, by path.
    pub(crate) unplugged: BTreeSet<PciPath>,
    /// The address that each of these had last, by which a person knows it over a boot that gives it none.
    #[serde(default)]
    pub(crate) had_address: BTreeMap<PciPath, PciAddress>,
    /// What was out at the boot: it has no bus numbers until the next.
    pub(crate) out_at_boot: BTreeSet<PciPath>,
    /// Cards that were added to the file's, by the path of the port above.
    #[serde(default)]
    pub(crate) added: BTreeMap<PciPath, Sku>,
    pub(crate) written: BTreeMap<PciPath, Written>,
    pub(crate) drivers: BTreeMap<PciPath, Option<String>>,
    pub(crate) socs: BTreeMap<PciPath, SocLive>,
    /// Driver's control response timeout in seconds.
    pub(crate) control_timeout_s: u64,
    pub(crate) max_map_count: u64,
    /// Configuration files below `/etc`, by path; they outlive boots.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// When qmonitor was started, in the rack's time.
    pub(crate) qmonitor_ms: Option<u64>,
    /// Whether somebody started or stopped the vendor's operator's agent since the boot.
    #[serde(default)]
    pub(crate) vendor_agent: Option<bool>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) claims: Vec<ClaimLive>,
    pub(crate) faults: Vec<Fault>,
    /// Functions and settings that were written under [`Fault::LostOnceWritten`].
    #[serde(default)]
    pub(crate) lost: BTreeSet<String>,
    /// Events so far, and the last of them.
    pub(crate) event_count: u64,
    pub(crate) events: Vec<EventLive>,
    pub(crate) compiler_calls: u64,
}

/// A foreign process that holds a SoC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) soc: PciPath,
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// By a mapping of a file that it closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) mapped: bool,
}

/// A worker of ours that holds a SoC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimLive {
    pub(crate) soc: PciPath,
    pub(crate) worker: WorkerId,
    pub(crate) pid: u32,
    /// The process's start as the kernel counts it: a pid alone is used again.
    pub(crate) started: u64,
}

/// An event in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum EventLive {
    Unplugged { path: PciPath },
    Replugged { path: PciPath },
    Rebooted,
    SocReset { path: PciPath },
}

impl Live {
    /// Registers of a server that never ran, before its first boot.
    pub(crate) fn seeded(digest: &str, server: &Server, world: &World) -> Self {
        let settings = server.settings.clone().unwrap_or_default();
        let mut live = Self {
            format: FORMAT,
            digest: digest.to_owned(),
            boot: 0,
            boot_id: BootId::from(""),
            rack_ms: 0,
            wall_ms: None,
            unplugged: world.absent.clone(),
            had_address: BTreeMap::new(),
            out_at_boot: BTreeSet::new(),
            added: BTreeMap::new(),
            written: BTreeMap::new(),
            drivers: BTreeMap::new(),
            socs: BTreeMap::new(),
            control_timeout_s: settings
                .control_response_timeout_seconds
                .map_or(60, u64::from),
            max_map_count: settings.max_map_count.map_or(65530, u64::from),
            files: BTreeMap::new(),
            qmonitor_ms: None,
            vendor_agent: None,
            holds: Vec::new(),
            claims: Vec::new(),
            faults: server.faults.clone(),
            lost: BTreeSet::new(),
            event_count: 0,
            events: Vec::new(),
            compiler_calls: 0,
        };
        for tenant in &server.tenants {
            for soc in &tenant.holds {
                if let Some(&index) = world.by_address.get(soc) {
                    live.holds.push(Hold {
                        soc: world.functions[index].path.clone(),
                        name: tenant.name.clone(),
                        pid: tenant.pid,
                        mapped: tenant.mapped.unwrap_or_default(),
                    });
                }
            }
        }
        live
    }

    /// What a boot does: volatile registers lost, ids drawn anew, SoCs booted; partitioning stays.
    pub(crate) fn boot(&mut self, seed: u32, server: &Server, world: &World) {
        let first = self.boot == 0;
        self.boot += 1;
        let tag = format!("{}/boot/{}", server.name, self.boot);
        self.boot_id = BootId(draw::uuid(seed, &tag));
        self.out_at_boot = self.unplugged.clone();
        self.written.clear();
        self.drivers.clear();
        self.qmonitor_ms = None;
        self.vendor_agent = None;
        if !first {
            let settings = server.settings.clone().unwrap_or_default();
            self.control_timeout_s = settings
                .control_response_timeout_seconds
                .map_or(60, u64::from);
            self.max_map_count = settings.max_map_count.map_or(65530, u64::from);
            etc::at_boot(self, server);
            // Nothing that ran before the boot runs after it.
            self.holds.clear();
            self.claims.clear();
        }
        let socs: Vec<usize> = (0..world.functions.len())
            .filter(|&index| matches!(world.functions[index].nature, Nature::Soc(_)))
            .collect();
        let mhi = draw::shuffle(seed, &format!("{tag}/mhi"), socs.len());
        let accel = draw::shuffle(seed, &format!("{tag}/accel"), socs.len());
        for (position, &index) in socs.iter().enumerate() {
            let function = &world.functions[index];
            let Nature::Soc(part) = &function.nature else {
                continue;
            };
            let before = self.socs.get(&function.path);
            let booted = if first { 0 } else { self.rack_ms };
            let soc = SocLive {
                mdp: before.map_or(part.mdp, |soc| soc.requested.unwrap_or(soc.mdp)),
                requested: None,
                error: part.state == SocState::Error,
                off_until_ms: booted,
                ready_at_ms: match part.state {
                    SocState::Ready | SocState::Error => Some(booted),
                    SocState::Stuck => None,
                },
                mhi: u32::try_from(mhi[position]).unwrap_or(u32::MAX),
                accel: u32::try_from(accel[position]).unwrap_or(u32::MAX),
                resets: before.map_or(0, |soc| soc.resets),
                lingers: None,
            };
            self.socs.insert(function.path.clone(), soc);
        }
        if first {
            self.seed_words(world);
        }
    }

    /// ACS words that the file gives stand until the next boot.
    fn seed_words(&mut self, world: &World) {
        for function in &world.functions {
            if let Nature::Port(port) = &function.nature
                && let (Some(word), Some(offset)) = (port.acs_now, acs_offset(function))
            {
                let [low, high] = (word.0 & port.acs_capability.0).to_le_bytes();
                let at = u16::try_from(offset + 6).unwrap_or(u16::MAX);
                let written = self.written.entry(function.path.clone()).or_default();
                written.insert(at, low);
                written.insert(at + 1, high);
            }
        }
    }

    /// Starts a SoC's reset at `now`. What was asked of it takes effect here.
    pub(crate) fn reset_soc(&mut self, world: &World, index: usize, now: u64, durations: &Times) {
        let function = &world.functions[index];
        let hangs = self.faults.contains(&Fault::ResetHangs(function.address));
        let lingers = self.faults.contains(&Fault::ResetLingers(function.address));
        let falls = self.faults.contains(&Fault::FallsOff(function.address));
        let next_accel = self
            .socs
            .values()
            .map(|soc| soc.accel + 1)
            .max()
            .unwrap_or(0);
        let path = function.path.clone();
        let stuck = matches!(&function.nature, Nature::Soc(part) if part.state == SocState::Stuck);
        if let Some(soc) = self.socs.get_mut(&path) {
            soc.linger(lingers, now);
            if let Some(mdp) = soc.requested.take() {
                soc.mdp = mdp;
            }
            soc.off_until_ms = now + durations.reset;
            soc.ready_at_ms = if hangs || stuck {
                None
            } else {
                Some(soc.off_until_ms + durations.initialize)
            };
            soc.accel = next_accel;
            soc.resets += 1;
        }
        // A reset ends every program on the SoC.
        self.holds.retain(|hold| hold.soc != path);
        if falls {
            self.had_address.insert(path.clone(), function.address);
            self.unplugged.insert(path.clone());
        }
        self.event(EventLive::SocReset { path });
    }

    /// A SoC that is put into its slot boots as after a reset, with numbers of its own, and asked for nothing.
    pub(crate) fn power_on(&mut self, world: &World, index: usize, now: u64, durations: &Times) {
        let next_mhi = self.socs.values().map(|soc| soc.mhi + 1).max().unwrap_or(0);
        let next_accel = self
            .socs
            .values()
            .map(|soc| soc.accel + 1)
            .max()
            .unwrap_or(0);
        let function = &world.functions[index];
        let Nature::Soc(part) = &function.nature else {
            return;
        };
        if let Some(soc) = self.socs.get_mut(&function.path) {
            soc.requested = None;
            soc.off_until_ms = now;
            soc.ready_at_ms = match part.state {
                SocState::Ready | SocState::Error => Some(now + durations.initialize),
                SocState::Stuck => None,
            };
            soc.mhi = next_mhi;
            soc.accel = next_accel;
        }
    }

    pub(crate) fn event(&mut self, event: EventLive) {
        self.event_count += 1;
        self.events.push(event);
        if self.events.len() > MOST_EVENTS {
            self.events.remove(0);
        }
    }

    /// Whether the function, or something above it, is out of its slot.
    pub(crate) fn is_out(&self, world: &World, index: usize) -> bool {
        !self.unplugged.is_empty()
            && world
                .upward(index)
                .any(|at| self.unplugged.contains(&world.functions[at].path))
    }
}

/// Durations of a server in milliseconds of the rack's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) reset: u64,
    pub(crate) initialize: u64,
    pub(crate) qmonitor: u64,
    pub(crate) boot: u64,
    pub(crate) tool: u64,
}

impl Times {
    pub(crate) fn of(server: &Server) -> Self {
        let Durations {
            reset_seconds,
            initialize_seconds,
            qmonitor_seconds,
            boot_seconds,
            tool_seconds,
        } = server.durations.clone().unwrap_or_default();
        let millis = |given: Option<u32>, ordinary: u64| given.map_or(ordinary, u64::from) * 1000;
        Self {
            reset: millis(reset_seconds, 8),
            initialize: millis(initialize_seconds, 40),
            qmonitor: millis(qmonitor_seconds, 10),
            boot: millis(boot_seconds, 90),
            tool: millis(tool_seconds, 1),
        }
    }
}

/// Whether the server's kernel uses an IOMMU.
pub(crate) fn iommu(server: &Server) -> Iommu {
    if let Some(recorded) = &server.recorded {
        let mut functions = recorded.functions.iter();
        let grouped = functions.any(|function| function.iommu_group.get().is_some());
        return if grouped { Iommu::On } else { Iommu::Off };
    }
    if uses_iommu(host::command_line(server)) {
        Iommu::On
    } else {
        Iommu::Off
    }
}

/// Whether a kernel with this command line uses the IOMMU that is there: of `intel_iommu=on` and `off` the last holds, and
/// `iommu=off` ends all (`arch/x86/kernel/pci-dma.c`, `drivers/iommu/intel/iommu.c`).
pub fn uses_iommu(line: &str) -> bool {
    let mut on = false;
    let mut none = false;
    for (name, value) in parameters(line).filter_map(|(name, value)| Some((name, value?))) {
        for part in value.split(',') {
            match (name, part) {
                ("intel_iommu" | "amd_iommu", "on") => on = true,
                ("intel_iommu" | "amd_iommu", "off") => on = false,
                ("iommu", "off") => none = true,
                _ => {}
            }
        }
    }
    on && !none
}
