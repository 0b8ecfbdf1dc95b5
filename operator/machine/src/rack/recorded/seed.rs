//! Registers of a recorded server's first boot: the words, numbers and settings that the recording shows.
use crd::{
    Fact,
    kind::rack::Server,
    snapshot::{Acs, FileImage, HardwareSnapshot, OverrulingSetting, SettingsFile},
};

use super::parameter;
use crate::rack::{
    live::{Live, Times},
    registers::acs_offset,
    world::World,
};

/// Puts what was recorded where the first boot drew or set something else.
pub(crate) fn seed(live: &mut Live, server: &Server, world: &World) {
    let Some(snapshot) = &server.recorded else {
        return;
    };
    if let Some(boot) = snapshot.boot_id.get() {
        live.boot_id = boot.clone();
    }
    let of_a_pod = server.vendor_agent.is_some();
    if snapshot.tools.qmonitor_running.get() == Some(&true) && !of_a_pod {
        // It was warm already.
        live.rack_ms += Times::of(server).qmonitor;
        live.qmonitor_ms = Some(0);
    }
    settings(live, snapshot);
    for function in &world.functions {
        let Some(shown) = &function.shown else {
            continue;
        };
        if let (Some(Acs::Present { control, .. }), Some(offset)) =
            (shown.function.acs.get(), acs_offset(function))
        {
            let [low, high] = control.0.to_le_bytes();
            let at = u16::try_from(offset + 6).unwrap_or(u16::MAX - 1);
            let written = live.written.entry(function.path.clone()).or_default();
            written.insert(at, low);
            written.insert(at + 1, high);
        }
        let now = live.rack_ms;
        if let (Some(soc), Some(recorded)) = (live.socs.get_mut(&function.path), &shown.soc) {
            soc.off_until_ms = soc.off_until_ms.min(now);
            if let Some(mhi) = recorded.mhi.get() {
                soc.mhi = mhi.0;
            }
            if let Some(accel) = recorded.accel.get() {
                soc.accel = accel.0;
            }
        }
    }
    apart(live, world);
}

/// Settings as they stood, which a boot may have given otherwise, and the files that keep them.
fn settings(live: &mut Live, snapshot: &HardwareSnapshot) {
    let recorded = &snapshot.settings;
    if let Some((name, unit)) = parameter(snapshot)
        && let Some(value) = recorded.driver.get(name).and_then(Fact::get)
    {
        live.control_timeout_s = value / unit;
    }
    if let Some(count) = recorded.sysctl.get("vm.max_map_count").and_then(Fact::get) {
        live.max_map_count = *count;
    }
    for (file, kept) in &recorded.kept {
        let Some(kept) = kept.get() else { continue };
        if let FileImage::Text(text) = &kept.image {
            live.files.insert(file.path().to_owned(), text.clone());
        }
        for OverrulingSetting { name, value, by } in &kept.overruled {
            // What the command line says it says still.
            if by == "/proc/cmdline" {
                continue;
            }
            let line = match file {
                SettingsFile::Sysctl => format!("{name} = {value}\n"),
                SettingsFile::Modprobe => format!("options qaic {name}={value}\n"),
            };
            live.files.entry(by.clone()).or_default().push_str(&line);
        }
    }
}

/// Numbers that were drawn for SoCs whose own were not recorded must be nobody else's.
fn apart(live: &mut Live, world: &World) {
    let (mut mhi, mut accel) = (0, 0);
    for soc in live.socs.values() {
        mhi = mhi.max(soc.mhi + 1);
        accel = accel.max(soc.accel + 1);
    }
    for function in &world.functions {
        let recorded = function.shown.as_ref().and_then(|shown| shown.soc.as_ref());
        let (Some(soc), Some(recorded)) = (live.socs.get_mut(&function.path), recorded) else {
            continue;
        };
        if recorded.mhi.get().is_none() {
            soc.mhi = mhi;
            mhi += 1;
        }
        if recorded.accel.get().is_none() {
            soc.accel = accel;
            accel += 1;
        }
    }
}
