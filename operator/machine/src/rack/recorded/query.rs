//! What the vendor's tool prints of a recorded SoC: the fields that it printed when it was recorded, and no others.
use std::fmt::Write;

use crd::{
    Fact, Unknown,
    id::PciAddress,
    snapshot::{Soc, SocStatus},
};

use crate::{
    access::Depth,
    rack::{
        files::View,
        server::open_by,
        soc_live::{Phase, SocLive},
        world::Shown,
    },
};

/// One block.
pub(crate) fn block(
    text: &mut String,
    view: &View<'_>,
    address: PciAddress,
    shown: &Shown,
    recorded: &Soc,
    (phase, mdp): (Phase, bool),
    soc: &SocLive,
) {
    let mut say = |key: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "        {key}:{value}");
    };
    let untouched = soc.resets == 0;
    let word = match (&recorded.status.value, phase) {
        (Some(SocStatus::Other(word)), Phase::Ready) if untouched => word.as_str(),
        (_, Phase::Ready) => "Ready",
        (_, Phase::Resetting | Phase::Initializing) => "Initializing",
        (_, Phase::Error) => "Error",
    };
    say("Status", word);
    say("MHI ID", &soc.mhi.to_string());
    say("PCI Address", &address.to_string());
    if phase == Phase::Ready {
        if let Some(firmware) = field(&recorded.firmware, String::clone, "1.21.3") {
            say("FW Version", &firmware);
        }
        if let Some(dram) = field(&recorded.dram_mib, ToString::to_string, "32768") {
            say("Dram Total", &format!("{dram} MB"));
        }
        if let Some(cores) = field(&recorded.cores, ToString::to_string, "16") {
            say("Nsp Total", &cores);
            let untold = recorded.cores_free.get().is_none() && !later(&recorded.cores_free);
            if !untold {
                let free = free(view, address, shown, recorded, untouched);
                say("Nsp Free", &free.unwrap_or(cores));
            }
        }
        if recorded.mdp.get().is_some() || later(&recorded.mdp) {
            let mdp = if mdp { " MDP+" } else { "" };
            say("Device Capabilities", &format!(" HybridBoot+{mdp}"));
        }
    }
    if let Some(sku) = recorded.sku.get() {
        say("Sku Type", &sku.0);
    }
    if let Some(board) = recorded.board_serial.get() {
        say("Board serial", board);
    }
}

/// A field's text; where the SoC was in no state to say it, what an ordinary one says; nothing where it was not printed.
fn field<T>(fact: &Fact<T>, text: impl FnOnce(&T) -> String, ordinary: &str) -> Option<String> {
    match fact.get() {
        Some(value) => Some(text(value)),
        None => later(fact).then(|| ordinary.to_owned()),
    }
}

/// Whether a fact is one that the SoC will tell when it is ready.
fn later<T>(fact: &Fact<T>) -> bool {
    fact.unknown == Some(Unknown::NotReady)
}

/// Free cores: as recorded while nothing has changed, none while somebody holds the SoC, else all, which is `None`.
fn free(
    view: &View<'_>,
    address: PciAddress,
    shown: &Shown,
    recorded: &Soc,
    untouched: bool,
) -> Option<String> {
    let held = view.function(address).is_some_and(|(_, function)| {
        open_by(view.live(), Depth::Files)
            .iter()
            .any(|(path, _, _)| function.path == *path)
    });
    match recorded.cores_free.get() {
        Some(free) if untouched && held == shown.held => Some(free.to_string()),
        Some(_) | None => held.then(|| "0".to_owned()),
    }
}
