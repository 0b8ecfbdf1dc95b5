//! Joins what the parts of a probe saw into one snapshot.
use crd::{
    Fact,
    id::{BootId, PciAddress},
    kind::API_VERSION,
    snapshot::{
        HardwareSnapshot, Holder, HolderKind, PciFunction, SNAPSHOT_KIND, SnapshotMetadata, Soc,
        SocPrerequisites, hands_on,
    },
};

use super::{Known, asked, host, pci, prerequisites, reach, reach::reason, soc};
use crate::{
    access::{Depth, OpenHandles},
    machine::Machine,
    vendor::join,
};

/// What is read one after the other goes together only where nothing came between that changes all of it: a boot, of a rack that
/// we do not run on, or the end of a program that the tool still saw at work and whose open files are gone. Then all is read
/// again, once: a program that stays unseen is one that cannot be seen.
pub(crate) fn snapshot(machine: &Machine, known: &Known) -> HardwareSnapshot {
    let before = boot_id(machine);
    let seen = once(machine, known);
    if seen.boot_id == before && !is_at_work_unseen(&seen) {
        return seen;
    }
    once(machine, known)
}

fn boot_id(machine: &Machine) -> Fact<BootId> {
    reach::text(machine, "/proc/sys/kernel/random/boot_id").map(BootId)
}

/// Whether cores of a SoC are in use that nobody is seen to hold.
pub(crate) fn is_at_work_unseen(snapshot: &HardwareSnapshot) -> bool {
    let in_use = |soc: &Soc| matches!((soc.cores_free.get(), soc.cores.get()), (Some(free), Some(all)) if free < all);
    let held = |soc: &Soc| snapshot.holders.iter().any(|held| held.soc == soc.address);
    snapshot.socs.iter().any(|soc| in_use(soc) && !held(soc))
}

fn once(machine: &Machine, known: &Known) -> HardwareSnapshot {
    let host = host::host(machine);
    let pci::Tree { functions, unread } = pci::tree(machine, host.lockdown.value);
    let on_bus: Vec<&PciFunction> = functions
        .iter()
        .filter(|function| soc::is_soc(function))
        .collect();
    // Without a SoC on the bus the tool has nothing to say, and need not be there.
    let answer = if on_bus.is_empty() {
        Ok(join(None, "", None))
    } else {
        let expected: Vec<_> = on_bus.iter().map(|function| function.address).collect();
        soc::query(machine, &expected)
    };
    let socs = soc::socs(machine, &functions, &answer);
    let readings = host::readings(machine, &on_bus);
    let prerequisites = prerequisites::prerequisites(machine, &on_bus);
    let holders = holders(machine, &on_bus, &prerequisites.socs, known, Depth::Files);

    let mut programs = known.programs.clone();
    programs.sort_by(|a, b| a.key.cmp(&b.key));
    let mut workers: Vec<_> = known
        .workers
        .iter()
        .map(|known| known.worker.clone())
        .collect();
    workers.sort_by(|a, b| a.id.cmp(&b.id));
    let (settings, tools) = (
        host::settings(machine),
        host::tools(machine, known.worker.clone()),
    );
    HardwareSnapshot {
        api_version: API_VERSION.to_owned(),
        kind: SNAPSHOT_KIND.to_owned(),
        metadata: SnapshotMetadata {
            name: machine.name(),
            labels: machine.labels(),
        },
        // Last of all that is read.
        boot_id: boot_id(machine),
        host,
        settings,
        prerequisites: Some(prerequisites),
        tools,
        programs,
        workers,
        holders,
        ledger: known.ledger.clone(),
        readings: Some(readings),
        recording: None,
        functions,
        socs,
        unread,
    }
}

/// Everything that holds a SoC of a snapshot now, as far as the whole search shows it.
pub(crate) fn whole_holders(
    machine: &Machine,
    known: &Known,
    snapshot: &HardwareSnapshot,
) -> Vec<Holder> {
    let functions = snapshot.functions.iter();
    let on_bus: Vec<&PciFunction> = functions.filter(|function| soc::is_soc(function)).collect();
    let asked = snapshot.prerequisites.as_ref();
    let asked = asked.map_or(&[][..], |asked| &asked.socs);
    holders(machine, &on_bus, asked, known, Depth::Whole)
}

/// Everything that holds a SoC, ordered by SoC and pid: open nodes, functions given to VFIO, which holds them whether anybody
/// has them open or not, and whoever only the DMA bridge knows.
fn holders(
    machine: &Machine,
    socs: &[&PciFunction],
    asked: &[SocPrerequisites],
    known: &Known,
    depth: Depth,
) -> Vec<Holder> {
    let addresses: Vec<PciAddress> = socs.iter().map(|soc| soc.address).collect();
    let seen = machine.holders(&addresses, depth);
    let OpenHandles {
        open,
        unseen,
        unseen_of,
    } = seen.unwrap_or_else(|error| OpenHandles {
        unseen: Some(error),
        ..OpenHandles::default()
    });
    let mut holders: Vec<Holder> = open
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
                unit: open.unit,
                container: open.container,
                pod: open.pod,
            }
        })
        .collect();
    // Nobody seen is not nobody there: each SoC may be held by whoever could not be looked into.
    for &soc in &addresses {
        let of_all_or_its_own = unseen.as_ref().or_else(|| unseen_of.get(&soc));
        holders.extend(of_all_or_its_own.map(|error| Holder {
            soc,
            kind: HolderKind::Unseen { why: reason(error) },
            pid: None,
            name: error.path.clone(),
            unit: None,
            container: None,
            pod: None,
        }));
    }
    for soc in socs {
        if soc.driver.get().is_some_and(|driver| hands_on(driver))
            && !holders.iter().any(|holder| {
                holder.soc == soc.address && !matches!(holder.kind, HolderKind::Unseen { .. })
            })
        {
            holders.push(Holder {
                soc: soc.address,
                kind: HolderKind::Foreign,
                pid: None,
                name: given_to(soc),
                unit: None,
                container: None,
                pod: None,
            });
        }
    }
    holders.extend(by_channel(asked, &holders));
    holders.sort_by(|a, b| (a.soc, a.pid, &a.name).cmp(&(b.soc, b.pid, &b.name)));
    holders.dedup();
    holders
}

/// What a holder is called that is a driver's binding and no process.
fn given_to(soc: &PciFunction) -> String {
    match soc.driver.get() {
        Some(driver) if !driver.starts_with("vfio") => driver.clone(),
        Some(_) | None => "vfio".to_owned(),
    }
}

/// Whoever has a channel of a SoC's DMA bridge and is seen in no other way: the kernel knows of a program there.
fn by_channel(socs: &[SocPrerequisites], seen: &[Holder]) -> Vec<Holder> {
    socs.iter()
        .filter(|asked| !seen.iter().any(|holder| holder.soc == asked.address))
        .filter_map(|asked| {
            let (kind, name) = asked::holder(asked.channels.as_ref()?)?;
            Some(Holder {
                soc: asked.address,
                kind,
                pid: None,
                name,
                unit: None,
                container: None,
                pod: None,
            })
        })
        .collect()
}
