//! The control plane: etcd, API server, controllers and scheduler, and kubectl before them.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    host::{Running, command, output, until},
    inside::{ADDRESS, SERVICES},
    place::{Programs, Room, root},
};

/// Who may do what: a person, the node's kubelet, and its proxy.
const TOKENS: &str = "admin-of-this-run,admin,1,system:masters\n\
    kubelet-of-this-run,system:node:lab,2,system:nodes\n\
    proxy-of-this-run,system:kube-proxy,3\n";

/// What kubectl printed.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Whether it exited with 0.
    pub(crate) succeeded: bool,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// A running control plane; it ends with this.
pub(crate) struct Plane {
    room: Room,
    kubectl: PathBuf,
    parts: Vec<Running>,
}

impl Plane {
    /// Starts all of it, and waits until it answers.
    pub(crate) fn start(programs: &Programs, room: &Room) -> Result<Self> {
        let at = |name: &str| room.at(name).display().to_string();
        fs::write(at("tokens.csv"), TOKENS).context("writing tokens")?;
        output(
            command("openssl")
                .args([
                    "ecparam",
                    "-genkey",
                    "-name",
                    "prime256v1",
                    "-noout",
                    "-out",
                ])
                .arg(at("accounts.pem")),
        )?;
        let store = "http://127.0.0.1:2379";
        let peers = "http://127.0.0.1:2380";
        let part = |name: &str, arguments: &[String]| {
            let mut command = command(programs.plane.join(name));
            Running::start(command.args(arguments), &room.folder, name)
        };
        let mut parts = vec![part(
            "etcd",
            &[
                format!("--data-dir={}", at("etcd")),
                format!("--listen-client-urls={store}"),
                format!("--advertise-client-urls={store}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        )?];
        parts.push(part(
            "kube-apiserver",
            &[
                format!("--etcd-servers={store}"),
                // Pods reach it at the node's address; nothing else can, in a network of its own.
                "--bind-address=0.0.0.0".to_owned(),
                format!("--advertise-address={ADDRESS}"),
                "--secure-port=6443".to_owned(),
                format!("--cert-dir={}", at("certificates")),
                format!("--service-cluster-ip-range={SERVICES}"),
                "--service-account-issuer=https://localhost".to_owned(),
                format!("--service-account-key-file={}", at("accounts.pem")),
                format!("--service-account-signing-key-file={}", at("accounts.pem")),
                format!("--token-auth-file={}", at("tokens.csv")),
                "--authorization-mode=Node,RBAC".to_owned(),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ],
        )?);
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
            format!("--service-account-private-key-file={}", at("accounts.pem")),
            format!("--root-ca-file={}", at("certificates/apiserver.crt")),
        ]);
        plane
            .parts
            .push(part("kube-controller-manager", &controllers)?);
        Ok(plane)
    }

    /// Runs kubectl as an administrator, at the repository's root.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Answer {
        let ended = command(&self.kubectl)
            .arg("--kubeconfig")
            .arg(self.room.at("admin.kubeconfig"))
            .args(arguments)
            .env("HOME", &self.room.folder)
            .current_dir(root())
            .stdin(std::process::Stdio::null())
            .output();
        match ended {
            Ok(ended) => Answer {
                succeeded: ended.status.success(),
                stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
            },
            Err(error) => Answer {
                succeeded: false,
                stdout: String::new(),
                stderr: error.to_string(),
            },
        }
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
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: run\n\
         clusters: [{{name: run, cluster: {{server: 'https://{ADDRESS}:6443', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: {name}, user: {{token: {token}}}}}]\n\
         contexts: [{{name: run, context: {{cluster: run, user: {name}}}}}]\n"
    );
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
