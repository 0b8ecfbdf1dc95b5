//! The fallback for card switches whose firmware drops configuration writes: their own management interface.
//!
//! It bypasses the kernel, so it is used only on a Switchtec whose every downstream port leads to AI 100 SoCs, and only at
//! the place where walking that port's capability list, read through the same interface, finds ACS. Never at fixed offsets.
//!
//! Format: documented for switches of this maker (Linux's `switchtec.h` names base, number and layout of the pages; the tool
//! is open source). That the switches of these cards are laid out so is inferred: the vendor's script writes to addresses that
//! fit. So the page is found by its bus numbers and believed only where it shows the capability that configuration space shows.
use std::time::Duration;

use crd::{
    id::{PciAddress, Word},
    snapshot::{Acs, PciFunction, PortKind},
    step::PortRef,
};

use crate::{
    access::{Invocation, ToolError},
    config::ConfigSpace,
    machine::Machine,
    probe::{
        pci::{DEVICES, tree},
        soc::is_soc,
    },
    vendor::{GasWord, SwitchList},
};

/// Microchip's vendor id, which every Switchtec has.
const VENDOR: Word = Word(0x11f8);
/// Where the images of port functions begin, one page each (`SWITCHTEC_GAS_PFF_CSR_OFFSET` of Linux's `switchtec.h`).
const PAGES: u32 = 0x13_4000;
const PAGE: u32 = 0x1000;
/// Port functions that a switch of this family can have (Linux's `SWITCHTEC_MAX_PFF_CSR`).
pub(super) const MOST_PAGES: u32 = 255;
/// The tool answers at once or not at all.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// A port's image is read double word by double word; its capability list has fewer steps than this.
pub(super) const MOST_STEPS: u32 = 64;

/// What became of the way through a switch's own interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A write was begun.
    Taken,
    /// It is one for this switch, and its tool is not installed.
    NoTool,
    /// It is none for this port, or the register was not found there.
    None,
}

/// Writes a port's ACS control word through its switch. What became of a write that was begun is for the caller to read back,
/// however the tool ended: one that fails, or is ended at its deadline, may have written before.
pub(super) fn write_acs(machine: &Machine, port: &PortRef, wanted: Word) -> Way {
    let tree = tree(machine, None);
    // What could not be read may be below that switch.
    let switch = only_socs_below(&tree.functions, port.address).filter(|_| tree.unread.is_empty());
    let Some(switch) = switch else {
        return Way::None;
    };
    let list = match machine.run(&Invocation::new("switchtec", &["list"], DEADLINE)) {
        Ok(output) => output.stdout,
        Err(ToolError::Missing { .. }) => return Way::NoTool,
        Err(ToolError::Start { .. }) => return Way::None,
    };
    let Ok(list) = list.parse::<SwitchList>();
    match list
        .of(switch)
        .and_then(|device| try_write(machine, port.address, device, wanted))
    {
        Some(()) => Way::Taken,
        None => Way::None,
    }
}

/// Writes through a switch's `/dev/switchtecN`, once all that can be read says that it is the right register.
fn try_write(machine: &Machine, port: PciAddress, device: &str, wanted: Word) -> Option<()> {
    let bytes = machine
        .pread(&format!("{DEVICES}/{port}/config"), 0, 4096)
        .ok()?;
    let Ok(Acs::Present { capability, .. }) = ConfigSpace(&bytes).acs() else {
        return None;
    };
    // Bus numbers of a bridge are like no other bridge's: they tell its image from those beside it.
    let buses = u32::from_le_bytes(bytes.get(0x18..0x1c)?.try_into().ok()?) & 0x00ff_ffff;
    let image = image_of(machine, device, buses)?;
    let at = find_acs(machine, device, image)?;
    let words = read(machine, device, image + at + 4)?;
    // The same capability as in configuration space, or this is not the register we think it is.
    if (words & 0xffff) as u16 != capability.0 {
        return None;
    }
    let value = u32::from(wanted.0) << 16 | u32::from(capability.0);
    let (address, value) = (hex(image + at + 4), format!("0x{value:08X}"));
    let arguments = [
        "gas", "write", device, "-a", &address, "-v", &value, "--yes",
    ];
    let _however_it_ended = machine.run(&Invocation::new("switchtec", &arguments, DEADLINE));
    Some(())
}

/// The image of the bridge with these bus numbers. A page that is none is refused at once; a tool that is not heard of within
/// its deadline is not asked for every other page too.
fn image_of(machine: &Machine, device: &str, buses: u32) -> Option<u32> {
    for page in 0..MOST_PAGES {
        let image = PAGES + page * PAGE;
        let found = ask(machine, device, image + 0x18).ok()?;
        if found.is_some_and(|found| found & 0x00ff_ffff == buses) {
            return Some(image);
        }
    }
    None
}

/// The upstream port of the switch that a downstream port belongs to, where nothing but AI 100 SoCs is below that switch.
fn only_socs_below(tree: &[PciFunction], port: PciAddress) -> Option<PciAddress> {
    let find = |address: PciAddress| tree.iter().find(|function| function.address == address);
    let this = find(port)?;
    let upstream = find(this.parent?)?;
    let right = this.port == Some(PortKind::SwitchDownstream)
        && upstream.port == Some(PortKind::SwitchUpstream)
        && this.vendor == VENDOR
        && upstream.vendor == VENDOR;
    let below = |parent: PciAddress| {
        tree.iter()
            .filter(move |function| function.parent == Some(parent))
    };
    let mut socs = 0;
    for downstream in below(upstream.address) {
        for device in below(downstream.address) {
            if !is_soc(device) {
                return None;
            }
            socs += 1;
        }
    }
    (right && socs > 0).then_some(upstream.address)
}

/// Offset of the ACS capability in a port's image, by following its list.
fn find_acs(machine: &Machine, device: &str, image: u32) -> Option<u32> {
    let mut at = 0x100;
    for _ in 0..MOST_STEPS {
        let header = read(machine, device, image + at)?;
        if header == 0 || header == u32::MAX {
            return None;
        }
        if header & 0xffff == 0x000d {
            return Some(at);
        }
        at = header >> 20 & 0xffc;
        if at < 0x100 {
            return None;
        }
    }
    None
}

/// One double word, where the answer is about the address that was asked for.
fn read(machine: &Machine, device: &str, address: u32) -> Option<u32> {
    ask(machine, device, address).ok().flatten()
}

/// The tool did not end within its deadline, or could not be started.
struct Silent;

/// The same, with whether the tool answered at all.
fn ask(machine: &Machine, device: &str, address: u32) -> Result<Option<u32>, Silent> {
    let at = hex(address);
    let asked = Invocation::new("switchtec", &["gas", "read", device, "-a", &at], DEADLINE);
    let output = machine.run(&asked).ok().filter(|output| !output.timed_out);
    let output = output.ok_or(Silent)?;
    // The word at the place that was asked for is the answer, whatever the exit code.
    let word = output.stdout.parse::<GasWord>().ok();
    let word = word.filter(|word| word.address == address);
    Ok(word.map(|word| word.value))
}

fn hex(address: u32) -> String {
    format!("0x{address:X}")
}
