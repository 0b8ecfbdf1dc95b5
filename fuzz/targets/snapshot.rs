//! Snapshot files, as YAML and as JSON: what is read is written again the same, and everything else is an error.
#![no_main]
use crd::snapshot::HardwareSnapshot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = crd::load::load(&[crd::load::SourceText::new("snapshot.yaml", text)]);
    if let Ok(read) = serde_json::from_str::<HardwareSnapshot>(text) {
        let written = serde_json::to_string(&read).expect("a snapshot is JSON");
        assert_eq!(serde_json::from_str::<HardwareSnapshot>(&written).expect("as written"), read);
    }
});
