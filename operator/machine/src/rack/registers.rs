//! Configuration space of a rack's functions as bytes, and which of them a write can change.
//!
//! The bytes after a boot follow from the tree; what was written since is kept apart, byte by byte.
use std::collections::BTreeMap;

use crd::snapshot::PortKind;

use super::world::{Function, Nature, SocPart};

/// Configuration space of a PCI Express function.
pub(crate) const SIZE: usize = 4096;
/// What the kernel sets on every port that has ACS when an IOMMU asks for it: SV, RR, CR, UF.
const KERNEL_ACS: u16 = 0x001d;
/// Bits of the ACS control word that exist on these ports.
const ACS_BITS: u16 = 0x007f;

/// Bytes written since the boot, by offset.
pub(crate) type Written = BTreeMap<u16, u8>;

/// Whether the kernel asked for ACS at the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Iommu {
    On,
    Off,
}

/// The function's registers now.
pub(crate) fn image(function: &Function, iommu: Iommu, written: Option<&Written>) -> Vec<u8> {
    let mut bytes = after_boot(function, iommu);
    for (&at, &byte) in written.into_iter().flatten() {
        if let Some(slot) = bytes.get_mut(usize::from(at)) {
            *slot = byte;
        }
    }
    bytes
}

/// What a write of `new` at `offset` leaves: each byte that has a bit that can change, with the bits that cannot as they were.
pub(crate) fn written(
    function: &Function,
    now: &[u8],
    offset: usize,
    new: &[u8],
) -> Vec<(u16, u8)> {
    let mut left = Vec::new();
    for (index, &byte) in new.iter().enumerate() {
        let at = offset.saturating_add(index);
        let Ok(short) = u16::try_from(at) else {
            break;
        };
        let mask = mask(function, at);
        if let (Some(&old), true) = (now.get(at), mask != 0) {
            left.push((short, old & !mask | byte & mask));
        }
    }
    left
}

/// Where the function's ACS capability stands, for those that have one.
pub(crate) fn acs_offset(function: &Function) -> Option<usize> {
    if let Some((offset, _)) = function.recorded_acs() {
        return Some(offset);
    }
    match &function.nature {
        Nature::Port(port) if port.acs_capability.0 != 0 => {
            Some(acs_place(port.kind, port.on_card))
        }
        Nature::Port(_) | Nature::Soc(_) | Nature::Other => None,
    }
}

/// The ACS control word that a kernel writes by itself at a boot.
pub(crate) fn kernel_default(capability: u16, iommu: Iommu) -> u16 {
    match iommu {
        Iommu::On => capability & KERNEL_ACS,
        Iommu::Off => 0,
    }
}

/// Real switches put ACS at very different places, and not in address order: that is what walking the list is for.
fn acs_place(kind: PortKind, on_card: bool) -> usize {
    match (kind, on_card) {
        (_, true) => 0x1cc,
        (PortKind::Root, false) => 0x148,
        (PortKind::SwitchUpstream | PortKind::SwitchDownstream | PortKind::Bridge, false) => 0xf24,
    }
}

fn after_boot(function: &Function, iommu: Iommu) -> Vec<u8> {
    let mut space = Space(vec![0; SIZE]);
    space.word(0x00, function.vendor.0);
    space.word(0x02, function.device.0);
    space.word(
        0x04,
        if function.driver.is_some() {
            0x0406
        } else {
            0x0000
        },
    );
    space.word(0x06, 0x0010);
    space.double(0x08, function.class << 8 | 0x01);
    space.byte(0x0c, 0x10);
    space.byte(0x34, 0x40);
    // Power management, then MSI, then PCI Express at the end of the list, but before MSI in the space.
    space.double(0x40, 0x0003_9001);
    space.double(0x90, 0x0080_5005);
    space.word(0x50, 0x0010);
    match &function.nature {
        Nature::Port(port) => {
            let kind = match port.kind {
                PortKind::Root => 4,
                PortKind::SwitchUpstream => 5,
                PortKind::SwitchDownstream => 6,
                PortKind::Bridge => 7,
            };
            space.word(0x52, kind << 4 | 0x0002);
            space.byte(0x0e, 0x01);
            space.byte(0x18, function.address.bus);
            space.byte(0x19, port.secondary);
            space.byte(0x1a, port.subordinate);
            space.extended(&list(port.kind, port.on_card, port.acs_capability.0 != 0));
            if port.acs_capability.0 != 0 {
                let at = acs_place(port.kind, port.on_card);
                space.word(at + 4, port.acs_capability.0);
                space.word(at + 6, port.acs_at_boot.0);
            }
        }
        Nature::Soc(soc) => {
            space.word(0x52, 0x0002);
            space.word(0x2c, function.vendor.0);
            space.word(0x2e, function.device.0);
            for (index, flags, start, _) in bars(function, soc) {
                let at = 0x10 + 4 * usize::from(index);
                space.double(at, (start & 0xffff_fff0) as u32 | flags);
                if flags & 4 != 0 {
                    space.double(at + 4, (start >> 32) as u32);
                }
            }
            space.extended(&[(0x100, 0x0001, 2), (0x148, 0x0019, 1), (0x158, 0x0018, 1)]);
        }
        Nature::Other => {
            space.word(0x52, 0x0002);
            space.extended(&[(0x100, 0x0001, 2), (0x148, 0x0003, 1)]);
        }
    }
    if let Some((at, capability)) = function.recorded_acs() {
        // Of a recorded list one entry is known, and where it stands; a list begins at 0x100.
        space.0[0x100..].fill(0);
        if at == 0x100 {
            space.extended(&[(at, 0x000d, 1)]);
        } else {
            space.extended(&[(0x100, 0x0001, 2), (at, 0x000d, 1)]);
        }
        space.word(at + 4, capability.0);
        let control = match &function.nature {
            Nature::Port(port) => port.acs_at_boot.0,
            Nature::Soc(_) | Nature::Other => kernel_default(capability.0, iommu),
        };
        space.word(at + 6, control);
    }
    space.0
}

