//! SoCs: resets, waiting for Ready, and seeing that partitioning took hold.
//!
//! Format: the calls are documented (`qaic-util -s`, also with `-p ADDRESS`, and fifteen minutes at most). What a reset prints is
//! observed and inferred (see `vendor`): it is no proof, and state is asked for again. That the reset of one SoC is enough for
//! partitioning is inferred.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crd::{
    id::PciAddress,
    kind::ResetScope,
    snapshot::{HolderKind, SocIdentity, SocStatus, hands_on},
    step::MdpSetting,
};

use super::{
    Performed, StepError, begun,
    failed::failed,
    identity::{Roll, confirm},
};
use crate::{
    access::{Depth, Invocation, OpenHandles, ToolOutput},
    machine::Machine,
    probe::{
        asked::{channels, holder},
        pci,
        soc::{QUERY_TOOL, is_soc},
    },
    time::Timestamp,
    vendor::{Device, ResetReport},
};

/// One request, or one start.
pub(super) const TOOL_DEADLINE: Duration = Duration::from_mins(1);
/// A reset's call returns within the driver's ceiling of 25 s for each SoC.
pub(super) const RESET_DEADLINE: Duration = Duration::from_mins(2);
/// How often a wait looks, at first; twice as long after each look, up to [`SLOWEST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_secs(2);
const SLOWEST_LOOK: Duration = Duration::from_secs(10);

pub(super) fn reset(
    machine: &Machine,
    scope: ResetScope,
    socs: &[SocIdentity],
) -> Result<Performed, StepError> {
    for soc in socs {
        confirm(machine, soc)?;
    }
    // A reset of the whole machine reaches SoCs that nobody named: they must be free too.
    let reached: Vec<PciAddress> = match scope {
        ResetScope::SoC => socs.iter().map(|soc| soc.address).collect(),
        ResetScope::Host => {
            let tree = pci::tree(machine, None);
            if let Some(unread) = tree.unread.first() {
                return Err(StepError::Expectation {
                    expected: "every SoC that the reset reaches to be seen".to_owned(),
                    found: format!("{} unread ({:?})", unread.path, unread.why),
                });
            }
            let socs = tree.functions.iter().filter(|function| is_soc(function));
            socs.map(|function| function.address).collect()
        }
    };
    free(machine, &reached)?;
    let roll = Roll::call(machine, &reached);
    for &soc in &reached {
        let state = roll.state(soc)?;
        if state == "Initializing" {
            return Err(StepError::Expectation {
                expected: format!("{soc} not Initializing, in which state it is never reset"),
                found: state,
            });
        }
        // A process in a container that we cannot see into holds no node of ours, but it does use cores.
        if let Some(key) = roll.cores_in_doubt(soc) {
            return Err(StepError::Held {
                soc,
                by: format!(
                    "a program, perhaps: what `qaic-util` says of its `{key}` cannot be read"
                ),
            });
        }
        if let Some(device) = roll.device(soc)?
            && let (Some(total), Some(free)) = (device.cores(), device.cores_free())
            && free < total
        {
            return Err(StepError::Held {
                soc,
                by: format!(
                    "a loaded program ({} of {total} cores in use)",
                    total - free
                ),
            });
        }
    }
    let before = begun::before(&roll, &reached);
    match scope {
        ResetScope::SoC => {
            for soc in socs {
                let address = soc.address.to_string();
                let call = Invocation::new(QUERY_TOOL, &["-s", "-p", &address], RESET_DEADLINE);
                succeeded(&machine.run(&call)?, &[soc.address])?;
            }
        }
        ResetScope::Host => {
            let deadline = RESET_DEADLINE * u32::try_from(reached.len().max(1)).unwrap_or(u32::MAX);
            let output = machine.run(&Invocation::new(QUERY_TOOL, &["-s"], deadline))?;
            let named: Vec<PciAddress> = socs.iter().map(|soc| soc.address).collect();
            if let Err(error) = succeeded(&output, &named) {
                // Those that were reset are not left half way: the step has failed whatever comes of the wait.
                let one = |soc: &&SocIdentity| succeeded(&output, &[soc.address]).is_ok();
                let came: Vec<SocIdentity> = socs.iter().filter(one).cloned().collect();
                begun::seen(machine, &begun::before(&roll, &addresses(&came)));
                let _ = wait_ready(machine, &came, READY_DEADLINE);
                return Err(error);
            }
        }
    }
    begun::seen(machine, &before);
    Ok(Performed::Seen)
}

