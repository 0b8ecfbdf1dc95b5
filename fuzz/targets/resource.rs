//! The kernel's `resource` file: any text gives at most six base address registers, each once.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bars = machine::probe::bars(&String::from_utf8_lossy(bytes));
    assert!(bars.len() <= 6 && bars.is_sorted_by(|one, other| one.index < other.index));
});
