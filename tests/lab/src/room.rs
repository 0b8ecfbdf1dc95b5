//! A rack file on both sides: as a virtual rack on this machine, and as what a lab machine is made of.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use crd::{
    kind::{
        API_VERSION,
        rack::{RACK_KIND, Rack, RackMetadata},
    },
    load::{SourceText, load},
};
use tempfile::TempDir;

use crate::{place::Places, vm::Ended};

/// A rack file.
#[derive(Clone, Debug)]
pub(crate) struct RackFile {
    /// What it says.
    pub(crate) rack: Rack,
}

impl RackFile {
    /// Reads one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let label = path.display().to_string();
        let loaded = load(&[SourceText::new(label.clone(), text)]);
        let [found] = loaded.racks.as_slice() else {
            bail!("{label} holds {} racks", loaded.racks.len());
        };
        let rack = Rack {
            api_version: API_VERSION.to_owned(),
            kind: RACK_KIND.to_owned(),
            metadata: RackMetadata {
                name: found.object.name.clone(),
            },
            spec: found.spec.clone(),
        };
        Ok(Self { rack })
    }
}

/// The same file as a virtual rack, with state of its own that goes away.
#[derive(Debug)]
pub(crate) struct Twin {
    shardplane: PathBuf,
    file: PathBuf,
    node: String,
    state: TempDir,
}

impl Twin {
    /// The rack as it is when it is first switched on.
    pub(crate) fn new(places: &Places, file: &RackFile, node: &str) -> Result<Self> {
        let state = tempfile::tempdir().context("creating the rack's state folder")?;
        // What a boot makes of a command line is the kernel's, so the rack has the machine's where the file names none.
        let mut rack = file.rack.clone();
        for server in &mut rack.spec.servers {
            let host = server.host.get_or_insert_default();
            host.kernel.get_or_insert_with(|| places.release.clone());
        }
        let copy = state.path().join("rack.yaml");
        fs::write(&copy, serde_json::to_vec(&rack)?).context("writing the rack")?;
        Ok(Self {
            shardplane: places.built.join("shardplane"),
            file: copy,
            node: node.to_owned(),
            state,
        })
    }

    /// Runs `shardplane` on it.
    pub(crate) fn shardplane(&self, words: &[&str]) -> Result<Ended> {
        let output = host::command(&self.shardplane)
            .args(words)
            .arg("--rack")
            .arg(&self.file)
            .arg("--state-dir")
            .arg(self.state.path())
            .args(["--node", &self.node])
            .output()
            .context("running shardplane on a rack")?;
        Ok(Ended {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
