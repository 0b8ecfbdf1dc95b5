//! What a person does to a rack's server behind everybody's back: set, unplug, replug, fault, hold, release, reboot, reset.
use std::time::Duration;

use crd::{
    id::{PciAddress, PciPath, Word},
    kind::rack::Fault,
};

use super::{
    RackError, RackServer, etc,
    live::{EventLive, Hold, Live},
    registers::acs_offset,
    world::{Nature, World},
};

/// When what was put back is on its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replugged {
    /// It is.
    Now,
    /// It was out at the last boot, which gave it no bus numbers: the next one does.
    AtTheNextBoot,
}

impl RackServer {
    /// Lets time pass that nobody works in: what boots, boots on.
    pub fn wait(&self, passing: Duration) -> Result<(), RackError> {
        self.pass(passing)
    }

    /// Sets a register or setting as somebody with root would. Targets and values: `ADDRESS/acs` a word, `ADDRESS/mdp`
    /// `on|off`, `ADDRESS/state` `ready|stuck|error`, `ADDRESS/driver` a name or `none`, `vm.max_map_count` a number,
    /// `control_resp_timeout_s` seconds, `qmonitor` and `vendor-agent` `running|stopped`, a path below `/etc/sysctl.d` or `/etc/modprobe.d`
    /// the file's text or `absent`.
    pub fn set(&self, target: &str, value: &str) -> Result<(), RackError> {
        let bad =
            |wanted: &str| self.refused(format!("{target} cannot be `{value}`; give {wanted}"));
        self.store.transact(|live, world| {
            let now = self.rack_ms(live);
            match target {
                "vm.max_map_count" => {
                    live.max_map_count = value.parse().map_err(|_| bad("a number"))?;
                }
                "control_resp_timeout_s" => {
                    live.control_timeout_s =
                        value.parse().map_err(|_| bad("a number of seconds"))?;
                }
                "qmonitor" => {
                    live.qmonitor_ms = match value {
                        "running" => Some(now.saturating_sub(self.times.qmonitor)),
                        "stopped" => None,
                        _ => return Err(bad("running or stopped")),
                    }
                }
                "vendor-agent" => {
                    live.vendor_agent = match value {
                        "running" => Some(true),
                        "stopped" => Some(false),
                        _ => return Err(bad("running or stopped")),
                    }
                }
                path if etc::is_configuration(path) => {
                    match value {
                        "absent" => live.files.remove(path),
                        text => live
                            .files
                            .insert(path.to_owned(), format!("{}\n", text.trim_end())),
                    };
                }
                _ => return self.set_function(live, world, now, target, value),
            }
            Ok(())
        })
    }

