//! IOMMU groups as a kernel computes them once, at enumeration; clearing ACS later does not change them.
use std::collections::BTreeMap;

use crd::snapshot::PortKind;

use super::{
    registers::Iommu,
    world::{Nature, World},
};

/// Bits that a port must have on for the kernel to believe that it isolates: SV, RR, CR, UF. What a port is not capable of,
/// the kernel takes to be wired so.
const ISOLATES: u16 = 0x001d;

/// Each function's group, by index; nothing where there is no IOMMU.
pub(crate) fn groups(world: &World, iommu: Iommu) -> BTreeMap<usize, u32> {
    let mut numbers = BTreeMap::new();
    if iommu == Iommu::Off {
        return numbers;
    }
    let mut by_head: BTreeMap<usize, u32> = BTreeMap::new();
    let firsts = first_of_each(world);
    for index in 0..world.functions.len() {
        // The highest port on the way up that does not isolate takes everything below it into its own group.
        let head = world
            .upward(index)
            .filter(|&at| at == index || !isolates(world, at))
            .last()
            .map_or(index, |head| match firsts.get(&device(world, head)) {
                Some(first) if !isolates(world, head) => *first,
                Some(_) | None => head,
            });
        let next = u32::try_from(by_head.len()).unwrap_or(u32::MAX);
        numbers.insert(index, *by_head.entry(head).or_insert(next));
    }
    numbers
}

/// A device: its domain, bus and number.
type Device = (u32, u8, u8);

fn device(world: &World, at: usize) -> Device {
    let address = world.functions[at].address;
    (address.domain, address.bus, address.device)
}

/// The first of the functions of each device that do not isolate: between them peers may talk inside the device, so they and
/// all below them are one group. A function that isolates, or has nobody beside it, stands for itself.
fn first_of_each(world: &World) -> BTreeMap<Device, usize> {
    let open = (0..world.functions.len()).filter(|&at| !isolates(world, at));
    // Of those of one device the last that is put there stays.
    open.rev().map(|at| (device(world, at), at)).collect()
}

fn isolates(world: &World, index: usize) -> bool {
    match &world.functions[index].nature {
        Nature::Port(port) => match port.kind {
            // An upstream port of a single function has nobody beside it to be isolated from.
            PortKind::SwitchUpstream => true,
            PortKind::Root | PortKind::SwitchDownstream | PortKind::Bridge => {
                let needed = ISOLATES & port.acs_capability.0;
                port.acs_capability.0 != 0 && port.acs_at_boot.0 & needed == needed
            }
        },
        Nature::Soc(_) | Nature::Other => true,
    }
}
