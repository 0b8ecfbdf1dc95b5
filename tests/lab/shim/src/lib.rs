//! Loaded into an unmodified QEMU, adds device types to it: PCIe ports with ACS of any kind, and endpoints with any ids and BARs.
//!
//! QEMU exports the symbols that its own loadable modules need, and those are enough to register types before `main`. Which
//! types, the environment says (`LAB_DEVICE_TYPES`, one a line, see `spec`). Load it into QEMU alone: `LD_PRELOAD` on any
//! other program ends in missing symbols.
//!
//! Invariants:
//! * depends on std alone, so that nothing but QEMU decides whether it loads;
//! * no layout of QEMU's is assumed without being seen: what `layout` looks for and does not find ends QEMU with a sentence;
//! * every `unsafe` has its SAFETY line (workspace lint).
#![expect(
    unsafe_code,
    reason = "calls into QEMU, whose objects are C; each block says why it is sound"
)]

mod device;
mod layout;
mod qemu;
mod spec;

use std::{ffi::CString, ptr, sync::OnceLock};

use spec::DeviceType;

/// The types asked for; QEMU keeps pointers to their names for as long as it runs.
static TYPES: OnceLock<Vec<(CString, DeviceType)>> = OnceLock::new();

/// Runs when the library is loaded, before QEMU's `main`.
#[used]
// SAFETY: the loader calls every function in this section once, on the only thread there is, with the C library ready.
#[unsafe(link_section = ".init_array")]
static LOADED: extern "C" fn() = loaded;

extern "C" fn loaded() {
    // SAFETY: QEMU's list of initialisers is made on first use; the function stays loaded for good.
    unsafe { qemu::register_module_init(register, qemu::QOM_TYPES) };
}

/// QEMU calls this when it registers its own types; base types need not be there yet.
extern "C" fn register() {
    for (name, of) in types() {
        let kind = qemu::TypeRecord {
            name: name.as_ptr(),
            parent: of.base.parent().as_ptr(),
            class_init: Some(device::class_init),
            class_data: ptr::from_ref(of).cast_mut().cast(),
            interfaces: match of.base {
                spec::Base::Endpoint => qemu::pcie_interface(),
                spec::Base::Root
                | spec::Base::Upstream
                | spec::Base::Downstream
                | spec::Base::Nvme => ptr::null(),
            },
            ..qemu::TypeRecord::default()
        };
        // SAFETY: every pointer in `kind` is static or lives in `TYPES`, which is never changed again; QEMU copies the rest.
        unsafe { qemu::type_register_static(&raw const kind) };
    }
}

/// The types that the environment asks for, read once.
fn types() -> &'static [(CString, DeviceType)] {
    TYPES.get_or_init(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a preloaded library has no main to be given values by"
        )]
        let text = std::env::var("LAB_DEVICE_TYPES").unwrap_or_default();
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| match spec::parse(line) {
                Ok(named) => named,
                Err(why) => fail(&format!("the device type `{line}`: {why}")),
            })
            .collect()
    })
}

/// Ends QEMU: a device that is not what was asked for must not be tested.
#[expect(
    clippy::print_stderr,
    reason = "QEMU's own standard error is the only place to say it"
)]
fn fail(why: &str) -> ! {
    eprintln!("lab shim: {why}");
    std::process::abort()
}
