//! A rack file on both sides: as a virtual rack on this machine, and as what a lab machine is made of.
use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use crd::{
    kind::{
        API_VERSION,
        rack::{RACK_KIND, Rack, RackMetadata},
    },
    load::{SourceText, load},
};
use tempfile::TempDir;

use crate::{host, place::Places, vm::Ended};

/// A rack file.
#[derive(Clone, Debug)]
pub(crate) struct RackFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) rack: Rack,
}

impl RackFile {
    /// Reads one.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
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
        Ok(Self { path, rack })
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
        Ok(Self {
            shardplane: places.built.join("shardplane"),
            file: file.path.clone(),
            node: node.to_owned(),
            state: tempfile::tempdir().context("creating the rack's state folder")?,
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
