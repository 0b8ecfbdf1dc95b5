//! The control plane: etcd, API server, controllers and scheduler, and kubectl before them.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use host::{Answer, Running, plane, tail, tied, until};

use crate::{
    inside::ADDRESS,
    place::{Programs, Room},
};

/// Ports of the store, which nobody else has in a network of its own.
const STORE: [u16; 2] = [2379, 2380];
/// How long pods stay on a node that says nothing.
const TOLERATED_SECONDS: u32 = 5;
/// The API server's port.
const PORT: u16 = 6443;
/// Who may do what: a person, the node's kubelet, and its proxy.
const TOKENS: &str = "admin-of-this-run,admin,1,system:masters\n\
    kubelet-of-this-run,system:node:lab,2,system:nodes\n\
    proxy-of-this-run,system:kube-proxy,3\n";

/// A running control plane; it ends with this.
pub(crate) struct Plane {
    room: Room,
    kubectl: PathBuf,
    parts: Vec<Running>,
}

impl Plane {
    /// Starts all of it, and waits until it answers.
    pub(crate) fn start(programs: &Programs, room: &Room) -> Result<Self> {
        let part = |name: &str, arguments: &[String]| {
            let mut command = tied(programs.plane.join(name));
            Running::start(command.args(arguments), &room.folder, name)
        };
        let store = programs.plane.join("etcd");
        let mut parts = vec![plane::store(&store, &room.folder, "etcd", STORE)?];
        let mut arguments = plane::server(&room.folder, STORE[0], PORT, TOKENS)?;
        arguments.extend([
            // Pods reach it at the node's address; nothing else can, in a network of its own.
            "--bind-address=0.0.0.0".to_owned(),
            format!("--advertise-address={ADDRESS}"),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            // Five minutes by default, which no test waits for.
            format!("--default-not-ready-toleration-seconds={TOLERATED_SECONDS}"),
            format!("--default-unreachable-toleration-seconds={TOLERATED_SECONDS}"),
        ]);
        parts.push(part("kube-apiserver", &arguments)?);
        let admin = kubeconfig(room, "admin", "admin-of-this-run")?;
        let mut plane = Self {
            room: room.clone(),
            kubectl: programs.plane.join("kubectl"),
            parts,
        };
        let ready = until(
            "the API server becomes ready",
            || Ok(plane.kubectl(&["get", "--raw", "/readyz"])),
            |answer| answer.succeeded,
        );
        if let Err(error) = ready {
            bail!("{error:#}\n{}", tail(&room.at("kube-apiserver.log"), 20));
        }
        let client = [
            format!("--kubeconfig={}", admin.display()),
            "--bind-address=127.0.0.1".to_owned(),
            "--leader-elect=false".to_owned(),
        ];
        plane.parts.push(part("kube-scheduler", &client)?);
        let mut controllers = client.to_vec();
        controllers.extend([
            "--node-monitor-grace-period=20s".to_owned(),
            format!(
                "--service-account-private-key-file={}",
                plane::accounts(&room.folder).display()
            ),
            format!(
                "--root-ca-file={}",
                room.at("certificates/apiserver.crt").display()
            ),
        ]);
        plane
            .parts
            .push(part("kube-controller-manager", &controllers)?);
        Ok(plane)
    }

    /// Runs kubectl as an administrator, at the repository's root.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Answer {
        let admin = self.room.at("admin.kubeconfig");
        host::answer(plane::kubectl(&self.kubectl, &admin, &self.room.folder).args(arguments))
    }

    /// Runs kubectl, which must succeed, and gives what it printed.
    pub(crate) fn told(&self, line: &str) -> Result<String> {
        self.told_of(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same, with arguments that have spaces.
    pub(crate) fn told_of(&self, arguments: &[&str]) -> Result<String> {
        let answer = self.kubectl(arguments);
        if !answer.succeeded {
            bail!("kubectl {arguments:?}: {}", answer.stderr.trim());
        }
        Ok(answer.stdout)
    }

    /// Applies a document.
    pub(crate) fn apply(&self, name: &str, text: &str) -> Result<()> {
        let path = self.room.at(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        self.told(&format!("apply --server-side -f {}", path.display()))?;
        Ok(())
    }

    /// Where kubectl is, for whoever plays.
    pub(crate) fn program(&self) -> &Path {
        &self.kubectl
    }
}

/// Writes a kubeconfig for somebody with a token.
pub(crate) fn kubeconfig(room: &Room, name: &str, token: &str) -> Result<PathBuf> {
    let path = room.at(&format!("{name}.kubeconfig"));
    let text = plane::kubeconfig(&format!("{ADDRESS}:{PORT}"), token);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
