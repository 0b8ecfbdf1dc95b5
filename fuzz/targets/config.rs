//! Configuration space: any bytes, of any length, have an answer, a capability that is found is within them, and what is needed of
//! them says as much as all.
#![no_main]
use crd::snapshot::Acs;
use libfuzzer_sys::fuzz_target;
use machine::config::{ConfigSpace, needed};

fuzz_target!(|bytes: &[u8]| {
    let space = ConfigSpace(bytes);
    let _ = (space.port_kind(), space.is_bridge());
    if let Ok(Acs::Present { offset, .. }) = space.acs() {
        assert!((0x100..=0xff8).contains(&offset) && usize::from(offset) + 8 <= bytes.len());
    }
    let part = needed(|at, length| {
        let rest = bytes.get(at..).unwrap_or_default();
        Ok::<_, ()>(rest[..length.min(rest.len())].to_vec())
    });
    let part = part.expect("nothing of it fails");
    let part = ConfigSpace(&part);
    assert_eq!(
        (part.acs(), part.port_kind()),
        (space.acs(), space.port_kind())
    );
});
