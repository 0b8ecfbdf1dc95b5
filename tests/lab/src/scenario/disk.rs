//! A disk that outlives its machine's power, and what the doubled firmware keeps on it.
use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::Stage;
use crate::vm::Vm;

/// Room for state, journal and the doubled firmware's registers.
const SIZE: u64 = 64 << 20;

/// An image of a disk; it goes when the scenario ends.
#[derive(Debug)]
pub(super) struct Disk(NamedTempFile);

impl Disk {
    /// An empty disk for a scenario's state.
    pub(super) fn empty(stage: &Stage, scenario: &str) -> Result<Self> {
        let folder = stage.places.left.join(scenario);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let file = NamedTempFile::with_suffix_in(".img", &folder).context("creating a disk")?;
        file.as_file().set_len(SIZE)?;
        host::output(
            host::command("/sbin/mke2fs")
                .args(["-q", "-F", "-t", "ext4"])
                .arg(file.path()),
        )?;
        Ok(Self(file))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Holds where every SoC is partitioned, and none was reset more than once since the disk was empty.
pub(super) fn reset_once(vm: &mut Vm) -> Result<()> {
    let text = vm.shell("cat /state/firmware/*/*/rack/registers.json")?;
    let firmware: Value =
        serde_json::from_str(&text).context("reading the firmware's registers")?;
    let socs = firmware["socs"].as_object().context("no SoC is known")?;
    for (path, soc) in socs {
        ensure!(soc["mdp"] == true, "{path} has no partitioning");
        ensure!(
            soc["resets"].as_u64() <= Some(1),
            "{path} was reset {} times",
            soc["resets"]
        );
    }
    Ok(())
}
