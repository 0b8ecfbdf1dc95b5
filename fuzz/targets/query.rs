//! `qaic-util -q` and the small texts of other tools: any text has an answer.
#![no_main]
use libfuzzer_sys::fuzz_target;
use machine::vendor;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for device in vendor::parse_query(&text) {
        let _ = (device.address(), device.status(), device.mdp(), device.dram_mib());
        let _ = (device.cores(), device.cores_free(), device.mhi(), device.capabilities());
    }
    let _ = (vendor::sdk_version(&text), vendor::inferences_per_second(&text));
    let _ = (vendor::listens_on(&text, 62472), vendor::lockdown_level(&text));
    let _ = (vendor::memory_kib(&text, "MemTotal"), vendor::cpu_count(&text));
});