    fn set_function(
        &self,
        live: &mut Live,
        world: &World,
        now: u64,
        target: &str,
        value: &str,
    ) -> Result<(), RackError> {
        let bad =
            |wanted: &str| self.refused(format!("{target} cannot be `{value}`; give {wanted}"));
        let unknown = || {
            self.no_such(format!(
                "`{target}`; targets are ADDRESS/acs, ADDRESS/mdp, ADDRESS/state, ADDRESS/driver, vm.max_map_count, control_resp_timeout_s, qmonitor, vendor-agent and files such as /etc/sysctl.d/99-local.conf"
            ))
        };
        let (address, what) = target.split_once('/').ok_or_else(unknown)?;
        let address: PciAddress = address.parse().map_err(|_| unknown())?;
        let &index = world
            .by_address
            .get(&address)
            .ok_or_else(|| self.no_such(format!("function at {address}")))?;
        let function = &world.functions[index];
        match what {
            "acs" => {
                let word: Word = value.parse().map_err(|_| bad("a word such as 0x001d"))?;
                let (Nature::Port(port), Some(offset)) = (&function.nature, acs_offset(function))
                else {
                    return Err(self.no_such(format!("ACS at {address}")));
                };
                let kept = word.0 & port.acs_capability.0;
                if kept != word.0 {
                    return Err(self.refused(format!(
                        "{address} implements ACS bits {}, not all of {word}",
                        port.acs_capability
                    )));
                }
                let at = u16::try_from(offset + 6).unwrap_or(u16::MAX);
                let written = live.written.entry(function.path.clone()).or_default();
                let [low, high] = kept.to_le_bytes();
                written.insert(at, low);
                written.insert(at + 1, high);
            }
            "driver" => {
                let driver = (value != "none").then(|| value.to_owned());
                live.drivers.insert(function.path.clone(), driver);
            }
            "mdp" | "state" => {
                let soc = live
                    .socs
                    .get_mut(&function.path)
                    .ok_or_else(|| self.no_such(format!("SoC at {address}")))?;
                // Files and `rack show` spell states as the tools do: `Ready`.
                match (what, value.to_ascii_lowercase().as_str()) {
                    ("mdp", "on") => soc.mdp = true,
                    ("mdp", "off") => soc.mdp = false,
                    ("mdp", _) => return Err(bad("on or off")),
                    (_, "ready") => {
                        soc.error = false;
                        soc.off_until_ms = now;
                        soc.ready_at_ms = Some(now);
                    }
                    (_, "stuck") => soc.ready_at_ms = None,
                    (_, "error") => {
                        soc.error = true;
                        soc.off_until_ms = now;
                        soc.ready_at_ms = Some(now);
                    }
                    (_, _) => return Err(bad("ready, stuck or error")),
                }
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// Pulls out a SoC, a card or another device: the one at the address, or all that is right below the port there.
    pub fn unplug(&self, address: PciAddress) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            let &index = world
                .by_address
                .get(&address)
                .filter(|&&index| !live.is_out(world, index))
                .ok_or_else(|| self.no_such(format!("function at {address}")))?;
            let paths: Vec<PciPath> = if is_slot(world, index) {
                world.children(index).collect()
            } else {
                vec![index]
            }
            .into_iter()
            .map(|index| world.functions[index].path.clone())
            .collect();
            for function in &world.functions {
                if paths.contains(&function.path) {
                    let had = function.address;
                    live.had_address.insert(function.path.clone(), had);
                }
            }
            if paths.is_empty() {
                return Err(self.no_such(format!("card below {address}")));
            }
            for path in paths {
                // What ran on it ends with it.
                let below = format!("{path}/");
                let gone = |soc: &PciPath| *soc == path || soc.0.starts_with(&below);
                live.holds.retain(|hold| !gone(&hold.soc));
                live.claims.retain(|claim| !gone(&claim.soc));
                live.written.retain(|written, _| !gone(written));
                live.unplugged.insert(path.clone());
                live.event(EventLive::Unplugged { path });
            }
            Ok(())
        })
    }

    /// Puts back what is out, named by its path or by the address that it had. What was out at the boot has no bus
    /// numbers: it shows up after the next `reboot`, and shifts those behind it.
    pub fn replug(&self, what: &str) -> Result<Replugged, RackError> {
        self.store.transact(|live, world| {
            let address = what.parse::<PciAddress>().ok();
            let by_address = address.and_then(|address| world.by_address.get(&address));
            // A boot since gave that address to another function, or to none.
            let had = || {
                let mut had = live.had_address.iter();
                had.find(|(_, had)| Some(**had) == address)
                    .map(|(path, _)| path.clone())
                    .filter(|path| live.unplugged.contains(path))
            };
            let wanted = match by_address {
                Some(&index) if is_slot(world, index) => {
                    let prefix = format!("{}/", world.functions[index].path);
                    live.unplugged
                        .iter()
                        .find(|path| path.0.starts_with(&prefix))
                        .cloned()
                }
                Some(&index) => Some(world.functions[index].path.clone()),
                None => Some(PciPath(what.to_owned())),
            };
            let path = wanted
                .filter(|path| live.unplugged.contains(path))
                .or_else(had)
                .ok_or_else(|| {
                    let out: Vec<&str> = live.unplugged.iter().map(PciPath::as_str).collect();
                    self.no_such(format!(
                        "`{what}` that is unplugged; out are: {}",
                        if out.is_empty() {
                            "none".to_owned()
                        } else {
                            out.join(", ")
                        }
                    ))
                })?;
            live.unplugged.remove(&path);
            live.had_address.remove(&path);
            let now = self.rack_ms(live);
            let below = format!("{path}/");
            for index in 0..world.functions.len() {
                let function = &world.functions[index];
                let back = function.path == path || function.path.0.starts_with(&below);
                if back && matches!(function.nature, Nature::Soc(_)) {
                    live.power_on(world, index, now, &self.times);
                }
            }
            let back = if live.out_at_boot.contains(&path) {
                Replugged::AtTheNextBoot
            } else {
                Replugged::Now
            };
            live.event(EventLive::Replugged { path });
            self.settle(live);
            Ok(back)
        })
    }

    /// Lets a SoC boot where nothing else would: on virtual time only whoever waits moves the clock, and a person who
    /// types one command after another waits for none. From the first `up` on a rack's time runs by itself.
    fn settle(&self, live: &mut Live) {
        if live.wall_ms.is_none() {
            live.rack_ms += self.times.reset + self.times.initialize;
        }
    }

