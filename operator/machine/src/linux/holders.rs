//! Who holds a SoC on Linux: processes with its node or its VFIO group open, found in `/proc/*/fd`, and whose they are.
//!
//! What cannot be looked into is told: a process of somebody else shows its descriptors to root alone, and `/proc` of a PID
//! namespace shows no process outside it.
//!
//! Format: documented (proc(5), pid_namespaces(7)); seen on real kernels, though never with a card.
use std::io;

use crd::id::PciAddress;
use nix::errno::Errno;

use super::{Linux, failed, mounts::Mounts, nodes::Nodes};
use crate::{
    access::{AccessError, OpenHandle, OpenHandles},
    vendor::CgroupOwner,
};

/// What the first PID namespace is called (`PROC_PID_INIT_INO` in include/linux/proc_ns.h): all processes are in it.
const ALL_PROCESSES: &str = "pid:[4026531836]";

pub(crate) fn holders(linux: &Linux, socs: &[PciAddress]) -> OpenHandles {
    let mut seen = OpenHandles::default();
    let nodes = Nodes::of(linux, socs, &mut seen.unseen_of);
    if nodes.is_empty() {
        return seen;
    }
    let mut mounts = Mounts::default();
    for pid in processes(linux, &mut seen.unseen) {
        of_process(linux, pid, &nodes, &mut mounts, &mut seen);
    }
    // Asked last: what one process denies tells more.
    let whole = all_processes(linux);
    present(whole, &mut seen.unseen, Gone::Counts);
    seen.open.sort();
    seen.open.dedup();
    seen
}

/// Whether `/proc` shows every process of the machine: its first one is that of the first namespace.
fn all_processes(linux: &Linux) -> Result<(), AccessError> {
    const FIRST: &str = "/proc/1/ns/pid";
    let namespace = linux.readlink(FIRST)?;
    if namespace == ALL_PROCESSES {
        return Ok(());
    }
    let why = "this is not the PID namespace in which all processes are";
    Err(failed(
        "looking at all processes in",
        FIRST,
        io::Error::other(why),
    ))
}

/// The processes that `/proc` shows.
pub(super) fn processes(linux: &Linux, unseen: &mut Option<AccessError>) -> Vec<u32> {
    let names = present(linux.list("/proc"), unseen, Gone::Counts);
    let numbers = names.into_iter().flatten();
    numbers.filter_map(|name| name.parse().ok()).collect()
}

fn of_process(linux: &Linux, pid: u32, nodes: &Nodes, mounts: &mut Mounts, seen: &mut OpenHandles) {
    let folder = format!("/proc/{pid}/fd");
    let Some(descriptors) = present(linux.list(&folder), &mut seen.unseen, Gone::Ended) else {
        return;
    };
    if !descriptors.is_empty() {
        of_descriptors(linux, (pid, &folder), &descriptors, nodes, mounts, seen);
        return;
    }
    // A first thread that has ended shows none, and the process lives on in its other threads, with all that it has open.
    let tasks = format!("/proc/{pid}/task");
    let threads = present(linux.list(&tasks), &mut seen.unseen, Gone::Ended).unwrap_or_default();
    for thread in threads.iter().filter(|thread| **thread != pid.to_string()) {
        let folder = format!("{tasks}/{thread}/fd");
        let descriptors = present(linux.list(&folder), &mut seen.unseen, Gone::Ended);
        let descriptors = descriptors.unwrap_or_default();
        of_descriptors(linux, (pid, &folder), &descriptors, nodes, mounts, seen);
    }
}

fn of_descriptors(
    linux: &Linux,
    (pid, folder): (u32, &str),
    descriptors: &[String],
    nodes: &Nodes,
    mounts: &mut Mounts,
    seen: &mut OpenHandles,
) {
    for descriptor in descriptors {
        let link = format!("{folder}/{descriptor}");
        let target = present(linux.readlink(&link), &mut seen.unseen, Gone::Ended);
        // Sockets, pipes and what else has no path are no devices.
        let Some(target) = target.filter(|target| target.starts_with('/')) else {
            continue;
        };
        let local = mounts.is_local(linux, pid, &target);
        let number = local.then(|| linux.device_number(&link)).flatten();
        if let Some(soc) = nodes.soc(&target, number) {
            seen.open.push(handle(linux, pid, soc));
        }
    }
}

/// A process that has a SoC open, and whose it is.
pub(super) fn handle(linux: &Linux, pid: u32, soc: PciAddress) -> OpenHandle {
    let text = |file: &str| {
        let bytes = linux.read(&format!("/proc/{pid}/{file}"));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let Ok(CgroupOwner {
        unit,
        container,
        pod,
    }) = text("cgroup").unwrap_or_default().parse();
    OpenHandle {
        soc,
        pid: Some(pid),
        name: text("comm").unwrap_or_default(),
        unit,
        container,
        pod,
    }
}

/// What it means that something is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// A process ended, or a descriptor was closed, while we looked: it holds nothing.
    Ended,
    /// What must be there is not.
    Counts,
}

/// What was read; where it could not be, that is kept, unless it only went.
pub(super) fn present<T>(
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
