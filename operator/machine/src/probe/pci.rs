//! The PCI tree: every function with its path, parent, port kind, ACS, BARs, group, driver and link.
//!
//! Format: documented (the kernel's ABI, sysfs-bus-pci), and observed on ordinary machines.
use std::{collections::BTreeSet, fmt::Write, io};

use crd::{
    Fact, Unknown,
    id::{PciAddress, PciPath, Word},
    snapshot::{Acs, Bar, Link, Lockdown, PciFunction, PortKind, Unread, told_by_place},
};

use super::reach::reason;
use crate::{
    access::AccessError,
    config::{ConfigSpace, needed},
    machine::{Folder, Machine},
};

/// Where the kernel lists functions.
pub(crate) const DEVICES: &str = "/sys/bus/pci/devices";

/// The functions of a machine, and what of them could not be read.
pub(crate) struct Tree {
    /// Ordered by address.
    pub(crate) functions: Vec<PciFunction>,
    /// Ordered by path. A machine without PCI has no folder for it, and that is no failure.
    pub(crate) unread: Vec<Unread>,
}

/// Every function. One that cannot even be placed in the tree, or goes while it is read, is told of instead.
pub(crate) fn tree(machine: &Machine, lockdown: Option<Lockdown>) -> Tree {
    let mut tree = Tree {
        functions: Vec::new(),
        unread: Vec::new(),
    };
    match machine.list(DEVICES) {
        Ok(names) => {
            let devices = machine.folder(DEVICES);
            for name in names {
                match name
                    .parse()
                    .map(|address| function(machine, &devices, address, lockdown))
                {
                    Ok(Ok(function)) => tree.functions.push(function),
                    Ok(Err(unread)) => tree.unread.push(unread),
                    Err(_) => tree.unread.push(Unread {
                        path: format!("{DEVICES}/{name}"),
                        why: Unknown::Malformed,
                    }),
                }
            }
        }
        Err(error) if reason(&error) == Unknown::Absent => {}
        Err(error) => tree.unread.push(unread(&error)),
    }
    tree.functions.sort_by_key(|function| function.address);
    holes(&mut tree);
    tree.unread.sort();
    told_by_place(&mut tree.functions);
    tree
}

/// A bridge may go after the list was made and before what is below it was read: that it is not there is told too.
fn holes(tree: &mut Tree) {
    let there: BTreeSet<PciAddress> = tree.functions.iter().map(|f| f.address).collect();
    let above = tree.functions.iter().filter_map(|f| f.parent);
    let missing: BTreeSet<PciAddress> = above.filter(|parent| !there.contains(parent)).collect();
    for bridge in missing {
        let path = format!("{DEVICES}/{bridge}");
        if !tree
            .unread
            .iter()
            .any(|known| known.path.starts_with(&path))
        {
            tree.unread.push(Unread {
                path,
                why: Unknown::Absent,
            });
        }
    }
}

fn unread(error: &AccessError) -> Unread {
    Unread {
        path: error.path.clone(),
        why: reason(error),
    }
}

fn function(
    machine: &Machine,
    devices: &Folder<'_>,
    address: PciAddress,
    lockdown: Option<Lockdown>,
) -> Result<PciFunction, Unread> {
    let path = format!("{DEVICES}/{address}");
    let target = devices
        .readlink(&address.to_string())
        .map_err(|error| unread(&error))?;
    let (wired, parent) = place(&target, address).ok_or_else(|| Unread {
        path: path.clone(),
        why: Unknown::Malformed,
    })?;
    // No tree has so many buses: what the link says is none.
    if wired.as_str().len() > PciPath::LONGEST {
        return Err(Unread {
            path,
            why: Unknown::TooLong,
        });
    }
    let folder = Shown {
        files: machine.folder(&path),
        path: &path,
    };
    let (port, acs) = registers(&folder, lockdown);
    Ok(PciFunction {
        address,
        path: wired,
        parent,
        vendor: word(&folder, "vendor")?,
        device: word(&folder, "device")?,
        class: class(&folder)?,
        port,
        acs,
        iommu_group: last_of_link(&folder, "iommu_group").map_or_else(
            |fact| fact,
            |(name, source)| match name.parse() {
                Ok(group) => Fact::known(group, source),
                Err(_) => Fact::unknown(Unknown::Malformed, source),
            },
        ),
        driver: last_of_link(&folder, "driver")
            .map_or_else(|fact| fact, |(name, source)| Fact::known(name, source)),
        bars: folder.parsed("resource", bars),
        link: link(&folder, "current"),
        max_link: link(&folder, "max"),
        numa_node: numa_node(&folder),
    })
}

