//! The part of QEMU that is called: its object model and its PCI Express functions, as its headers declare them.
use std::ffi::{c_char, c_int, c_void};

/// The list of initialisers that register types (`MODULE_INIT_QOM` of QEMU 7 to 10).
pub(crate) const QOM_TYPES: c_int = 3;

/// QEMU's `TypeInfo` of `qom/object.h`, unchanged since QEMU 5.1.
#[repr(C)]
pub(crate) struct TypeRecord {
    pub(crate) name: *const c_char,
    pub(crate) parent: *const c_char,
    pub(crate) instance_size: usize,
    pub(crate) instance_align: usize,
    pub(crate) instance_init: *const c_void,
    pub(crate) instance_post_init: *const c_void,
    pub(crate) instance_finalize: *const c_void,
    pub(crate) is_abstract: bool,
    pub(crate) class_size: usize,
    pub(crate) class_init: Option<extern "C" fn(*mut Class, *const c_void)>,
    pub(crate) class_base_init: *const c_void,
    pub(crate) class_data: *mut c_void,
    pub(crate) interfaces: *const Interface,
}

impl Default for TypeRecord {
    fn default() -> Self {
        Self {
            name: std::ptr::null(),
            parent: std::ptr::null(),
            instance_size: 0,
            instance_align: 0,
            instance_init: std::ptr::null(),
            instance_post_init: std::ptr::null(),
            instance_finalize: std::ptr::null(),
            is_abstract: false,
            class_size: 0,
            class_init: None,
            class_base_init: std::ptr::null(),
            class_data: std::ptr::null_mut(),
            interfaces: std::ptr::null(),
        }
    }
}

/// QEMU's `InterfaceInfo`: one name; a null name ends a list.
#[repr(C)]
pub(crate) struct Interface(*const c_char);

// SAFETY: it points at a string literal, which no thread can change.
unsafe impl Sync for Interface {}

/// What makes a function one of PCI Express, with 4096 bytes of configuration space.
static PCIE: [Interface; 2] = [
    Interface(c"pci-express-device".as_ptr()),
    Interface(std::ptr::null()),
];

pub(crate) fn pcie_interface() -> *const Interface {
    PCIE.as_ptr()
}

/// A class of QEMU's; what is in it, `layout` finds out.
#[repr(C)]
pub(crate) struct Class([u8; 0]);

/// A device of QEMU's, which is an object and, here, always a PCI function.
#[repr(C)]
pub(crate) struct Device([u8; 0]);

/// `PCIDeviceClass::realize`: the second argument takes an error, which we pass on.
pub(crate) type Realize = extern "C" fn(*mut Device, *mut *mut c_void);
/// `DeviceClass::reset`.
pub(crate) type Reset = extern "C" fn(*mut Device);

// SAFETY: declared as QEMU's headers of versions 7 to 10 declare them.
unsafe extern "C" {
    pub(crate) fn register_module_init(function: extern "C" fn(), list: c_int);
    pub(crate) fn type_register_static(info: *const TypeRecord) -> *mut c_void;
    pub(crate) fn object_class_by_name(name: *const c_char) -> *mut Class;
    pub(crate) fn object_get_typename(object: *const Device) -> *const c_char;
    pub(crate) fn device_class_set_parent_reset(
        class: *mut Class,
        reset: Reset,
        parent: *mut Option<Reset>,
    );
    pub(crate) fn pcie_acs_init(device: *mut Device, offset: u16);
    pub(crate) fn pcie_acs_reset(device: *mut Device);
    pub(crate) fn pcie_endpoint_cap_init(device: *mut Device, offset: u8) -> c_int;
    pub(crate) fn pci_register_bar(
        device: *mut Device,
        index: c_int,
        flags: u8,
        memory: *mut c_void,
    );
    pub(crate) fn memory_region_init(
        memory: *mut c_void,
        owner: *mut Device,
        name: *const c_char,
        size: u64,
    );
}
