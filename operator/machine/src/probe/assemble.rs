//! Joins what the parts of a probe saw into one snapshot.
use crd::{
    id::{BootId, PciAddress},
    kind::API_VERSION,
    snapshot::{
        HardwareSnapshot, Holder, HolderKind, PciFunction, SNAPSHOT_KIND, SnapshotMetadata,
    },
};

use super::{Known, host, pci, prerequisites, reach, soc};
use crate::{machine::Machine, vendor::join};

pub(crate) fn snapshot(machine: &Machine, known: &Known) -> HardwareSnapshot {
    let host = host::host(machine);
    let functions = pci::functions(machine, host.lockdown.value);
    let on_bus: Vec<&PciFunction> = functions
        .iter()
        .filter(|function| soc::is_soc(function))
        .collect();
    // Without a SoC on the bus the tool has nothing to say, and need not be there.
    let answer = if on_bus.is_empty() {
        Ok(join(None, "", None))
    } else {
        soc::query(machine)
    };
    let socs = soc::socs(machine, &functions, &answer);
    let readings = host::readings(machine, &on_bus);
    let holders = holders(machine, &on_bus, known);

    let mut programs = known.programs.clone();
    programs.sort_by(|a, b| a.key.cmp(&b.key));
    let mut workers: Vec<_> = known
        .workers
        .iter()
        .map(|known| known.worker.clone())
        .collect();
    workers.sort_by(|a, b| a.id.cmp(&b.id));
    HardwareSnapshot {
        api_version: API_VERSION.to_owned(),
        kind: SNAPSHOT_KIND.to_owned(),
        metadata: SnapshotMetadata {
            name: machine.name(),
            labels: machine.labels(),
        },
        boot_id: reach::text(machine, "/proc/sys/kernel/random/boot_id").map(BootId),
        host,
        settings: host::settings(machine),
        prerequisites: Some(prerequisites::prerequisites(machine, &on_bus)),
        tools: host::tools(machine, known.worker.clone()),
        programs,
        workers,
        holders,
        ledger: known.ledger.clone(),
        readings: Some(readings),
        recording: None,
        functions,
        socs,
    }
}

/// Everything that holds a SoC, ordered by SoC and pid: open nodes, and functions given to VFIO, which holds them whether
/// anybody has them open or not.
fn holders(machine: &Machine, socs: &[&PciFunction], known: &Known) -> Vec<Holder> {
    let addresses: Vec<PciAddress> = socs.iter().map(|soc| soc.address).collect();
    let mut holders: Vec<Holder> = machine
        .holders(&addresses)
        .unwrap_or_default()
        .into_iter()
        .map(|open| {
            let worker = known
                .workers
                .iter()
                .find(|known| open.pid.is_some_and(|pid| known.pids.contains(&pid)));
            Holder {
                soc: open.soc,
                kind: match worker {
                    Some(known) => HolderKind::Worker {
                        id: known.worker.id.clone(),
                    },
                    None => HolderKind::Foreign,
                },
                pid: open.pid,
                name: open.name,
            }
        })
        .collect();
    for soc in socs {
        if soc
            .driver
            .get()
            .is_some_and(|driver| driver.starts_with("vfio"))
            && !holders.iter().any(|holder| holder.soc == soc.address)
        {
            holders.push(Holder {
                soc: soc.address,
                kind: HolderKind::Foreign,
                pid: None,
                name: "vfio".to_owned(),
            });
        }
    }
    holders.sort_by(|a, b| (a.soc, a.pid, &a.name).cmp(&(b.soc, b.pid, &b.name)));
    holders.dedup();
    holders
}
