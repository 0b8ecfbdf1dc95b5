//! What a run might leave on the machine: settings, mounts, control groups, files, links and processes of its namespaces.
use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail};

use host::{command, output};

use crate::{groups::hierarchies, place::Room};

/// Folders of settings that kubelets and proxies write; those of the network are seen in the machine's own namespace.
const SETTINGS: [&str; 5] = [
    "/proc/sys/vm",
    "/proc/sys/kernel",
    "/proc/sys/kernel/keys",
    "/proc/sys/net/ipv4",
    "/proc/sys/net/netfilter",
];
/// Settings that say how the machine is just now.
const READINGS: [&str; 7] = [
    "nf_conntrack_count",
    "ns_last_pid",
    "random",
    "pty",
    "sched_domain",
    "perf_event_max_sample_rate",
    "tcp_fastopen_key",
];
/// Where engines, plugins and kubelets keep things by default.
const FOLDERS: [&str; 11] = [
    "/run/netns",
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/pods",
    "/var/log/containers",
    "/var/lib/shardplane",
    "/etc/cni/net.d",
    "/etc/modprobe.d",
    "/etc/sysctl.d",
];

/// The machine, in lines that are the same where nothing was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine(BTreeSet<String>);

impl Machine {
    /// Looks at the machine; what other runs of this harness have is theirs.
    pub(crate) fn look(room: &Room) -> Result<Self> {
        let mut lines = BTreeSet::new();
        for folder in SETTINGS {
            lines.extend(settings(Path::new(folder)));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading mounts")?;
        // The ids in front are given anew for each mount; what is mounted where is behind them.
        lines.extend(
            mounts
                .lines()
                .filter_map(|line| Some(format!("mount {}", line.splitn(4, ' ').last()?))),
        );
        for hierarchy in hierarchies() {
            // Below groups that were there before, whoever has them makes and removes as it likes.
            let groups = fs::read_dir(&hierarchy).into_iter().flatten().flatten();
            lines.extend(
                groups
                    .filter(|entry| entry.path().is_dir())
                    .map(|entry| format!("control group {}", entry.path().display())),
            );
        }
        for folder in FOLDERS {
            lines.extend(entries(folder));
        }
        let links = output(command("ip").args(["-brief", "link", "show"]))?;
        lines.extend(links.lines().map(|line| format!("link {line}")));
        lines.extend(entries("/tmp"));
        let name = room.name();
        lines.retain(|line| !line.contains(Room::PREFIX) || line.contains(&name));
        // Others work in the folder of temporary files too.
        lines.retain(|line| !line.starts_with("file /tmp/") || line.contains(&name));
        Ok(Self(lines))
    }

    /// Leaves out the folder of temporary files, where a run's own folder is for as long as it runs.
    pub(crate) fn forget_files(&mut self) {
        self.0.retain(|line| !line.starts_with("file /tmp/"));
    }

    /// Fails where another look shows something else.
    pub(crate) fn is_as_before(&self, after: &Self) -> Result<()> {
        let appeared: Vec<&String> = after.0.difference(&self.0).collect();
        let gone: Vec<&String> = self.0.difference(&after.0).collect();
        if appeared.is_empty() && gone.is_empty() {
            return Ok(());
        }
        bail!("the machine is not as it was; new: {appeared:#?}, gone: {gone:#?}")
    }
}

fn settings(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|entry| !READINGS.contains(&entry.file_name().to_string_lossy().as_ref()))
        .filter_map(|entry| {
            let value = fs::read_to_string(entry.path()).ok()?;
            Some(format!("{} = {}", entry.path().display(), value.trim()))
        })
        .collect()
}

fn entries(folder: &str) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .map(|entry| format!("file {}", entry.path().display()))
        .collect();
    if Path::new(folder).exists() {
        names.push(format!("folder {folder}"));
    }
    names
}

/// The namespaces of a process that are not the machine's own.
pub(crate) fn namespaces(pid: &str) -> BTreeSet<String> {
    let own = links("self");
    links(pid).difference(&own).cloned().collect()
}

fn links(pid: &str) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/ns"))
        .into_iter()
        .flatten()
        .flatten();
    files
        .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string()))
        .collect()
}

/// Processes that are in one of these namespaces.
pub(crate) fn inhabitants(namespaces: &BTreeSet<String>) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| !links(pid).is_disjoint(namespaces))
        .collect()
}