/// Base class, subclass and interface, `0x060400`.
fn class(folder: &Shown<'_>) -> Result<String, Unread> {
    let text = folder.files.read_text("class");
    let text = text.map_err(|error| unread(&error))?;
    let digits = text.strip_prefix("0x").unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|sign| sign.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(Unread {
        path: folder.source("class"),
        why: Unknown::Malformed,
    })
}

/// The folder in which the kernel shows a function.
struct Shown<'a> {
    files: Folder<'a>,
    path: &'a str,
}

impl Shown<'_> {
    fn source(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// What can be made of a file's text; `Malformed` where nothing can.
    fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Fact<T> {
        match self.files.read_text(name).map(|text| parse(&text)) {
            Ok(Some(value)) => Fact::known(value, self.source(name)),
            Ok(None) => Fact::unknown(Unknown::Malformed, self.source(name)),
            Err(error) => Fact::unknown(reason(&error), error.path),
        }
    }
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
fn registers(folder: &Shown<'_>, lockdown: Option<Lockdown>) -> (Option<PortKind>, Fact<Acs>) {
    let source = folder.source("config");
    let bytes = (folder.files.open("config"))
        .and_then(|parts| needed(|offset, length| parts.pread(offset, length)));
    match bytes {
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

/// Base address registers from the kernel's list: start, end and flags of each, in hexadecimal. Absent where a line has
/// another form, or fewer are there than a function has registers: what they would say is not known then, and none is no answer.
pub fn bars(resource: &str) -> Option<Vec<Bar>> {
    /// `IORESOURCE_MEM`.
    const MEMORY: u64 = 0x200;
    /// `IORESOURCE_PREFETCH`.
    const PREFETCH: u64 = 0x2000;
    /// `IORESOURCE_UNSET`: a size that was given no addresses.
    const UNSET: u64 = 0x2000_0000;
    let mut bars = Vec::new();
    for (index, (start, end, flags)) in (0..).zip(ranges(resource)?) {
        if flags & MEMORY == 0 || end < start {
            continue;
        }
        bars.push(Bar {
            index,
            size_kib: (end - start).checked_add(1)?.div_ceil(1024),
            prefetchable: flags & PREFETCH != 0,
            unassigned: start == 0 || flags & UNSET != 0,
        });
    }
    Some(bars)
}

/// Start, end and flags of each base address register.
pub(super) fn ranges(resource: &str) -> Option<Vec<(u64, u64, u64)>> {
    /// Of every function, a bridge's too: its own, its ROM and its windows come after them.
    const REGISTERS: usize = 6;
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let mut lines = resource.lines();
    let mut ranges = Vec::with_capacity(REGISTERS);
    for index in 1..=REGISTERS {
        let mut words = lines.next()?.split_ascii_whitespace();
        let (start, end, flags) = (words.next()?, words.next()?, words.next()?);
        ranges.push((number(start)?, number(end)?, number(flags)?));
        // The kernel writes all with as many digits: a last one that has fewer was cut off.
        if index == REGISTERS && flags.len() < start.len() && lines.next().is_none() {
            return None;
        }
    }
    Some(ranges)
}

/// The link as it runs (`current`) or as fast and wide as it could (`max`).
fn link(folder: &Shown<'_>, which: &str) -> Fact<Link> {
    let source = folder.source(&format!("{which}_link_speed"));
    let read = |file: &str| folder.files.read_text(&format!("{which}_link_{file}"));
    match (read("speed"), read("width")) {
        (Ok(speed), Ok(width)) => match width.parse() {
            // No lane is in use: the link is down.
            Ok(0) => Fact::unknown(Unknown::NotReady, source),
            Ok(width) => Fact::known(Link { speed, width }, source),
            Err(_) => Fact::unknown(Unknown::Malformed, source),
        },
        (Err(error), _) | (_, Err(error)) => Fact::unknown(reason(&error), source),
    }
}

/// The kernel writes -1 where there is no NUMA node to tell.
fn numa_node(folder: &Shown<'_>) -> Fact<u32> {
    let path = folder.source("numa_node");
    let told = folder.parsed("numa_node", |text| text.parse::<i64>().ok());
    match (told.value, told.unknown) {
        (Some(-1), _) => Fact::unknown(Unknown::Absent, path),
        (Some(node), _) => match u32::try_from(node) {
            Ok(node) => Fact::known(node, path),
            Err(_) => Fact::unknown(Unknown::Malformed, path),
        },
        (None, why) => Fact::unknown(why.unwrap_or(Unknown::Absent), path),
    }
}

fn word(folder: &Shown<'_>, name: &str) -> Result<Word, Unread> {
    let text = folder
        .files
        .read_text(name)
        .map_err(|error| unread(&error))?;
    text.parse().map_err(|_| Unread {
        path: folder.source(name),
        why: Unknown::Malformed,
    })
}

/// The last part of a link's target and the link itself, or the fact that says why there is none.
fn last_of_link<T>(folder: &Shown<'_>, name: &str) -> Result<(String, String), Fact<T>> {
    let source = folder.source(name);
    match folder.files.readlink(name) {
        Ok(target) => match target.rsplit('/').next() {
            Some(name) if !name.is_empty() => Ok((name.to_owned(), source)),
            Some(_) | None => Err(Fact::unknown(Unknown::Malformed, source)),
        },
        Err(error) => Err(Fact::unknown(reason(&error), source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_list_is_read_whole_or_is_not_known() {
        let none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        let large = "0x0000004000000000 0x000000407fffffff 0x000000000014220c\n";
        let bar = |index| Bar {
            index,
            size_kib: 2 << 20,
            prefetchable: true,
            unassigned: false,
        };
        let unset = large.replace("000014220c", "003414220c");
        let nowhere = "0x0000000000000000 0x000000007fffffff 0x000000000014220c\n";
        let homeless = Bar {
            unassigned: true,
            ..bar(4)
        };
        for (text, expected) in [
            (none.repeat(6), Some(vec![])),
            (
                format!("{}{large}{none}", none.repeat(4)),
                Some(vec![bar(4)]),
            ),
            (format!("{large}{}", none.repeat(12)), Some(vec![bar(0)])),
            (
                format!("{}{unset}{none}", none.repeat(4)),
                Some(vec![homeless]),
            ),
            (
                format!("{}{nowhere}{none}", none.repeat(4)),
                Some(vec![homeless]),
            ),
            // Six are base address registers; what follows is the ROM, windows and more.
            (format!("{}garbage\n", none.repeat(6)), Some(vec![])),
            (format!("{}garbage\n{none}", none.repeat(4)), None),
            (format!("{}{}", none.repeat(4), &large[..30]), None),
            // Cut off after whole lines, and within the last of its numbers.
            (none.repeat(3), None),
            (format!("{}{large}", none.repeat(4)), None),
            (format!("{}{}", none.repeat(5), &large[..40]), None),
            (format!("{none}\n{none}"), None),
            (String::new(), None),
        ] {
            assert_eq!(bars(&text), expected, "{text}");
        }
    }
}
