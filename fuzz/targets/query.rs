//! `qaic-util -q` and the texts of every other tool: any text has an answer, and nothing is in an answer that is not in the text.
#![no_main]
use libfuzzer_sys::fuzz_target;
use machine::vendor::{self, Device, QueryText};

/// What the runtime writes between a tool's lines.
const LOG: &str = "[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device: Status:Error\n";

fn parse(text: &str) -> QueryText {
    let Ok(parsed) = text.parse();
    parsed
}

/// Facts come from the block's own fields, and within their bounds.
fn check(device: &Device, text: &str) {
    let has = |number: u64| text.contains(&number.to_string());
    assert!(device.qid.0 < 10 || has(device.qid.0.into()) || text.contains(['[', '\u{1b}', '\u{feff}', '0']));
    for number in [device.cores(), device.cores_free(), device.mhi().map(|mhi| mhi.0)] {
        assert!(number.is_none_or(|number| device.fields.values().any(|value| value.contains(&number.to_string()))));
    }
    if let Some(mib) = device.dram_mib() {
        let said = device.field("Dram Total").expect("memory comes from its field");
        let digits = said.find(|c: char| !c.is_ascii_digit()).map_or(said, |end| &said[..end]);
        let whole: u64 = digits.parse().expect("it begins with its number");
        // No unit is larger than a GiB.
        assert!(mib <= whole.saturating_add(1).saturating_mul(1024));
    }
    if device.mdp() == Some(true) {
        assert!(device.field("Device Capabilities").is_some_and(|words| words.contains("MDP+")));
    }
    for word in [device.sku(), device.board_serial(), device.firmware()].into_iter().flatten() {
        assert!(!word.is_empty() && device.fields.values().any(|value| value == word));
    }
    // Where nothing was mended, every value stands in the text as it is, and every line of one that was printed over several.
    if !text.contains(['[', '\u{1b}', '\u{feff}']) {
        for (key, value) in &device.fields {
            let mut lines = value.split('\n');
            assert!(text.contains(key.as_str()) && (lines.all(|line| text.contains(line)) || value == "more than one"));
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let parsed = parse(&text);
    for device in &parsed.devices {
        check(device, &text);
    }
    // Log lines between its lines, where the input itself says, change nothing.
    let mut with = String::with_capacity(text.len());
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if bytes.get(at).is_some_and(|byte| byte & 1 == 1) {
            with.push_str(LOG);
        }
        with.push_str(line);
    }
    assert_eq!(parse(&with), parsed);
    let _ = (vendor::sdk_version(&text), vendor::secure_boot(bytes), vendor::complaint(&text));
    let _ = (vendor::listens_on(&text, 62472), vendor::lockdown_level(&text));
    let _ = (vendor::memory_kib(&text, "MemTotal"), vendor::cpu_count(&text));
    let Ok(_) = text.parse::<vendor::ResetReport>();
    let Ok(_) = text.parse::<vendor::QmonitorUnit>();
    let Ok(_) = text.parse::<vendor::MonitorAnswer>();
    let Ok(_) = text.parse::<vendor::CompilerWords>();
    let Ok(_) = text.parse::<vendor::VersionReport>();
    let Ok(_) = text.parse::<vendor::SwitchList>();
    let _ = text.parse::<vendor::GasWord>();
    let Ok(report) = text.parse::<vendor::RunnerReport>();
    let _ = report.judge(10, Some(0), false);
});
