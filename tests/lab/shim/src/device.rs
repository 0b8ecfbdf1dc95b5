//! Makes classes and devices: ids and functions of a class, then capabilities, BARs and registers of each device of it.
use std::{
    collections::BTreeMap,
    ffi::{CStr, c_void},
    ptr,
    sync::{Mutex, PoisonError},
};

use crate::{
    fail,
    layout::{self, Registers},
    qemu::{self, Class, Device, Realize, Reset},
    spec::{Acs, Base, DeviceType},
    types,
};

/// Offset of the PCI Express capability of our endpoints; any free place will do.
const PCIE_CAPABILITY: u8 = 0x50;
/// Larger than a `MemoryRegion` of any version (272 bytes in QEMU 7.2).
const MEMORY_REGION: usize = 4096;

/// What the base types do, by base: called before our own part.
static PARENTS: Mutex<BTreeMap<usize, Parents>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy, Default)]
struct Parents {
    realize: Option<Realize>,
    reset: Option<Reset>,
}

fn parents(base: Base, change: impl FnOnce(&mut Parents)) -> Parents {
    let mut all = PARENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let of = all.entry(base as usize).or_default();
    change(of);
    *of
}

/// QEMU calls this once a type, with the class as its base left it.
pub(crate) extern "C" fn class_init(class: *mut Class, of: *const c_void) {
    // SAFETY: `register` gave a pointer into `TYPES`, which lives and does not change for as long as QEMU runs.
    let of = unsafe { &*of.cast::<DeviceType>() };
    let layout = layout::class();
    let put = |offset: u64, value: u16| {
        let at = (class as u64 + offset) as *mut u16;
        // SAFETY: `layout` saw ids at this place of the class, whose part as a PCI device is the same for every type.
        unsafe { ptr::write_unaligned(at, value) };
    };
    put(layout.ids, of.vendor);
    put(layout.ids + 2, of.device);
    if let Base::Endpoint = of.base {
        put(layout.ids + 6, (of.class.unwrap_or(0xff_0000) >> 8) as u16);
        put(layout.ids + 8, of.vendor);
        put(layout.ids + 10, of.device);
    }
    let slot = (class as u64 + layout.realize) as *mut Option<Realize>;
    // SAFETY: as above; the slot holds a function pointer or null, and the class is ours alone until this returns.
    let parent = unsafe { slot.replace(Some(realize)) };
    parents(of.base, |parents| parents.realize = parent);
    if let Base::Downstream = of.base {
        let mut parent = None;
        // SAFETY: the class is a device's, and `parent` outlives the call.
        unsafe { qemu::device_class_set_parent_reset(class, reset, &raw mut parent) };
        parents(of.base, |parents| parents.reset = parent);
    }
}

/// The type of a device of ours.
fn of(device: *mut Device) -> &'static DeviceType {
    // SAFETY: QEMU hands over a live object, whose type's name is a C string that lives as long as the type.
    let name = unsafe { CStr::from_ptr(qemu::object_get_typename(device)) };
    match types().iter().find(|(known, _)| known.as_c_str() == name) {
        Some((_, of)) => of,
        None => fail("a device of a type that is not ours"),
    }
}

extern "C" fn realize(device: *mut Device, error: *mut *mut c_void) {
    let of = of(device);
    if let Some(parent) = parents(of.base, |_| ()).realize {
        parent(device, error);
        // SAFETY: QEMU passes a place for an error, null before; a device that failed must not be touched.
        if !error.is_null() && !unsafe { *error }.is_null() {
            return;
        }
    }
    match of.base {
        Base::Root => {
            if let Some(acs) = of.acs {
                able(own_registers(device, of), acs);
            }
        }
        Base::Upstream => {}
        Base::Downstream => {
            if let Some(acs) = of.acs {
                // SAFETY: the device is a downstream port of PCI Express, with free extended space at the offset asked for.
                unsafe { qemu::pcie_acs_init(device, acs.offset) };
                able(own_registers(device, of), acs);
            }
        }
        Base::Endpoint => endpoint(device, of),
        // It writes its own ids when it is made real.
        Base::Nvme => {
            let registers = layout::registers(device, [0x36, 0x1b, 0x10, 0x00]);
            set(registers.config, 0, of.vendor);
            set(registers.config, 2, of.device);
        }
    }
}

extern "C" fn reset(device: *mut Device) {
    if let Some(parent) = parents(of(device).base, |_| ()).reset {
        parent(device);
    }
    // SAFETY: QEMU resets live devices only; one without ACS is left alone there.
    unsafe { qemu::pcie_acs_reset(device) };
}

fn endpoint(device: *mut Device, of: &DeviceType) {
    // SAFETY: QEMU has made the function with 4096 bytes of configuration space, because of its interface.
    if unsafe { qemu::pcie_endpoint_cap_init(device, PCIE_CAPABILITY) } < 0 {
        fail("no room for a PCI Express capability");
    }
    for bar in &of.bars {
        let memory: *mut c_void = Box::leak(vec![0_u64; MEMORY_REGION / 8].into_boxed_slice())
            .as_mut_ptr()
            .cast();
        // SAFETY: the region is zeroed, large enough and never freed. It is a container without contents: reads give ones.
        unsafe {
            qemu::memory_region_init(memory, device, c"lab-bar".as_ptr(), bar.size);
            qemu::pci_register_bar(device, i32::from(bar.index), bar.flags, memory);
        }
    }
    // QEMU's class register has 16 bits; the lowest 8 are the interface.
    let registers = own_registers(device, of);
    set(
        registers.config,
        8,
        (of.class.unwrap_or(0xff_0000) << 8) as u16,
    );
}

fn own_registers(device: *mut Device, of: &DeviceType) -> Registers {
    let [a, b] = of.vendor.to_le_bytes();
    let [c, d] = of.device.to_le_bytes();
    layout::registers(device, [a, b, c, d])
}

/// Makes a port's ACS able to do what is asked for: its capability word, and the same bits of the control word writable.
fn able(registers: Registers, acs: Acs) {
    set(registers.config, acs.offset + 4, acs.capability);
    set(registers.writable, acs.offset + 6, acs.capability);
}

fn set(space: *mut u8, offset: u16, value: u16) {
    // SAFETY: `layout` saw that this is configuration space, or its mask; both have 4096 bytes, and offsets of ours are less.
    unsafe { ptr::write_unaligned(space.add(usize::from(offset)).cast::<u16>(), value) };
}
