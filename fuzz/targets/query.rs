//! `qaic-util -q` and the texts of every other tool: any text has an answer.
#![no_main]
use libfuzzer_sys::fuzz_target;
use machine::vendor;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Ok(vendor::QueryText { devices, .. }) = text.parse();
    for device in devices {
        let _ = (device.address(), device.status(), device.mdp(), device.dram_mib());
        let _ = (device.cores(), device.cores_free(), device.mhi(), device.capabilities());
    }
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
    let _ = report.judge(Some(0), false);
});
