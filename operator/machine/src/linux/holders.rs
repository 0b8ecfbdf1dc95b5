//! Who holds a SoC on Linux: processes with its node or its VFIO group open, found in `/proc/*/fd`, and whose they are.
//!
//! What cannot be looked into is told: a process of somebody else shows its descriptors to root alone.
use std::{collections::BTreeMap, io};

use crd::id::PciAddress;
use nix::errno::Errno;

use super::Linux;
use crate::{
    access::{AccessError, OpenHandle, OpenHandles},
    vendor::CgroupOwner,
};

pub(crate) fn holders(linux: &Linux, socs: &[PciAddress]) -> OpenHandles {
    let mut seen = OpenHandles::default();
    let nodes = device_nodes(linux, socs, &mut seen.unseen);
    if nodes.is_empty() {
        return seen;
    }
    let pids = present(linux.list("/proc"), &mut seen.unseen, Gone::Counts);
    for pid in pids.unwrap_or_default() {
        if let Ok(number) = pid.parse() {
            of_process(linux, number, &nodes, &mut seen);
        }
    }
    seen.open.sort();
    seen.open.dedup();
    seen
}

fn of_process(
    linux: &Linux,
    pid: u32,
    nodes: &BTreeMap<String, PciAddress>,
    seen: &mut OpenHandles,
) {
    let folder = format!("/proc/{pid}/fd");
    let descriptors = present(linux.list(&folder), &mut seen.unseen, Gone::Ended);
    for descriptor in descriptors.unwrap_or_default() {
        let target = linux.readlink(&format!("{folder}/{descriptor}"));
        let Some(target) = present(target, &mut seen.unseen, Gone::Ended) else {
            continue;
        };
        if let Some(&soc) = nodes.get(&target) {
            let text = |file: &str| {
                let bytes = linux.read(&format!("/proc/{pid}/{file}"));
                bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
            };
            let Ok(CgroupOwner {
                unit,
                container,
                pod,
            }) = text("cgroup").unwrap_or_default().parse();
            seen.open.push(OpenHandle {
                soc,
                pid: Some(pid),
                name: text("comm").unwrap_or_default(),
                unit,
                container,
                pod,
            });
        }
    }
}

/// What it means that something is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// A process ended, or a descriptor was closed, while we looked: it holds nothing.
    Ended,
    /// What must be there is not.
    Counts,
}

/// What was read; where it could not be, that is kept, unless it only went.
fn present<T>(
    read: Result<T, AccessError>,
    unseen: &mut Option<AccessError>,
    gone: Gone,
) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            let ended = error.source.kind() == io::ErrorKind::NotFound
                || error.source.raw_os_error() == Some(Errno::ESRCH as i32);
            if !(ended && gone == Gone::Ended) {
                unseen.get_or_insert(error);
            }
            None
        }
    }
}

/// Device nodes that stand for a SoC, by path: `/dev/accel/accelN`, `/dev/qaic_aic100_N`, `/dev/vfio/GROUP`.
fn device_nodes(
    linux: &Linux,
    socs: &[PciAddress],
    unseen: &mut Option<AccessError>,
) -> BTreeMap<String, PciAddress> {
    let mut nodes = BTreeMap::new();
    for &soc in socs {
        let folder = format!("/sys/bus/pci/devices/{soc}");
        for (class, prefix) in [("accel", "/dev/accel/"), ("qaic", "/dev/")] {
            let names = present(
                linux.list(&format!("{folder}/{class}")),
                unseen,
                Gone::Ended,
            );
            for name in names.unwrap_or_default() {
                nodes.insert(format!("{prefix}{name}"), soc);
            }
        }
        let link = linux.readlink(&format!("{folder}/iommu_group"));
        let target = present(link, unseen, Gone::Ended);
        if let Some(group) = target
            .as_deref()
            .and_then(|target| target.rsplit('/').next())
        {
            nodes.insert(format!("/dev/vfio/{group}"), soc);
        }
    }
    nodes
}
