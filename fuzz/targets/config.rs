//! Configuration space: any bytes, of any length, have an answer, and a capability that is found is within them.
#![no_main]
use crd::snapshot::Acs;
use libfuzzer_sys::fuzz_target;
use machine::config::ConfigSpace;

fuzz_target!(|bytes: &[u8]| {
    let space = ConfigSpace(bytes);
    let _ = (space.port_kind(), space.is_bridge());
    if let Ok(Acs::Present { offset, .. }) = space.acs() {
        assert!((0x100..=0xff8).contains(&offset) && usize::from(offset) + 8 <= bytes.len());
    }
});
