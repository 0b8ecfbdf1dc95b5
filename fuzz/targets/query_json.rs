//! `qaic-util -q -j`: any text is the tool's JSON or an error.
#![no_main]
use libfuzzer_sys::fuzz_target;
use machine::vendor::QueryJson;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(QueryJson(devices)) = String::from_utf8_lossy(bytes).parse() {
        for device in devices {
            let _ = (device.address(), device.status(), device.cores(), device.sku());
        }
    }
});
