//! ACS control words that a kernel leaves at a boot: its own where an IOMMU asks for them, then what its command line says
//! (`pci=noats`, `pci=disable_acs_redir=`, `pci=config_acs=`), read as Debian's 6.1 and 7.3 were seen to read it; and whether
//! ports get a driver.
use crd::{id::Word, kind::rack::Server, snapshot::parameters, step::ACS_REDIRECT_MASK};

use super::{
    host::{command_line, kernel, reaches_extended_space},
    live::iommu,
    registers::{Iommu, kernel_default},
    world::{Function, Nature, World},
};

/// From here on a kernel knows `config_acs`, and a port that is named starts from what firmware left, which is nothing here.
const CONFIG_ACS: (u32, u32) = (6, 11);
/// Bits that `config_acs` has, one character each, `SV` last.
const CONFIG_BITS: u16 = 0x007f;

/// Translation blocking: a kernel that is to use no ATS sets it with the others.
const BLOCKS_TRANSLATION: u16 = 0x0002;
/// From here on: 5.10 was seen not to, 6.1 to.
const WITHOUT_ATS: (u32, u32) = (5, 13);

/// Writes into every port what stands in it after a boot.
pub(crate) fn settle(world: &mut World, server: &Server) {
    let iommu = iommu(server);
    let told = Told::of(command_line(server), kernel(server));
    let extended = reaches_extended_space(server);
    for index in 0..world.functions.len() {
        let Nature::Port(port) = &world.functions[index].nature else {
            continue;
        };
        let capability = port.acs_capability.0;
        let blocks = match iommu {
            Iommu::On if told.without_ats => BLOCKS_TRANSLATION,
            Iommu::On | Iommu::Off => 0,
        };
        let default = kernel_default(capability, iommu) | blocks;
        // Whoever cannot read the capability sets nothing in it.
        let word = if extended {
            told.word(world, index, default) & capability
        } else {
            0
        };
        let function = &mut world.functions[index];
        if let Nature::Port(port) = &mut function.nature {
            port.acs_at_boot = Word(word);
        }
        if told.without_port_services {
            function.driver = None;
        }
    }
}

/// What a command line says about ACS.
struct Told<'a> {
    disable: Option<&'a str>,
    config: Option<&'a str>,
    /// Whether the kernel is one that blocks translation where it is to use no ATS.
    blocks: bool,
    without_ats: bool,
    /// Whether no driver takes ports (`pcie_ports=compat`).
    without_port_services: bool,
    /// Whether the kernel is one that has `config_acs`.
    configures: bool,
}

impl<'a> Told<'a> {
    fn of(line: &'a str, release: &str) -> Self {
        let mut told = Self {
            disable: None,
            config: None,
            without_ats: false,
            blocks: version(release) >= Some(WITHOUT_ATS),
            without_port_services: parameters(line)
                .filter(|(name, _)| *name == "pcie_ports")
                .last()
                .is_some_and(|(_, value)| value == Some("compat")),
            configures: version(release) >= Some(CONFIG_ACS),
        };
        let options = parameters(line)
            .filter(|(name, _)| *name == "pci")
            .filter_map(|(_, options)| options)
            .flat_map(|options| options.split(','));
        for option in options {
            match option.split_once('=') {
                Some(("disable_acs_redir", list)) => told.disable = Some(list),
                Some(("config_acs", list)) => told.config = Some(list),
                None if option == "noats" => told.without_ats = told.blocks,
                Some(_) | None => {}
            }
        }
        told
    }

    fn word(&self, world: &World, index: usize, default: u16) -> u16 {
        let mut word = default;
        if self.disable.is_some_and(|list| names(world, index, list)) {
            word = if self.configures {
                0
            } else {
                word & !ACS_REDIRECT_MASK
            };
        }
        if self.configures {
            for entry in self.config.into_iter().flat_map(|list| list.split(';')) {
                let Some((flags, port)) = entry.split_once('@') else {
                    break;
                };
                match (matches(world, index, port), set(flags)) {
                    (Some(true), Some(set)) => return set,
                    (Some(false), Some(_)) => {}
                    (None, _) | (_, None) => break,
                }
            }
        }
        word
    }
}

/// Whether a list names a port. What cannot be read ends the list, as the kernel ends it.
fn names(world: &World, index: usize, list: &str) -> bool {
    list.split(';')
        .map_while(|entry| matches(world, index, entry))
        .any(|matches| matches)
}

