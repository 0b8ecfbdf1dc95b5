//! `/proc/PID/cgroup`: the systemd unit, the container and the pod that a process belongs to.
//!
//! Format: documented (cgroups(7): `hierarchy:controllers:path`, one line on version 2, several on version 1). How a path is
//! composed is each engine's own: those of kubelet (systemd and cgroupfs drivers), containerd, CRI-O, Docker and Podman are
//! observed on ordinary hosts; those of LXC (`lxc.payload.NAME`, before that `lxc/NAME`) and of systemd-nspawn
//! (`machine-NAME.scope/payload`) are documented. What is not recognised names nothing.
use std::{convert::Infallible, str::FromStr};

/// Whose a process is, as far as its control group tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupOwner {
    /// The innermost systemd unit of the machine itself; none for what runs in a container, whose units are its own.
    pub unit: Option<String>,
    /// The innermost container's id, of 64 hexadecimal digits as a rule; its name where the engine knows it by that.
    pub container: Option<String>,
    /// The pod's uid, with dashes.
    pub pod: Option<String>,
}

/// Names longer than this are cut: nothing that an engine makes is.
const LONGEST: usize = 128;
/// Beginnings that engines give a container's scope.
const ENGINES: [&str; 8] = [
    "cri-containerd-",
    "containerd-",
    "nerdctl-",
    "crio-",
    "docker-",
    "libpod-payload-",
    "libpod-",
    "podman-",
];

impl FromStr for CgroupOwner {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let paths: Vec<(&str, &str)> = text.lines().filter_map(line).collect();
        // The unified hierarchy and systemd's own know units; a controller's may know the container where they do not.
        let ranked = |wanted: fn(&str) -> bool| {
            paths
                .iter()
                .filter(move |(controllers, _)| wanted(controllers))
                .map(|&(_, path)| owner(path))
        };
        let mut whole = Self::default();
        for found in ranked(str::is_empty)
            .chain(ranked(|c| c == "name=systemd"))
            .chain(ranked(|c| !c.is_empty() && c != "name=systemd"))
        {
            whole.unit = whole.unit.or(found.unit);
            whole.container = whole.container.or(found.container);
            whole.pod = whole.pod.or(found.pod);
        }
        // One hierarchy may see a unit where another sees the container that it is in.
        if whole.container.is_some() || whole.pod.is_some() {
            whole.unit = None;
        }
        Ok(whole)
    }
}

/// Controllers and path; the path may hold colons.
fn line(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    Some((controllers, path.trim_end_matches('\r')))
}

fn owner(path: &str) -> CgroupOwner {
    let mut found = CgroupOwner::default();
    let mut above = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // Containerd without systemd's driver writes `SLICE:cri-containerd:ID`.
        for word in part.split(':') {
            if let Some(pod) = pod(word) {
                found.pod = Some(pod);
                // What is above a pod is kubelet's or the engine's.
                found.unit = None;
                found.container = None;
            } else if let Some(container) = container(word).or_else(|| payload(above, word)) {
                found.container = Some(container);
                found.unit = None;
            } else if is_unit(word) && found.container.is_none() && found.pod.is_none() {
                found.unit = Some(word.chars().take(LONGEST).collect());
            }
            above = word;
        }
    }
    found
}

/// A container's id: with its engine's prefix in a scope of its own, or bare.
fn container(word: &str) -> Option<String> {
    let bare = word.strip_suffix(".scope").unwrap_or(word);
    let id = ENGINES
        .iter()
        .find_map(|engine| bare.strip_prefix(engine))
        .unwrap_or(bare);
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    (id.len() == 64 && is_hex(id)).then(|| id.to_owned())
}

/// A container that is known by its name: LXC's, whose processes have a group of their own beside that of its monitor, or
/// systemd-nspawn's.
fn payload(above: &str, word: &str) -> Option<String> {
    let name = match (above, word) {
        ("lxc" | "lxc.payload", name) => name,
        (machine, "payload") => machine
            .strip_prefix("machine-")
            .and_then(|rest| rest.strip_suffix(".scope"))
            .or_else(|| {
                let rest = machine.strip_prefix("systemd-nspawn@")?;
                rest.strip_suffix(".service")
            })?,
        (_, word) => word.strip_prefix("lxc.payload.")?,
    };
    (!name.is_empty()).then(|| name.chars().take(LONGEST).collect())
}

/// A pod's uid: behind `pod` at the start (cgroupfs) or after the slices above it (systemd), where dashes are underscores.
fn pod(word: &str) -> Option<String> {
    let bare = word.strip_suffix(".slice").unwrap_or(word);
    let uid = match bare.strip_prefix("pod") {
        Some(uid) => uid,
        None => bare.rsplit_once("-pod")?.1,
    };
    let uid = uid.replace('_', "-");
    // A static pod's is a digest without dashes.
    let plain = uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let digits = uid.bytes().filter(|&b| b != b'-').count();
    (plain && digits == 32 && uid.len() <= 36).then_some(uid)
}

