//! Finds fields of QEMU's structures by what must stand in them, reading through the kernel so that a wrong guess is no crash.
use std::{fs::File, os::unix::fs::FileExt, sync::OnceLock};

use crate::{
    fail,
    qemu::{self, Device},
    spec::Base,
};

/// Farther than any class or device of QEMU's is long.
const FARTHEST: u64 = 8192;
/// From `realize` of a PCI class to its ids: four pointers (`hw/pci/pci.h`: realize, exit, config_read, config_write).
const REALIZE_BEFORE_IDS: u64 = 32;

/// Where the fields of a PCI class are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassLayout {
    /// Vendor; device, revision, class and subsystem follow at 2, 4, 6, 8 and 10.
    pub(crate) ids: u64,
    /// The function that makes a device real.
    pub(crate) realize: u64,
}

/// A function's registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    /// Its configuration space.
    pub(crate) config: *mut u8,
    /// Which of its bits a guest can write.
    pub(crate) writable: *mut u8,
}

/// Where a PCI class keeps its ids: at the one place where three types of QEMU's own have the ids they are known to have.
pub(crate) fn class() -> ClassLayout {
    static FOUND: OnceLock<ClassLayout> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let known = [
            (Base::Downstream, [0x4c, 0x10, 0x33, 0x82]),
            (Base::Upstream, [0x4c, 0x10, 0x32, 0x82]),
            (Base::Root, [0x36, 0x1b, 0x0c, 0x00]),
        ]
        .map(|(base, ids)| {
            // SAFETY: the name is a C string; QEMU answers null for a type it does not have, and address 0 is never read.
            let class = unsafe { qemu::object_class_by_name(base.parent().as_ptr()) };
            (class as u64, ids)
        });
        let ids = (REALIZE_BEFORE_IDS..FARTHEST).step_by(2).find(|at| {
            known
                .iter()
                .all(|(class, ids)| peek(class + at) == Some(*ids))
        });
        match ids {
            Some(ids) => ClassLayout {
                ids,
                realize: ids - REALIZE_BEFORE_IDS,
            },
            None => fail("QEMU's PCI classes are not laid out as in versions 7 to 10"),
        }
    })
}

/// A function's registers: the first pointer in it that leads to its ids, and two pointers on what can be written there.
pub(crate) fn registers(device: *mut Device, ids: [u8; 4]) -> Registers {
    let start = device as u64;
    let found = (0..FARTHEST).step_by(8).find_map(|at| {
        let config = pointer(start + at)?;
        // config, cmask, wmask (`hw/pci/pci.h`): ids are read-only, the command register is not.
        let writable = pointer(start + at + 16)?;
        let right = peek(config) == Some(ids)
            && peek(writable) == Some([0; 4])
            && peek::<2>(writable + 4)? != [0; 2];
        right.then_some(Registers {
            config: config as *mut u8,
            writable: writable as *mut u8,
        })
    });
    match found {
        Some(registers) => registers,
        None => fail("QEMU's PCI functions are not laid out as in versions 7 to 10"),
    }
}

fn pointer(at: u64) -> Option<u64> {
    peek(at)
        .map(u64::from_le_bytes)
        .filter(|to| (0x1000..1 << 47).contains(to))
}

/// Bytes at an address, where there is memory.
fn peek<const N: usize>(at: u64) -> Option<[u8; N]> {
    static MEMORY: OnceLock<Option<File>> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| File::open("/proc/self/mem").ok());
    let mut bytes = [0; N];
    memory.as_ref()?.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}
