//! The kernel's `resource` file: any text gives at most six base address registers, each once, or none that are known.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(bars) = machine::probe::bars(&String::from_utf8_lossy(bytes)) {
        assert!(bars.len() <= 6 && bars.is_sorted_by(|one, other| one.index < other.index));
    }
});