/// A port's extended capabilities in list order: offset, id, version.
fn list(kind: PortKind, on_card: bool, acs: bool) -> Vec<(usize, u16, u8)> {
    let mut list: Vec<(usize, u16, u8)> = match (kind, on_card) {
        (_, true) => vec![(0x100, 0x0003, 1), (0x2e4, 0x0001, 2), (0x148, 0x0019, 1)],
        (PortKind::Root, false) => vec![(0x100, 0x0001, 2), (0x160, 0x001d, 1)],
        (PortKind::SwitchUpstream | PortKind::SwitchDownstream | PortKind::Bridge, false) => {
            vec![(0x100, 0x0003, 1), (0xfb4, 0x0001, 2), (0x138, 0x0002, 1)]
        }
    };
    if acs {
        list.insert(list.len() - 1, (acs_place(kind, on_card), 0x000d, 1));
    }
    list
}

/// A SoC's base address registers: index, flag bits, start, size in bytes. Starts follow from the bus, so that no two overlap.
pub(crate) fn bars(function: &Function, soc: &SocPart) -> [(u8, u32, u64, u64); 3] {
    let bus = u64::from(function.address.bus) | u64::from(function.address.domain) << 8;
    let large = soc.bar4_kib << 10;
    let low = 0x8000_0000 + (bus << 22);
    [
        (0, 0x0, low & 0xffff_ffff, 4 << 10),
        (2, 0xc, 0x10_0000_0000 + (bus << 24), 2 << 20),
        (4, 0xc, 0x40_0000_0000 + bus * large.max(2 << 30), large),
    ]
}

/// Bits of a byte that a write can change.
fn mask(function: &Function, at: usize) -> u8 {
    let wide = |word: u16, low: usize| word.to_le_bytes()[at - low];
    match at {
        0x04..=0x05 => return wide(0x0547, 0x04),
        0x0c | 0x3c => return 0xff,
        _ => {}
    }
    match &function.nature {
        Nature::Port(port) => {
            if let Some(acs) = acs_offset(function).map(|acs| acs + 6)
                && (acs..acs + 2).contains(&at)
            {
                return wide(port.acs_capability.0 & ACS_BITS, acs);
            }
            match at {
                0x18..=0x1a => 0xff,
                0x3e..=0x3f => wide(0x0fff, 0x3e),
                _ => 0,
            }
        }
        Nature::Soc(soc) => {
            for (index, flags, _, size) in bars(function, soc) {
                let start = 0x10 + 4 * usize::from(index);
                let width = if flags & 4 == 0 { 4 } else { 8 };
                if (start..start + width).contains(&at) {
                    // The low bits of a base address register are hard-wired: that is how its size is told.
                    return (!(size - 1) & !0xf).to_le_bytes()[at - start];
                }
            }
            0
        }
        Nature::Other => 0,
    }
}

struct Space(Vec<u8>);

impl Space {
    fn byte(&mut self, at: usize, value: u8) {
        if let Some(slot) = self.0.get_mut(at) {
            *slot = value;
        }
    }

    fn word(&mut self, at: usize, value: u16) {
        for (index, byte) in value.to_le_bytes().into_iter().enumerate() {
            self.byte(at + index, byte);
        }
    }

    fn double(&mut self, at: usize, value: u32) {
        self.word(at, value as u16);
        self.word(at + 2, (value >> 16) as u16);
    }

    /// Writes headers of a list, each pointing at the next.
    fn extended(&mut self, list: &[(usize, u16, u8)]) {
        for (index, &(at, id, version)) in list.iter().enumerate() {
            let next = list.get(index + 1).map_or(0, |&(next, _, _)| next as u32);
            self.double(at, u32::from(id) | u32::from(version) << 16 | next << 20);
        }
    }
}

#[cfg(test)]
#[path = "registers_tests.rs"]
mod tests;
