//! Who holds a SoC on Linux: processes with its node or its VFIO group open, found in `/proc/*/fd` and, where that is asked
//! (`mapped`), by their mappings, and whose they are.
//!
//! What cannot be looked into is told: a process of somebody else shows its descriptors to root alone, and `/proc` of a PID
//! namespace shows no process outside it.
//!
//! Format: documented (proc(5), pid_namespaces(7)); seen on real kernels, though never with a card.
use std::io;

use crd::id::PciAddress;
use nix::errno::Errno;

use super::{Linux, failed, folder::Folder, mounts::Mounts, nodes::Nodes};
use crate::{
    access::{AccessError, Depth, OpenHandle, OpenHandles},
    vendor::CgroupOwner,
};

/// What the first PID namespace is called (`PROC_PID_INIT_INO` in include/linux/proc_ns.h): all processes are in it.
const ALL_PROCESSES: &str = "pid:[4026531836]";
/// The namespace of the first process.
const FIRST: &str = "/proc/1/ns/pid";

pub(crate) fn holders(linux: &Linux, socs: &[PciAddress], depth: Depth) -> OpenHandles {
    let mut seen = OpenHandles::default();
    let nodes = Nodes::of(linux, socs, &mut seen.unseen_of);
    if nodes.is_empty() {
        return seen;
    }
    let mut search = Search {
        linux,
        nodes,
        mounts: Mounts::default(),
        seen,
    };
    for pid in search.processes() {
        search.descriptors(pid, depth);
        if depth == Depth::Whole {
            search.mappings(pid);
        }
    }
    let mut seen = search.seen;
    // Asked last: what one process denies tells more.
    let whole = all_processes(linux);
    present(whole, &mut seen.unseen, Gone::Counts);
    seen.open.sort();
    seen.open.dedup();
    seen
}

/// A search through all processes.
pub(super) struct Search<'a> {
    pub(super) linux: &'a Linux,
    nodes: Nodes,
    mounts: Mounts,
    pub(super) seen: OpenHandles,
}

impl Search<'_> {
    /// The processes that `/proc` shows.
    fn processes(&mut self) -> Vec<u32> {
        let names = present(
            self.linux.list("/proc"),
            &mut self.seen.unseen,
            Gone::Counts,
        );
        let numbers = names.into_iter().flatten();
        numbers.filter_map(|name| name.parse().ok()).collect()
    }

    /// What a process has open. Threads mostly share it; one may have taken files of its own (`CLONE_FILES`, unshare(2)), which
    /// is looked for where it decides: thousands of threads show the same again.
    fn descriptors(&mut self, pid: u32, depth: Depth) {
        let first = self.descriptors_of(pid, &format!("/proc/{pid}"));
        if first == Some(0) || depth == Depth::Whole {
            for thread in self.threads(pid) {
                self.descriptors_of(pid, &thread);
            }
        }
    }

    /// What one thread has open, and how much that is, where it can be seen.
    fn descriptors_of(&mut self, pid: u32, thread: &str) -> Option<usize> {
        let folder = format!("{thread}/fd");
        let descriptors = present(self.linux.list(&folder), &mut self.seen.unseen, Gone::Ended)?;
        let links = Folder::of(self.linux, &folder);
        for descriptor in &descriptors {
            let target = links.readlink(descriptor);
            // A path longer than a page, which anybody can make and nobody is told: no node has one.
            if let Err(error) = &target
                && error.source.raw_os_error() == Some(Errno::ENAMETOOLONG as i32)
            {
                continue;
            }
            if let Some(target) = present(target, &mut self.seen.unseen, Gone::Ended) {
                self.file(pid, &target, || format!("{folder}/{descriptor}"));
            }
        }
        Some(descriptors.len())
    }

    /// The other threads of a process. Its first one may have ended, and the process lives on in them with all that it has open.
    pub(super) fn threads(&mut self, pid: u32) -> Vec<String> {
        let folder = format!("/proc/{pid}/task");
        let threads = present(self.linux.list(&folder), &mut self.seen.unseen, Gone::Ended);
        let first = pid.to_string();
        let others = threads.into_iter().flatten();
        others
            .filter(|thread| *thread != first)
            .map(|thread| format!("{folder}/{thread}"))
            .collect()
    }

    /// A file that a process has open: its name there, and a link that leads to it.
    pub(super) fn file(&mut self, pid: u32, path: &str, link: impl Fn() -> String) {
        // Sockets, pipes and what else has no path are no devices.
        if !path.starts_with('/') {
            return;
        }
        let local = self.mounts.is_local(self.linux, pid, path);
        let number = local.then(|| self.linux.device_number(&link())).flatten();
        if let Some(soc) = self.nodes.soc(path, number) {
            self.seen.open.push(handle(self.linux, pid, soc));
        }
    }
}

/// Whether process 1 is the machine's, as far as this can be told: in a container that has processes of its own it is not, and
/// neither is its network the machine's.
pub(crate) fn whole_host(linux: &Linux) -> Result<(), AccessError> {
    match linux.readlink(FIRST) {
        Ok(namespace) if namespace != ALL_PROCESSES => Err(other_namespace()),
        // Whoever may not ask is told the same of the machine as of anything else.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether `/proc` shows every process of the machine: its first one is that of the first namespace.
fn all_processes(linux: &Linux) -> Result<(), AccessError> {
    let namespace = linux.readlink(FIRST)?;
    if namespace == ALL_PROCESSES {
        return Ok(());
    }
    Err(other_namespace())
}

fn other_namespace() -> AccessError {
    let why = "this is not the PID namespace in which all processes are";
    failed("looking at all processes in", FIRST, io::Error::other(why))
}

/// A process that has a SoC open, and whose it is.
fn handle(linux: &Linux, pid: u32, soc: PciAddress) -> OpenHandle {
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
