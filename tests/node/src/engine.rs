//! The node: a registry, containerd, a kubelet and a proxy, and the images that its pods are made of.
use std::{cell::RefCell, fs, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use host::{Running, command, output, tail, until};

use crate::{
    groups,
    inside::ADDRESS,
    place::{Programs, Room, root},
    plane::{Plane, kubeconfig},
};

/// The Node's name: the server's in the quickstart's rack.
pub(crate) const NODE: &str = "lab";
/// The registry. What listens on loopback is asked without TLS.
pub(crate) const REGISTRY: &str = "127.0.0.1:5000";
/// The registry as pods reach it, which is asked without TLS because that is said.
pub(crate) const FROM_PODS: &str = "10.99.0.1:5000";
/// Where it listens.
const EVERYWHERE: &str = "0.0.0.0:5000";
/// Where containerd listens.
const SOCKET: &str = "/run/containerd/containerd.sock";
/// Addresses of pods.
const PODS: &str = "10.98.0.0/24";

/// A running node; it ends with this.
pub(crate) struct Engine {
    /// The image with our binaries, by digest.
    pub(crate) image: String,
    /// An image with a shell and little else, by digest.
    pub(crate) busybox: String,
    registry: RefCell<Option<Running>>,
    kubelet: u32,
    _parts: Vec<Running>,
}

impl Engine {
    /// Starts all of it, and waits until the Node is ready.
    pub(crate) fn start(programs: &Programs, room: &Room, plane: &Plane) -> Result<Self> {
        let bin = &programs.node;
        let mut parts = Vec::new();
        let registry = registry(room, bin)?;
        let busybox = image(
            room,
            bin,
            "busybox",
            &[Path::new("/bin/busybox")],
            "/bin/busybox,tail,-f,/dev/null",
        )?;
        let image = archive(room, programs, "shardplane", "0.1.0")?;

        write(room, "cni/10-bridge.conflist", &network(room).to_string())?;
        write(room, "containerd.toml", &containerd(room, &busybox))?;
        write(
            room,
            &format!("registries/{FROM_PODS}/hosts.toml"),
            &format!("server = \"http://{FROM_PODS}\"\n"),
        )?;
        // It starts its shim by name.
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
        parts.push(Running::start(
            command(bin.join("containerd"))
                .arg("--config")
                .arg(room.at("containerd.toml"))
                .env("PATH", &path),
            &room.folder,
            "containerd",
        )?);
        until(
            "containerd answers",
            || output(command(bin.join("ctr")).args(["-a", SOCKET, "version"])),
            |_| true,
        )?;
        write(room, "kubelet.json", &kubelet(room).to_string())?;
        let kubelet = Running::start(
            command(bin.join("kubelet"))
                .arg(format!("--config={}", room.at("kubelet.json").display()))
                .arg(format!(
                    "--kubeconfig={}",
                    kubeconfig(room, "kubelet", "kubelet-of-this-run")?.display()
                ))
                .arg(format!("--root-dir={}", room.at("kubelet").display()))
                .arg(format!("--hostname-override={NODE}"))
                .arg(format!("--node-ip={ADDRESS}"))
                .arg("--node-labels=qualcomm.com/qaic=true")
                .env("PATH", &path),
            &room.folder,
            "kubelet",
        )?;
        let pid = kubelet.pid();
        parts.push(kubelet);
        parts.push(Running::start(
            command(bin.join("kube-proxy"))
                .args(["--proxy-mode=nftables", "--conntrack-max-per-core=0"])
                .arg(format!("--hostname-override={NODE}"))
                .arg(format!(
                    "--kubeconfig={}",
                    kubeconfig(room, "proxy", "proxy-of-this-run")?.display()
                ))
                .env("PATH", &path),
            &room.folder,
            "kube-proxy",
        )?);
        let ready = until(
            "the Node becomes ready",
            || plane.told("get nodes"),
            |nodes| nodes.contains(" Ready "),
        );
        if let Err(error) = ready {
            let logs: Vec<String> = ["kubelet.log", "containerd.log"]
                .iter()
                .map(|name| format!("== {name}\n{}", tail(&room.at(name), 30)))
                .collect();
            bail!("{error:#}\n{}", logs.join("\n"));
        }
        parts.reverse();
        Ok(Self {
            image,
            busybox,
            registry: RefCell::new(Some(registry)),
            kubelet: pid,
            _parts: parts,
        })
    }

    /// The registry is gone, as by a crash.
    pub(crate) fn lose_registry(&self) {
        drop(self.registry.take());
    }

    /// It is back, with the layers that it had.
    pub(crate) fn find_registry(&self, programs: &Programs, room: &Room) -> Result<()> {
        self.registry.replace(Some(registry(room, &programs.node)?));
        Ok(())
    }

    /// Sends the kubelet a signal: what is stopped says nothing, as a node that nobody reaches.
    pub(crate) fn signal_kubelet(&self, name: &str) -> Result<()> {
        output(command("kill").args(["-s", name, &self.kubelet.to_string()]))?;
        Ok(())
    }
}

/// Starts the registry over the folder that it has in a room.
fn registry(room: &Room, bin: &Path) -> Result<Running> {
    let folder = room.at("registry");
    fs::create_dir_all(&folder).context("making the registry's folder")?;
    let running = Running::start(
        command(bin.join("crane"))
            .args(["registry", "serve", "--address", EVERYWHERE, "--disk"])
            .arg(&folder),
        &room.folder,
        "registry",
    )?;
    until(
        "the registry answers",
        || output(command(bin.join("crane")).args(["catalog", REGISTRY])),
        |_| true,
    )?;
    Ok(running)
}

fn write(room: &Room, name: &str, text: &str) -> Result<()> {
    let path = room.at(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// Assembles our image as `make image` does, and pushes it; its reference by digest. Another version is another image.
pub(crate) fn archive(
    room: &Room,
    programs: &Programs,
    name: &str,
    version: &str,
) -> Result<String> {
    let file = room.at(&format!("{name}.oci.tar"));
    let digest = output(
        command(root().join("packaging/image/assemble"))
            .arg(&programs.ours)
            .arg(version)
            .arg(&file),
    )?;
    let layout = room.at(&format!("layout-{name}"));
    fs::create_dir_all(&layout).context("making a folder for an image")?;
    output(command("tar").arg("-xf").arg(&file).arg("-C").arg(&layout))?;
    let named = format!("{REGISTRY}/{name}@{}", digest.trim());
    output(
        command(programs.node.join("crane"))
            .env("HOME", &room.folder)
            .arg("push")
            .arg(&layout)
            .arg(&named),
    )?;
    fs::remove_dir_all(&layout).context("removing an image's folder")?;
    fs::remove_file(&file).context("removing an archive")?;
    Ok(named)
}

/// Pushes an image that has these programs in /bin and nothing else; its reference by digest.
pub(crate) fn image(
    room: &Room,
    bin: &Path,
    name: &str,
    programs: &[&Path],
    entrypoint: &str,
) -> Result<String> {
    let tree = room.at(&format!("image-{name}"));
    fs::create_dir_all(tree.join("bin")).context("making a folder for an image")?;
    for program in programs {
        let file = program.file_name().context("a program has a name")?;
        fs::copy(program, tree.join("bin").join(file))
            .with_context(|| format!("copying {}", program.display()))?;
    }
    let layer = room.at(&format!("{name}.tar"));
    output(
        command("tar")
            .args(["--owner=0", "--group=0", "--mtime=@0", "--sort=name", "-cf"])
            .arg(&layer)
            .arg("-C")
            .arg(&tree)
            .arg("bin"),
    )?;
    fs::remove_dir_all(&tree).context("removing an image's folder")?;
    let tag = format!("{REGISTRY}/{name}:test");
    let crane = || {
        let mut crane = command(bin.join("crane"));
        crane.env("HOME", &room.folder);
        crane
    };
    output(
        crane()
            .args(["append", "--oci-empty-base", "-t", &tag, "-f"])
            .arg(&layer),
    )?;
    fs::remove_file(&layer).context("removing a layer")?;
    output(
        crane()
            .args(["mutate", &tag, "-t", &tag, "--set-platform", "linux/amd64"])
            .args(["--entrypoint", entrypoint]),
    )?;
    let digest = output(crane().args(["digest", &tag]))?;
    Ok(format!("{REGISTRY}/{name}@{}", digest.trim()))
}

fn containerd(room: &Room, sandbox: &str) -> String {
    let root = room.at("containerd").display().to_string();
    let cni = room.at("cni").display().to_string();
    let registries = room.at("registries").display().to_string();
    format!(
        r#"version = 3
root = "{root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
address = "{SOCKET}"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "native"
use_local_image_pull = true
[plugins."io.containerd.cri.v1.images".registry]
config_path = "{registries}"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
enable_cdi = true
disable_apparmor = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{cni}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
snapshotter = "native"
"#
    )
}

fn network(room: &Room) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "bridge",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": room.at("addresses"),
                "ranges": [[{ "subnet": PODS }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
}

fn kubelet(room: &Room) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        // This kubelet runs where the machine has the first version of control groups, and swap or none.
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", room.name()),
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": false,
        "resolvConf": "",
        "enableControllerAttachDetach": false,
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        "podLogsDir": room.at("pod-logs"),
        "volumePluginDir": room.at("volume-plugins"),
        "staticPodPath": "",
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "registerNode": true,
        // The node is the test's alone, and it is to see things happen soon.
        "nodeStatusUpdateFrequency": "5s",
        "nodeLeaseDurationSeconds": 20,
        "syncFrequency": "10s",
    })
}

/// How many control groups the pods of a room have now.
pub(crate) fn pods_have_groups(room: &Room) -> usize {
    groups::hierarchies()
        .iter()
        .map(|hierarchy| groups::below(&hierarchy.join(room.name())).len())
        .sum()
}