    /// Adds a fault. Its address must be on the server, so that a slip of the pen does not pass for a machine without faults.
    pub fn fault(&self, fault: Fault) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            if let Some(address) = address_of(&fault)
                && !world.by_address.contains_key(&address)
            {
                return Err(self.no_such(format!("function at {address}")));
            }
            if !live.faults.contains(&fault) {
                live.faults.push(fault);
            }
            Ok(())
        })
    }

    /// Clears one fault, or all.
    pub fn clear_faults(&self, fault: Option<&Fault>) -> Result<(), RackError> {
        self.store.transact(|live, _| {
            let before = live.faults.len();
            live.faults
                .retain(|other| fault.is_some_and(|fault| fault != other));
            let loses = |fault: &Fault| matches!(fault, Fault::LostOnceWritten(_));
            if !live.faults.iter().any(loses) {
                live.lost.clear();
            }
            match fault {
                Some(fault) if live.faults.len() == before => {
                    Err(self.no_such(format!("fault `{fault}`")))
                }
                Some(_) | None => Ok(()),
            }
        })
    }

    /// Makes a foreign process hold a SoC.
    pub fn hold(&self, soc: PciAddress, name: &str, pid: u32) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            let hold = Hold {
                soc: self.soc_path(world, soc)?,
                name: name.to_owned(),
                pid,
                mapped: false,
            };
            if !live.holds.contains(&hold) {
                live.holds.push(hold);
            }
            Ok(())
        })
    }

    /// Ends whatever foreign process holds a SoC.
    pub fn release(&self, soc: PciAddress) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            let path = self.soc_path(world, soc)?;
            let before = live.holds.len();
            live.holds.retain(|hold| hold.soc != path);
            if live.holds.len() == before {
                return Err(self.no_such(format!("tenant on {soc}")));
            }
            Ok(())
        })
    }

    /// Reboots: new boot id, volatile registers lost, bus numbers given anew. Takes the server's boot time.
    pub fn reboot(&self) -> Result<(), RackError> {
        self.power_loss()
    }

    /// Loses power and boots again. To the registers this is a reboot; only what was in flight differs, and that is the
    /// caller's.
    pub fn power_loss(&self) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            live.out_at_boot = live.unplugged.clone();
            let boot = self.store.enumerate(Some(live))?;
            live.boot(self.store.seed, &self.store.server, &boot);
            live.event(EventLive::Rebooted);
            // The tree of before is of no use any more.
            let _ = world;
            Ok(())
        })?;
        self.pass(Duration::from_millis(self.times.boot))
    }

    /// Resets a SoC as somebody with root would, held or not.
    pub fn reset_soc(&self, soc: PciAddress) -> Result<(), RackError> {
        self.store.transact(|live, world| {
            let path = self.soc_path(world, soc)?;
            let now = self.rack_ms(live);
            if let Some(&index) = world.by_path.get(&path) {
                live.reset_soc(world, index, now, &self.times);
            }
            self.settle(live);
            Ok(())
        })
    }
}

/// Whether things are plugged in below this function: a root port, or a downstream port.
pub(crate) fn is_slot(world: &World, index: usize) -> bool {
    use crd::snapshot::PortKind;
    match &world.functions[index].nature {
        Nature::Port(port) => match port.kind {
            PortKind::Root | PortKind::SwitchDownstream | PortKind::Bridge => true,
            PortKind::SwitchUpstream => false,
        },
        Nature::Soc(_) | Nature::Other => false,
    }
}

/// The function that a fault is about, where it is about one.
pub(crate) fn address_of(fault: &Fault) -> Option<PciAddress> {
    match fault {
        Fault::WriteIgnored(address)
        | Fault::WritePartial(address)
        | Fault::ConfigWritesDropped(address)
        | Fault::WriteRefused(address)
        | Fault::WriteForbidden(address)
        | Fault::ShortReads(address)
        | Fault::ResetHangs(address)
        | Fault::ResetLingers(address)
        | Fault::ResetFails(address)
        | Fault::FallsOff(address)
        | Fault::LeavesWhenAsked(address)
        | Fault::MdpMissing(address)
        | Fault::P2pCorrupt(address) => Some(*address),
        Fault::LostOnceWritten(what) => what.parse().ok(),
        Fault::SettingForbidden(_)
        | Fault::ToolKilled(_)
        | Fault::ToolHangs(_)
        | Fault::ToolIdle(_)
        | Fault::ToolEndsBadly(_)
        | Fault::Kill { .. }
        | Fault::Power { .. } => None,
    }
}