fn is_unit(word: &str) -> bool {
    [".service", ".scope"]
        .iter()
        .any(|kind| word.len() > kind.len() && word.ends_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f5a1c0de9b84e7f8a6d2b1c4e5f60718293a4b5c6d7e8f9012345678abcdef0";
    const UID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    /// Unit, container and pod, each `-` where there is none; `ID` and `UID` stand for the long ones.
    fn check(text: &str, expected: &str) {
        let text = text
            .replace("_UID_", &UID.replace('-', "_"))
            .replace("UID", UID)
            .replace("ID", ID);
        let Ok(CgroupOwner {
            unit,
            container,
            pod,
        }) = text.parse();
        let word = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let seen = format!("{} {} {}", word(unit), word(container), word(pod));
        assert_eq!(
            seen.replace(UID, "UID").replace(ID, "ID"),
            expected,
            "{text}"
        );
    }

    #[test]
    fn version_two() {
        check("0::/system.slice/sshd.service\n", "sshd.service - -");
        check(
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "session-3.scope - -",
        );
        check(
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n",
            "a.service - -",
        );
        check("0::/system.slice/docker-ID.scope\n", "- ID -");
        check("0::/docker/ID\n", "- ID -");
        check("0::/machine.slice/libpod-ID.scope/container\n", "- ID -");
        check(
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod_UID_.slice/cri-containerd-ID.scope\n",
            "- ID UID",
        );
        check(
            "0::/kubepods.slice/kubepods-pod_UID_.slice/crio-ID.scope\r\n",
            "- ID UID",
        );
        check("0::/kubepods/besteffort/podUID/ID\n", "- ID UID");
        check("0::/kubepods/podUID\n", "- - UID");
        // A node in a container: the inner pod counts.
        check(
            "0::/system.slice/docker-ID.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod_UID_.slice/cri-containerd-ID.scope\n",
            "- ID UID",
        );
        // A service inside a container is the container's own.
        check(
            "0::/system.slice/docker-ID.scope/init.scope/a.service\n",
            "- ID -",
        );
        check(
            "0::/system.slice/docker-ID.scope/system.slice/a.service\n",
            "- ID -",
        );
        check("0::/kubepods/podUID/system.slice/a.service\n", "- - UID");
        for path in [
            "/lxc.payload.web/system.slice/a.service",
            "/lxc.payload/web/system.slice/a.service",
            "/lxc/web/init.scope",
            "/machine.slice/machine-web.scope/payload/system.slice/a.service",
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service",
            "/system.slice/lxd.service/lxc.payload.web/user.slice/user-0.slice/session-1.scope",
        ] {
            check(&format!("0::{path}\n"), "- web -");
        }
        check(
            "0::/lxc.payload.web/system.slice/docker-ID.scope/a.service\n",
            "- ID -",
        );
        // What runs beside a container, or is a virtual machine, is the host's.
        check("0::/lxc.monitor.web\n", "- - -");
        check(
            "0::/machine.slice/machine-qemu.scope/libvirt/emulator\n",
            "machine-qemu.scope - -",
        );
        check("0::/\n", "- - -");
        check("0::/../..\n", "- - -");
    }

    #[test]
    fn version_one_and_both() {
        check(
            "12:devices:/kubepods/burstable/podUID/ID\n5:memory:/kubepods/burstable/podUID/ID\n1:name=systemd:/kubepods/burstable/podUID/ID\n",
            "- ID UID",
        );
        check(
            "4:cpu,cpuacct:/system.slice/a.service\n1:name=systemd:/system.slice/a.service\n0::/\n",
            "a.service - -",
        );
        check("11:devices:/docker/ID\n1:name=systemd:/\n", "- ID -");
        check(
            "11:devices:/docker/ID\n1:name=systemd:/system.slice/a.service\n",
            "- ID -",
        );
        check(
            "3:pids:/system.slice/containerd.service/kubepods-besteffort-pod_UID_.slice:cri-containerd:ID\n",
            "- ID UID",
        );
        // A static pod has a digest for its uid.
        check(
            "0::/kubepods/pod00112233445566778899aabbccddeeff/ID\n",
            "- ID 00112233445566778899aabbccddeeff",
        );
    }

    #[test]
    fn what_is_not_known_names_nothing() {
        for text in [
            "",
            "nonsense\n",
            "0:\n",
            "0::\n",
            "0::/podxyz/abc\n",
            "0::/a/.service\n",
            "0::/kubepods-pod123.slice\n",
        ] {
            check(text, "- - -");
        }
    }
}
