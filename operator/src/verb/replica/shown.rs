//! A rack that was made of recordings, looked at as anybody would: once as it is opened, and once after all that a rehearsal
//! does to it. What it makes up shows there, whatever it is.
use std::path::Path;

use crd::{
    kind::Rack,
    replica::ReplicaNode,
    snapshot::{HardwareSnapshot, HolderKind},
};
use machine::{Clock, Known, Machine, RackError, RackServer};
use reconcile::recording::shown_otherwise;

use crate::{exit::Exit, failure::Failure};

/// What each server of a rack of recordings shows otherwise than its recording. It fails where such a rack cannot be opened,
/// or there is nowhere to open it.
pub fn compare(rack: &Rack) -> Result<Vec<ReplicaNode>, Failure> {
    let folder = tempfile::tempdir().map_err(|source| Failure::Write {
        path: "the folder for temporary files".to_owned(),
        source,
    })?;
    let now = look(rack, &folder.path().join("now"), |_, _| Ok(()))?;
    let later = look(rack, &folder.path().join("later"), rehearse)?;
    let recorded = rack
        .spec
        .servers
        .iter()
        .filter_map(|server| server.recorded.as_deref());
    let looks = now.iter().zip(&later);
    Ok(recorded
        .zip(looks)
        .map(|(recorded, (now, later))| ReplicaNode {
            node: recorded.metadata.name.clone(),
            notes: machine::rack::losses(recorded),
            facts: shown_otherwise(&known(recorded), now, later),
        })
        .collect())
}

/// A recording without what the notes speak of: our own workers, which do not run on the rack.
fn known(recorded: &HardwareSnapshot) -> HardwareSnapshot {
    let mut known = recorded.clone();
    known.workers.clear();
    let ours = |kind: &HolderKind| matches!(kind, HolderKind::Worker { .. });
    known.holders.retain(|holder| !ours(&holder.kind));
    known
}

/// Every server of the rack, in a folder of its own that nobody else knows.
fn look(
    rack: &Rack,
    state: &Path,
    act: impl Fn(&RackServer, &HardwareSnapshot) -> Result<(), RackError>,
) -> Result<Vec<HardwareSnapshot>, Failure> {
    let servers = machine::rack::open(rack, "", state, Clock::Virtual)?;
    let looks = rack.spec.servers.iter().zip(servers);
    looks
        .map(|(server, opened)| {
            let Some(recorded) = &server.recorded else {
                return Err(Failure::said(
                    Exit::Internal,
                    "a server has no recording",
                    "",
                ));
            };
            act(&opened, recorded)?;
            let machine = Machine::Rack(opened);
            // What our own programs know is no question to the rack.
            let known = Known {
                ledger: machine.brought_ledger(),
                programs: recorded.programs.clone(),
                workers: Vec::new(),
                worker: recorded.tools.worker.clone(),
            };
            Ok(machine::probe(&machine, &known))
        })
        .collect()
}

/// Boots the server, gives every SoC its driver, resets it and lets it get ready.
fn rehearse(server: &RackServer, recorded: &HardwareSnapshot) -> Result<(), RackError> {
    server.reboot()?;
    for soc in recorded.socs.iter().map(|soc| soc.address) {
        server.set(&format!("{soc}/driver"), "qaic")?;
        server.reset_soc(soc)?;
        // One that falls off the bus in a reset has nothing left to tell.
        let _ = server.set(&format!("{soc}/state"), "ready");
    }
    Ok(())
}
