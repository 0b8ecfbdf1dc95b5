//! `qaic-util -q -j`: any text is the tool's JSON or an error, alone and beside any text that was printed with it; nothing is
//! joined that neither said, and the same facts in both forms are the same.
#![no_main]
use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use machine::vendor::{Device, JsonUse, QueryJson, QueryText, join};

/// What both forms carry, as the file has it.
fn file_of(devices: &[Device]) -> String {
    let listed: Vec<serde_json::Value> = devices
        .iter()
        .map(|device| {
            let mut object = serde_json::Map::new();
            object.insert("qid".to_owned(), device.qid.0.into());
            for (key, field) in [("dev_status", "Status"), ("nsp_total", "Nsp Total"), ("nsp_free", "Nsp Free")] {
                if let Some(value) = device.field(field) {
                    object.insert(key.to_owned(), value.into());
                }
            }
            object.into()
        })
        .collect();
    serde_json::json!({ "device_info": listed }).to_string()
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (printed, file) = text.split_once('\u{0}').unwrap_or(("", &text));
    let filed = file.parse::<QueryJson>().map(|QueryJson(devices)| devices).unwrap_or_default();
    let Ok(QueryText { devices, .. }) = printed.parse();
    let joined = join(Some(0), printed, Some(file));
    for (at, device) in &joined.devices {
        let source = if devices.is_empty() { &filed } else { &devices };
        assert!(source.iter().any(|one| one.address() == Some(*at) && one.qid == device.qid));
        for (key, value) in &device.fields {
            let said = |list: &[Device]| list.iter().any(|one| one.qid == device.qid && one.fields.get(key) == Some(value));
            assert!(said(&devices) || said(&filed), "{key} is nobody's");
        }
    }
    for (at, key) in &joined.contradicted {
        assert!(joined.devices.get(at).is_none_or(|device| device.field(key).is_none()));
    }
    if joined.json != JsonUse::Used {
        assert!(joined.from_json.is_empty() && joined.contradicted.is_empty());
    }
    let once: BTreeSet<_> = devices.iter().map(|device| device.qid).collect();
    if !devices.is_empty() && once.len() == devices.len() {
        let (alone, both) = (join(Some(0), printed, None), join(Some(0), printed, Some(&file_of(&devices))));
        assert_eq!((both.json, both.contradicted.len()), (JsonUse::Used, 0));
        for (at, device) in &alone.devices {
            let same = &both.devices[at];
            assert_eq!((same.status(), same.cores(), same.cores_free()), (device.status(), device.cores(), device.cores_free()));
        }
    }
});
