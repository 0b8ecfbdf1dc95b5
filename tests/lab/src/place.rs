//! Where things are: the repository, what was built, what was downloaded, and what a run leaves behind.
use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The target that binaries for the inside of a machine are built for; `Makefile` builds them.
const INSIDE: &str = "x86_64-unknown-linux-gnu/lab";

/// Every place the lab touches.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Binaries for this machine.
    pub(crate) built: PathBuf,
    /// Static binaries for the inside of a machine.
    pub(crate) inside: PathBuf,
    /// The kernel: `vmlinuz` and `modules/`.
    pub(crate) kernel: PathBuf,
    /// The kernel's release.
    pub(crate) release: String,
    /// The part of a first root that boots as a server does: an archive with systemd and our package in it.
    pub(crate) system: PathBuf,
    /// Logs and images of this run, one folder a machine.
    pub(crate) left: PathBuf,
}

impl Places {
    /// Finds them all, from where the running program is.
    pub(crate) fn find() -> Result<Self> {
        let built = env::current_exe()
            .context("finding the running program")?
            .parent()
            .context("finding the folder of the running program")?
            .to_owned();
        let target = built.parent().context("finding the target folder")?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = fs::canonicalize(root).context("finding the repository")?;
        let kernel = root.join(".cache/lab/kernel/current");
        // The folder bears the package's name, and that the release.
        let package = fs::canonicalize(&kernel)
            .with_context(|| format!("finding {}; run `tests/lab/install`", kernel.display()))?;
        let package = package.file_name().unwrap_or_default().to_string_lossy();
        let places = Self {
            inside: target.join(INSIDE),
            release: package.trim_start_matches("linux-image-").to_owned(),
            kernel,
            system: root.join(".cache/lab/system.cpio"),
            left: target.join("lab"),
            built,
            root,
        };
        let needed = [
            (places.kernel.join("vmlinuz"), "tests/lab/install"),
            (places.system.clone(), "tests/lab/install"),
            (places.inside.join("shardplane"), "make lab"),
            (places.inside.join("guest"), "make lab"),
            (places.built.join("libshim.so"), "make lab"),
            (places.built.join("shardplane"), "make lab"),
        ];
        for (path, by) in needed {
            path.try_exists()
                .ok()
                .filter(|&there| there)
                .with_context(|| format!("{} is not there; run `{by}`", path.display()))?;
        }
        Ok(places)
    }
}
