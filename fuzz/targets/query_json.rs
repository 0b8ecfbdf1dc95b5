//! `qaic-util -q -j`: any text is the tool's JSON or an error, alone and beside any text that was printed with it.
#![no_main]
use libfuzzer_sys::fuzz_target;
use machine::vendor::{QueryJson, join};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(QueryJson(devices)) = text.parse() {
        for device in devices {
            let _ = (device.address(), device.status(), device.cores(), device.sku());
        }
    }
    let (printed, file) = text.split_once('\u{0}').unwrap_or(("", &text));
    let _ = join(Some(0), printed, Some(file));
});
