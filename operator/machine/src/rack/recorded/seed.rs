//! Registers of a recorded server's first boot: the words, numbers and settings that the recording shows.
use crd::{
    kind::rack::Server,
    snapshot::{Acs, FileImage, HardwareSnapshot, KeptSettings},
};

use crate::{
    rack::{
        etc::is_configuration,
        live::{Live, Times},
        registers::acs_offset,
        world::World,
    },
    settings_files,
};

/// Puts what was recorded where the first boot drew or set something else.
pub(crate) fn seed(live: &mut Live, server: &Server, world: &World) {
    let Some(snapshot) = &server.recorded else {
        return;
    };
    if let Some(boot) = snapshot.boot_id.get() {
        live.boot_id = boot.clone();
    }
    if snapshot.tools.qmonitor_running.get() == Some(&true) {
        // It was warm already.
        live.rack_ms += Times::of(server).qmonitor;
        live.qmonitor_ms = Some(0);
    }
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
    files(live, snapshot);
}

/// Our settings files as they stood, and of others' files below `/etc` the lines that were read after ours.
fn files(live: &mut Live, snapshot: &HardwareSnapshot) {
    for (&file, kept) in &snapshot.settings.kept {
        let Some(KeptSettings { image, overruled }) = kept.get() else {
            continue;
        };
        if let FileImage::Text(text) = image {
            live.files.insert(file.path().to_owned(), text.clone());
        }
        for other in overruled.iter().filter(|other| is_configuration(&other.by)) {
            let text = live.files.entry(other.by.clone()).or_default();
            text.push_str(&settings_files::line(file, &other.name, &other.value));
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
