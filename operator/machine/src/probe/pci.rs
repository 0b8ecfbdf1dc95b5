//! The PCI tree: every function with its path, parent, port kind, ACS, BARs, group, driver and link.
use std::{fmt::Write, io};

use crd::{
    Fact, Unknown,
    id::{PciAddress, PciPath, Word},
    snapshot::{Acs, Bar, Link, Lockdown, PciFunction, PortKind},
};

use super::reach::{number, reason};
use crate::{config::ConfigSpace, machine::Machine};

/// Configuration space of a PCI Express function.
const CONFIG: usize = 4096;
/// Where the kernel lists functions.
pub(crate) const DEVICES: &str = "/sys/bus/pci/devices";

/// Every function, ordered by address. What cannot even be placed in the tree is left out.
pub(crate) fn functions(machine: &Machine, lockdown: Option<Lockdown>) -> Vec<PciFunction> {
    let mut functions: Vec<PciFunction> = machine
        .list(DEVICES)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| function(machine, name.parse().ok()?, lockdown))
        .collect();
    functions.sort_by_key(|function| function.address);
    functions
}

fn function(
    machine: &Machine,
    address: PciAddress,
    lockdown: Option<Lockdown>,
) -> Option<PciFunction> {
    let folder = format!("{DEVICES}/{address}");
    let (path, parent) = place(&machine.readlink(&folder).ok()?, address)?;
    let (port, acs) = registers(machine, &folder, lockdown);
    Some(PciFunction {
        address,
        path,
        parent,
        vendor: word(machine, &format!("{folder}/vendor"))?,
        device: word(machine, &format!("{folder}/device"))?,
        class: machine.read_text(&format!("{folder}/class")).ok()?,
        port,
        acs,
        iommu_group: last_of_link(machine, &format!("{folder}/iommu_group")).map_or_else(
            |fact| fact,
            |(name, source)| match name.parse() {
                Ok(group) => Fact::known(group, source),
                Err(_) => Fact::unknown(Unknown::Malformed, source),
            },
        ),
        driver: last_of_link(machine, &format!("{folder}/driver"))
            .map_or_else(|fact| fact, |(name, source)| Fact::known(name, source)),
        bars: machine
            .read_text(&format!("{folder}/resource"))
            .map(|text| bars(&text))
            .unwrap_or_default(),
        link: link(machine, &folder),
        // The kernel writes -1 where there is no NUMA node to tell.
        numa_node: number(machine, &format!("{folder}/numa_node"))
            .value
            .and_then(|node| u32::try_from(node).ok()),
    })
}

/// Path and parent of a function, from where its link in `/sys/bus/pci/devices` leads: the functions after the last
/// host bridge (`pci0000:20`), which for a bridge inside another device is not the first.
pub(crate) fn place(target: &str, address: PciAddress) -> Option<(PciPath, Option<PciAddress>)> {
    let parts: Vec<&str> = target.split('/').collect();
    let bridge = parts.iter().rposition(|part| {
        part.strip_prefix("pci")
            .is_some_and(|rest| rest.split(':').count() == 2)
    });
    let chain: Vec<PciAddress> = parts[bridge.map_or(0, |at| at + 1)..]
        .iter()
        .filter_map(|part| part.parse().ok())
        .collect();
    if chain.last() != Some(&address) {
        return None;
    }
    let (root, hops) = chain.split_first()?;
    let mut path = root.to_string();
    for hop in hops {
        // Writing to a string cannot fail.
        let _ = write!(path, "/{:02x}.{:x}", hop.device, hop.function);
    }
    let parent = chain
        .len()
        .checked_sub(2)
        .and_then(|at| chain.get(at))
        .copied();
    Some((PciPath(path), parent))
}

/// Port kind and ACS, from configuration space.
fn registers(
    machine: &Machine,
    folder: &str,
    lockdown: Option<Lockdown>,
) -> (Option<PortKind>, Fact<Acs>) {
    let source = format!("{folder}/config");
    match machine.pread(&source, 0, CONFIG) {
        Ok(bytes) => {
            let space = ConfigSpace(&bytes);
            let acs = match space.acs() {
                Ok(acs) => Fact::known(acs, source),
                Err(reason) => Fact::unknown(reason, source),
            };
            (space.port_kind(), acs)
        }
        Err(error) => {
            let locked = lockdown.is_some_and(|level| level != Lockdown::None)
                && error.source.kind() == io::ErrorKind::PermissionDenied;
            let why = if locked {
                Unknown::Lockdown
            } else {
                reason(&error)
            };
            (None, Fact::unknown(why, source))
        }
    }
}

/// Base address registers from the kernel's list: start, end and flags of each, in hexadecimal.
pub fn bars(resource: &str) -> Vec<Bar> {
    /// `IORESOURCE_MEM`.
    const MEMORY: u64 = 0x200;
    /// `IORESOURCE_PREFETCH`.
    const PREFETCH: u64 = 0x2000;
    (0..6_u8)
        .zip(resource.lines())
        .filter_map(|(index, line)| {
            let mut numbers = line
                .split_whitespace()
                .map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
            let (start, end, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
            if flags & MEMORY == 0 || end < start {
                return None;
            }
            Some(Bar {
                index,
                size_kib: (end - start).checked_add(1)?.div_ceil(1024),
                prefetchable: flags & PREFETCH != 0,
            })
        })
        .collect()
}

fn link(machine: &Machine, folder: &str) -> Option<Link> {
    let speed = machine
        .read_text(&format!("{folder}/current_link_speed"))
        .ok()?;
    let width = machine
        .read_text(&format!("{folder}/current_link_width"))
        .ok()?;
    let width = width.parse().ok().filter(|&width| width != 0)?;
    Some(Link { speed, width })
}

fn word(machine: &Machine, path: &str) -> Option<Word> {
    machine.read_text(path).ok()?.parse().ok()
}

/// The last part of a link's target and the link itself, or the fact that says why there is none.
fn last_of_link<T>(machine: &Machine, path: &str) -> Result<(String, String), Fact<T>> {
    match machine.readlink(path) {
        Ok(target) => match target.rsplit('/').next() {
            Some(name) if !name.is_empty() => Ok((name.to_owned(), path.to_owned())),
            Some(_) | None => Err(Fact::unknown(Unknown::Malformed, path)),
        },
        Err(error) => Err(Fact::unknown(reason(&error), path)),
    }
}