/// How long a SoC may take until it is Ready (vendor's installer).
const READY_DEADLINE: Duration = Duration::from_mins(15);

/// The tool must have said `<address> success` of every SoC, and nothing else; its exit code is not asked.
fn succeeded(output: &ToolOutput, socs: &[PciAddress]) -> Result<(), StepError> {
    let Ok(report) = output.stdout.parse::<ResetReport>();
    if output.timed_out || !socs.iter().all(|&soc| report.succeeded(soc)) {
        return Err(failed(QUERY_TOOL, output));
    }
    Ok(())
}

/// Fails where anybody holds one of these SoCs, or may, or a driver gives it away.
pub(super) fn free(machine: &Machine, socs: &[PciAddress]) -> Result<(), StepError> {
    let OpenHandles {
        open,
        unseen,
        unseen_of,
    } = machine.holders(socs, Depth::Whole)?;
    if let Some(open) = open.into_iter().next() {
        let pid = open
            .pid
            .map_or_else(String::new, |pid| format!(" (pid {pid})"));
        return Err(StepError::Held {
            soc: open.soc,
            by: format!("{}{pid}", open.name),
        });
    }
    // Who cannot be seen may hold them.
    if let Some(error) = unseen.or_else(|| unseen_of.into_values().next()) {
        return Err(error.into());
    }
    for &soc in socs {
        let folder = format!("{}/{soc}", pci::DEVICES);
        // Kernels before 6.19 do not tell.
        if let Some((kind, name)) = holder(&channels(machine, &folder)) {
            let by = match kind {
                HolderKind::Unseen { why } => {
                    format!("somebody who cannot be seen ({name}: {why:?})")
                }
                HolderKind::Foreign | HolderKind::Worker { .. } | HolderKind::Pod { .. } => name,
            };
            return Err(StepError::Held { soc, by });
        }
        let driver = machine.readlink(&format!("{}/{soc}/driver", pci::DEVICES));
        let name = driver
            .ok()
            .and_then(|target| target.rsplit('/').next().map(str::to_owned));
        if let Some(name) = name.filter(|name| hands_on(name)) {
            return Err(StepError::Held { soc, by: name });
        }
    }
    Ok(())
}

pub(super) fn drain(
    machine: &Machine,
    socs: &[PciAddress],
    timeout: Duration,
) -> Result<Performed, StepError> {
    let came = wait_for(machine, timeout, || {
        Ok(machine.holders(socs, Depth::Whole)?.open.is_empty())
    })?;
    if !came {
        free(machine, socs)?;
    }
    free(machine, socs)?;
    Ok(Performed::Seen)
}

/// How long a SoC that is being waited for may be off the bus before it has fallen off it. A reset does not take its function
/// away: it goes through MHI and touches no bridge. Where a hot-plug port notices that the link goes down, the kernel takes
/// the function away and brings it back when the link is up again, and the driver gives a reset 25 s: twice that, and some.
const GONE_AFTER: Duration = Duration::from_mins(1);

