//! What every control plane of ours has in common: its store, what its API server is told, and how one is asked.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{Running, command, output, tied};

/// Addresses of Services.
pub const SERVICES: &str = "10.0.0.0/24";

/// Starts an etcd on loopback that keeps what it stores in a folder of its name. It forgets what a power loss would take.
///
/// # Errors
/// When it does not start.
pub fn store(program: &Path, folder: &Path, name: &str, ports: [u16; 2]) -> Result<Running> {
    let [clients, peers] = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let mut store = tied(program);
    store.args([
        format!("--data-dir={}", folder.join(name).display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        "--unsafe-no-fsync".to_owned(),
    ]);
    Running::start(&mut store, folder, name)
}

/// What every API server of ours is told; its files are in a folder, where those that it wants are written first.
///
/// `tokens` are lines of token, user, uid and groups.
///
/// # Errors
/// When a file cannot be written.
pub fn server(folder: &Path, store: u16, port: u16, tokens: &str) -> Result<Vec<String>> {
    let at = |name: &str| folder.join(name).display().to_string();
    fs::write(at("tokens.csv"), tokens).context("writing tokens")?;
    // It signs the tokens of accounts.
    let curve = ["-genkey", "-name", "prime256v1", "-noout", "-out"];
    output(
        command("openssl")
            .arg("ecparam")
            .args(curve)
            .arg(accounts(folder)),
    )?;
    Ok(vec![
        format!("--etcd-servers=http://127.0.0.1:{store}"),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", at("certificates")),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--service-account-issuer=https://localhost".to_owned(),
        format!("--service-account-key-file={}", accounts(folder).display()),
        format!(
            "--service-account-signing-key-file={}",
            accounts(folder).display()
        ),
        format!("--token-auth-file={}", at("tokens.csv")),
        "--authorization-mode=Node,RBAC".to_owned(),
        // As in any cluster that has device plugins.
        "--allow-privileged=true".to_owned(),
    ])
}

/// The key that signs tokens of a server's accounts.
#[must_use]
pub fn accounts(folder: &Path) -> PathBuf {
    folder.join("accounts.pem")
}

/// A kubeconfig for somebody with a token.
#[must_use]
pub fn kubeconfig(server: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: run\n\
         clusters: [{{name: run, cluster: {{server: 'https://{server}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: somebody, user: {{token: {token}}}}}]\n\
         contexts: [{{name: run, context: {{cluster: run, user: somebody}}}}]\n"
    )
}

/// kubectl with a kubeconfig, at the repository's root, its caches in a folder.
#[must_use]
pub fn kubectl(program: &Path, kubeconfig: &Path, folder: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut kubectl = command(program);
    kubectl
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .env("HOME", folder)
        .current_dir(root);
    kubectl
}
