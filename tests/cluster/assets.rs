//! Where a real etcd, kube-apiserver and kubectl are: named by the environment, or built from the modules pinned here.
use std::{
    env,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use tests::root;

/// The ecosystem's variable: a folder with the three programs.
const NAMED: &str = "KUBEBUILDER_ASSETS";
/// What builds etcd and Kubernetes.
const KUBERNETES: &str = "tests/cluster/build";
/// Set where a skip would hide that nothing was tested.
const REQUIRED: &str = "SHARDPLANE_REQUIRE_CLUSTER";

/// Programs of one Kubernetes minor.
#[derive(Clone, Debug)]
pub struct Assets(PathBuf);

impl Assets {
    /// Where a program is.
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// What came of looking for them.
pub enum Found {
    /// All are there.
    Here(Assets),
    /// They are not, and why.
    Nowhere(String),
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test that depends on the machine reads what the machine says of itself"
)]
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Looks for the programs of a minor. What the environment names is taken for whichever minor it is.
pub fn find(minor: &str) -> Found {
    if let Some(named) = variable(NAMED) {
        return whole(named);
    }
    if variable(REQUIRED).is_none() && variable("SHARDPLANE_CACHE").is_none() && !cached() {
        return Found::Nowhere(
            "no Kubernetes is built here; run `make cluster`, which builds it once".to_owned(),
        );
    }
    match build() {
        Ok(cache) => whole(cache.join(minor)),
        Err(why) => Found::Nowhere(why),
    }
}

/// One of the programs in tests/cluster/clients; nothing where it is not built, which is said. It is built where Kubernetes may
/// be built, or is asked for.
pub fn client(name: &str) -> Option<PathBuf> {
    let may_build = variable(REQUIRED).is_some() || variable("SHARDPLANE_CACHE").is_some();
    let arguments: &[&str] = if may_build {
        &[name]
    } else {
        &[name, "--if-built"]
    };
    run("tests/cluster/clients/build", arguments)
        .inspect_err(|why| skip(name, why))
        .ok()
}

fn whole(folder: PathBuf) -> Found {
    let missing = ["etcd", "kube-apiserver", "kubectl"]
        .into_iter()
        .find(|name| !folder.join(name).is_file());
    match missing {
        None => Found::Here(Assets(folder)),
        Some(name) => Found::Nowhere(format!("{} has no {name}", folder.display())),
    }
}

/// Whether the cache of these modules is filled, so that asking for it takes no time.
fn cached() -> bool {
    run(KUBERNETES, &["--if-built"]).is_ok()
}

fn build() -> Result<PathBuf, String> {
    run(KUBERNETES, &[])
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test builds the server that it tests against"
)]
fn run(script: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let ended = Command::new(root().join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("starting {script}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if ended.status.success() {
        Ok(PathBuf::from(text(&ended.stdout)))
    } else {
        let said = text(&ended.stderr);
        Err(said.lines().last().unwrap_or("it said nothing").to_owned())
    }
}

/// Says that nothing was tested, past the test's captured output; a failure where the machine must have a cluster.
pub fn skip(minor: &str, why: &str) {
    assert!(variable(REQUIRED).is_none(), "Kubernetes {minor}: {why}");
    let line = format!("\nSKIPPED: nothing was held against Kubernetes {minor}: {why}\n");
    // Written to the file itself: what a passing test prints is kept back.
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error takes a line");
}
