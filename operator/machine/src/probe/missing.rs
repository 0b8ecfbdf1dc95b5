//! What steps call and is known not to be there: plans are made by it, so that nothing is begun which could not be ended.
//!
//! Format: documented (the SDK's folders; systemd.unit(5): where units lie; sd_booted(3): by which folder a machine that is run
//! by systemd is known; its unit is masked that is empty or a link to
//! `/dev/null`).
use std::collections::BTreeMap;

use crd::{Unknown, kind::rack::VendorTool};

use super::reach::reason;
use crate::machine::Machine;

/// The vendor's name for qmonitor's unit.
pub(crate) const QMONITOR_UNIT: &str = "qmonitor-proxy.service";
const TOOLS: &str = "/opt/qti-aic/tools";
const EXEC: &str = "/opt/qti-aic/exec";
const FIRMWARE: &str = "/opt/qti-aic/firmware";
/// Where the Apps SDK puts the programs of its own tests.
const TESTS: &str = "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin";
/// There where systemd runs the machine, and nowhere else: its tools refuse to work without.
const BOOTED: &str = "/run/systemd/system";
/// What a masked unit is a link to, unless it is empty.
pub(crate) const NOTHING: &str = "/dev/null";
/// Where a unit lies that outlives its end, the first that counts before the others; transient ones have another folder.
pub(crate) const UNITS: [&str; 5] = [
    "/etc/systemd/system",
    BOOTED,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What is missing for certain, with where it was looked for. What could not be looked for may be there.
pub(super) fn missing(machine: &Machine) -> BTreeMap<VendorTool, String> {
    let mut missing: BTreeMap<VendorTool, String> = [
        (VendorTool::QaicMonitorJson, TOOLS),
        (VendorTool::QaicRunner, EXEC),
        (VendorTool::P2PTest, TESTS),
    ]
    .into_iter()
    .filter_map(|(tool, folder)| {
        let lacking = match tool {
            // A folder of data.
            VendorTool::P2PTest => {
                let lacks = has(machine, folder, tool.name()) == Some(false);
                lacks.then(|| folder.to_owned())
            }
            _ => lacks(machine, folder, tool.name()),
        };
        Some((tool, lacking?))
    })
    .collect();
    missing.extend(for_qmonitor(machine));
    missing
}

/// What is missing to start qmonitor: whoever starts it, and what is started where no unit of its says something else.
fn for_qmonitor(machine: &Machine) -> Vec<(VendorTool, String)> {
    let server = VendorTool::QaicMonitorGrpcServer;
    let starts = VendorTool::SystemdRun;
    let mut missing = Vec::new();
    let reads = VendorTool::QmonitorFirmware;
    let lacks_server = lacks(machine, TOOLS, server.name());
    let lacks_firmware = has(machine, FIRMWARE, reads.name()) == Some(false);
    let lacks_starter = machine.locate(starts.name()).is_none();
    // One that is installed is started by its name, and knows itself what it starts.
    let installed = (lacks_server.is_some() || lacks_firmware || lacks_starter)
        && UNITS
            .iter()
            .any(|folder| has(machine, folder, QMONITOR_UNIT) != Some(false))
        && masked(machine).is_none();
    if let Some(lacking) = lacks_server.filter(|_| !installed) {
        missing.push((server, lacking));
    }
    if lacks_firmware && !installed {
        missing.push((reads, FIRMWARE.to_owned()));
    }
    if lacks_starter && !(installed && machine.locate("systemctl").is_some()) {
        missing.push((starts, starts.name().to_owned()));
    } else if is_absent(machine, BOOTED) {
        missing.push((starts, BOOTED.to_owned()));
    }
    missing
}

/// The file that masks qmonitor's unit: of all that have its name the first counts. Where one could not be looked for,
/// nothing is said.
pub(super) fn masked(machine: &Machine) -> Option<String> {
    for folder in UNITS {
        if has(machine, folder, QMONITOR_UNIT)? {
            let unit = format!("{folder}/{QMONITOR_UNIT}");
            let nothing = match machine.readlink(&unit) {
                Ok(target) => target == NOTHING,
                Err(_) => machine.read(&unit).is_ok_and(|text| text.is_empty()),
            };
            return nothing.then_some(unit);
        }
    }
    None
}

/// The folder that is known to have nothing of this name, or what is there of it and is no program that may be run.
fn lacks(machine: &Machine, folder: &str, name: &str) -> Option<String> {
    let path = format!("{folder}/{name}");
    if !has(machine, folder, name)? {
        return Some(folder.to_owned());
    }
    (machine.is_program(&path) == Some(false)).then_some(path)
}

/// Whether a folder has something of this name; absent where that cannot be told.
fn has(machine: &Machine, folder: &str, name: &str) -> Option<bool> {
    match machine.list(folder) {
        Ok(names) => Some(names.iter().any(|found| found == name)),
        Err(error) => (reason(&error) == Unknown::Absent).then_some(false),
    }
}

fn is_absent(machine: &Machine, folder: &str) -> bool {
    machine
        .list(folder)
        .is_err_and(|error| reason(&error) == Unknown::Absent)
}