/// The bits that flags set; those that they leave alone are as firmware left them.
fn set(flags: &str) -> Option<u16> {
    let mut set = 0;
    for (bit, flag) in flags.chars().rev().enumerate() {
        let bit = 1_u16.checked_shl(u32::try_from(bit).ok()?)?;
        match flag {
            '1' => set |= bit,
            '0' | 'x' | 'X' => {}
            _ => return None,
        }
    }
    (set & !CONFIG_BITS == 0).then_some(set)
}

/// Whether an entry (`pci:VENDOR:DEVICE`, or a path whose first part may be any function's address) means this function;
/// nothing where it is neither.
fn matches(world: &World, index: usize, entry: &str) -> Option<bool> {
    if let Some(ids) = entry.strip_prefix("pci:") {
        return matches_ids(&world.functions[index], ids);
    }
    let mut parts: Vec<&str> = entry.split('/').collect();
    let first = parts.remove(0);
    let mut at = Some(index);
    for part in parts.into_iter().rev() {
        let slot = slot(part)?;
        let Some(here) = at else { return Some(false) };
        let address = world.functions[here].address;
        if (address.device.into(), address.function.into()) != slot {
            return Some(false);
        }
        at = world.functions[here].parent;
    }
    let wanted = root(first)?;
    Some(at.is_some_and(|at| {
        let address = world.functions[at].address;
        let slot = (address.device.into(), address.function.into());
        (address.domain, address.bus.into(), slot) == wanted
    }))
}

/// `VENDOR:DEVICE` or `VENDOR:DEVICE:SUBVENDOR:SUBDEVICE`, 0 for any. What follows is none of them, and the list's end.
fn matches_ids(function: &Function, text: &str) -> Option<bool> {
    let mut rest = text;
    let mut ids = vec![(number(&mut rest)? & 0xffff, rest)];
    while ids.len() < 4
        && let Some(mut next) = rest.strip_prefix(':')
        && let Some(id) = number(&mut next)
    {
        rest = next;
        ids.push((id & 0xffff, rest));
    }
    // Three are two with something behind.
    ids.truncate(if ids.len() == 4 { 4 } else { 2 });
    let &(device, rest) = ids.get(1)?;
    let rest = ids.last().map_or(rest, |(_, rest)| rest);
    // A bridge has no subsystem.
    let of_bridges = ids[2..].iter().all(|(id, _)| *id == 0);
    let is = |id: u32, wanted: Word| id == 0 || id == u32::from(wanted.0);
    let found = of_bridges && is(ids[0].0, function.vendor) && is(device, function.device);
    (found || rest.is_empty()).then_some(found)
}

/// `DOMAIN:BUS:DEVICE.FUNCTION`, or without its domain.
fn root(text: &str) -> Option<(u32, u32, (u32, u32))> {
    let mut rest = text;
    let mut numbers = vec![number(&mut rest)?];
    while let Some(next) = rest.strip_prefix(':') {
        rest = next;
        if let Some(last) = slot(rest) {
            return match numbers[..] {
                [bus] => Some((0, bus, last)),
                [domain, bus] => Some((domain, bus, last)),
                _ => None,
            };
        }
        numbers.push(number(&mut rest)?);
    }
    None
}

/// `DEVICE.FUNCTION`, of each as many bits as it has (`PCI_DEVFN`).
fn slot(text: &str) -> Option<(u32, u32)> {
    let mut rest = text;
    let device = number(&mut rest)?;
    rest = rest.strip_prefix('.')?;
    let function = number(&mut rest)?;
    rest.is_empty().then_some((device & 0x1f, function & 0x7))
}

/// Takes a number as the kernel's `sscanf` does with `%x`: `0x` may stand before its digits, and alone; of too many the last
/// count.
fn number(text: &mut &str) -> Option<u32> {
    let start = text.trim_start_matches([' ', '\t']);
    if !start.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let digits = start
        .strip_prefix("0x")
        .or_else(|| start.strip_prefix("0X"));
    let mut rest = digits.unwrap_or(start).chars();
    let mut value = 0_u32;
    while let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(16)) {
        value = value << 4 | digit;
        rest.next();
    }
    *text = rest.as_str();
    Some(value)
}

/// The first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
#[path = "boot_acs_tests.rs"]
mod tests;
