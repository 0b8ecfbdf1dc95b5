//! Where everything is: programs that were built, the folder of one run, and the name of its control groups.
use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use host::{command, output};

/// The target that static binaries are built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile that they are built with, as the kernel lab's.
const PROFILE: &str = "lab";

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Programs of others, built once, and ours.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// Control plane and kubectl.
    pub(crate) plane: PathBuf,
    /// What a node runs.
    pub(crate) node: PathBuf,
    /// Ours, static.
    pub(crate) ours: PathBuf,
    /// helm.
    pub(crate) helm: PathBuf,
}

impl Programs {
    /// Finds them, and builds those of others where they are not there.
    pub(crate) fn find() -> Result<Self> {
        let script = |path: &str| {
            let cache = output(&mut command(root().join(path)))?;
            Ok::<_, anyhow::Error>(PathBuf::from(cache.trim()))
        };
        let target = command_variable("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from);
        let ours = target.join(TARGET).join(PROFILE);
        for name in ["shardplane", "shardplane-worker"] {
            if !ours.join(name).is_file() {
                bail!(
                    "{} is not built; run `make node`",
                    ours.join(name).display()
                );
            }
        }
        Ok(Self {
            plane: script("tests/cluster/build")?.join("1.37"),
            node: script("tests/node/build")?,
            ours: ours.canonicalize().context("resolving the target folder")?,
            helm: script("tests/chart/build")?.join("helm"),
        })
    }
}

fn command_variable(name: &str) -> Option<std::ffi::OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo says in the environment where it builds"
    )]
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The folder of one run, and the name of the control groups that its pods are in.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// The folder.
    pub(crate) folder: PathBuf,
}

impl Room {
    /// What the names of all rooms begin with.
    pub(crate) const PREFIX: &str = "shardplane-node-";

    /// Its name, which its control groups have too.
    pub(crate) fn name(&self) -> String {
        self.folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// A path in the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}
