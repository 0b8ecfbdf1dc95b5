//! Who holds a SoC on Linux: processes with its accel node or its VFIO group open, found in `/proc/*/fd`.
use std::collections::BTreeMap;

use crd::id::PciAddress;

use super::Linux;
use crate::access::{AccessError, OpenHandle};

pub(crate) fn holders(linux: &Linux, socs: &[PciAddress]) -> Result<Vec<OpenHandle>, AccessError> {
    let nodes = device_nodes(linux, socs);
    let mut held = Vec::new();
    if nodes.is_empty() {
        return Ok(held);
    }
    for pid in linux.list("/proc")? {
        let Ok(number) = pid.parse::<u32>() else {
            continue;
        };
        // A process may end, or belong to somebody else, while we look: then it shows nothing.
        let Ok(descriptors) = linux.list(&format!("/proc/{pid}/fd")) else {
            continue;
        };
        for descriptor in descriptors {
            let Ok(target) = linux.readlink(&format!("/proc/{pid}/fd/{descriptor}")) else {
                continue;
            };
            if let Some(&soc) = nodes.get(&target) {
                let name = linux
                    .read(&format!("/proc/{pid}/comm"))
                    .map(|name| String::from_utf8_lossy(&name).trim().to_owned())
                    .unwrap_or_default();
                held.push(OpenHandle {
                    soc,
                    pid: Some(number),
                    name,
                });
            }
        }
    }
    held.sort();
    held.dedup();
    Ok(held)
}

/// Device nodes that stand for a SoC, by path: `/dev/accel/accelN`, `/dev/qaic_aic100_N`, `/dev/vfio/GROUP`.
fn device_nodes(linux: &Linux, socs: &[PciAddress]) -> BTreeMap<String, PciAddress> {
    let mut nodes = BTreeMap::new();
    for &soc in socs {
        let folder = format!("/sys/bus/pci/devices/{soc}");
        for name in linux.list(&format!("{folder}/accel")).unwrap_or_default() {
            nodes.insert(format!("/dev/accel/{name}"), soc);
        }
        for name in linux.list(&format!("{folder}/qaic")).unwrap_or_default() {
            nodes.insert(format!("/dev/{name}"), soc);
        }
        let group = linux
            .readlink(&format!("{folder}/iommu_group"))
            .ok()
            .and_then(|target| target.rsplit('/').next().map(str::to_owned));
        if let Some(group) = group {
            nodes.insert(format!("/dev/vfio/{group}"), soc);
        }
    }
    nodes
}