pub(super) fn wait_ready(
    machine: &Machine,
    socs: &[SocIdentity],
    timeout: Duration,
) -> Result<Performed, StepError> {
    let mut found = String::new();
    let mut away: BTreeMap<PciAddress, Timestamp> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let came = wait_for(machine, timeout, || {
        let roll = Roll::call(machine, &addresses(socs));
        let now = machine.now();
        let mut missing = Vec::new();
        let mut awaited = 0;
        for soc in socs {
            // Asked after the tool: it may go on showing what is there no more.
            let off = is_off_the_bus(machine, soc.address);
            if off {
                let since = *away.entry(soc.address).or_insert(now);
                if since.until(now) >= GONE_AFTER {
                    gone.insert(soc.address);
                }
            } else {
                away.remove(&soc.address);
                gone.remove(&soc.address);
            }
            // A tool that fails while SoCs boot is not the end of the wait; the deadline is.
            let state = match roll.state(soc.address) {
                Ok(_) if off => "off the bus".to_owned(),
                Ok(state) => state,
                Err(error) => error.to_string(),
            };
            if state != "Ready" {
                missing.push(format!("{} {state}", soc.address));
                awaited += usize::from(!gone.contains(&soc.address));
            }
        }
        found = missing.join(", ");
        // Those beside one that is gone are waited for all the same.
        Ok(awaited == 0)
    })?;
    if !came {
        return Err(StepError::Deadline {
            waited: timeout,
            wanted: format!("{} SoCs to be Ready", socs.len()),
            found,
        });
    }
    if !gone.is_empty() {
        return Err(StepError::Gone {
            socs: gone.into_iter().collect(),
            waited: GONE_AFTER,
        });
    }
    for soc in socs {
        confirm(machine, soc)?;
    }
    Ok(Performed::Seen)
}

fn addresses(socs: &[SocIdentity]) -> Vec<PciAddress> {
    socs.iter().map(|soc| soc.address).collect()
}

/// Whether the bus has no function at this address; where that cannot be read, it may have one.
fn is_off_the_bus(machine: &Machine, soc: PciAddress) -> bool {
    let link = machine.readlink(&format!("{}/{soc}", pci::DEVICES));
    link.is_err_and(|error| error.source.kind() == std::io::ErrorKind::NotFound)
}

/// How long a SoC that is Ready may say nothing of what it can do.
pub(super) const CAPABLE: Duration = Duration::from_secs(30);

pub(super) fn verify_mdp(
    machine: &Machine,
    socs: &[SocIdentity],
    enable: MdpSetting,
) -> Result<Performed, StepError> {
    let mut roll = Roll::call(machine, &addresses(socs));
    // Firmware that has just started may be Ready before it says what it can do.
    wait_for(machine, CAPABLE, || {
        roll = Roll::call(machine, &addresses(socs));
        let silent = |soc: &SocIdentity| match roll.device(soc.address) {
            Ok(Some(device)) => {
                let says = device.mdp().is_some() || device.says("Device Capabilities");
                device.status() == Some(SocStatus::Ready) && !says
            }
            Ok(None) | Err(_) => false,
        };
        Ok(!socs.iter().any(silent))
    })?;
    for soc in socs {
        confirm(machine, soc)?;
        let mdp = roll.device(soc.address)?.and_then(Device::mdp);
        if !mdp.is_some_and(|mdp| enable.is(mdp)) {
            return Err(StepError::NotProven {
                soc: soc.address,
                wanted: match enable {
                    MdpSetting::On => "MDP+".to_owned(),
                    MdpSetting::Off => "no MDP+".to_owned(),
                },
                found: match mdp {
                    Some(true) => "MDP+".to_owned(),
                    Some(false) => "no MDP+".to_owned(),
                    None => format!("no capabilities ({})", roll.state(soc.address)?),
                },
            });
        }
    }
    Ok(Performed::Seen)
}

/// Looks until `there` says so or the time is over; says which. The last look is at the deadline itself.
pub(super) fn wait_for(
    machine: &Machine,
    timeout: Duration,
    mut there: impl FnMut() -> Result<bool, StepError>,
) -> Result<bool, StepError> {
    let deadline = machine.now().plus(timeout);
    let mut pause = FIRST_LOOK;
    loop {
        if there()? {
            return Ok(true);
        }
        let now = machine.now();
        if now >= deadline {
            return Ok(false);
        }
        machine.pause(pause.min(now.until(deadline)));
        pause = (pause * 2).min(SLOWEST_LOOK);
    }
}
