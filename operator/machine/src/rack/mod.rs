//! The virtual rack: servers made of a file, that answer like machines, take time, and fail on request.
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crd::{
    id::{NodeName, PciAddress, WorkerId},
    kind::rack::{Fault, Rack, Sku},
};

use crate::{
    access::{
        AccessError, Claim, CrashPoint, EventCursor, Invocation, MachineEvent, OpenHandle,
        ToolError, ToolOutput,
    },
    time::{Clock, Timestamp},
};

/// Why a rack, or a verb on one, failed.
#[derive(Debug, thiserror::Error)]
pub enum RackError {
    /// The rack file describes something that cannot be built.
    #[error("rack {rack}, server {server}: {what}")]
    Impossible {
        /// The rack.
        rack: String,
        /// The server.
        server: String,
        /// What is wrong, with the place in the tree.
        what: String,
    },
    /// The file is no longer the one that the live registers were seeded from.
    #[error(
        "the rack file of {rack} has changed since its registers were seeded; run `shardplane rack reseed` to start over, or put the file back"
    )]
    Changed {
        /// The rack.
        rack: String,
    },
    /// The state folder could not be used.
    #[error("{doing} {}", path.display())]
    State {
        /// What we were doing.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The live registers are no registers of this version.
    #[error("the registers in {} cannot be read; run `shardplane rack reseed` to start over", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Somebody kept the register lock for too long.
    #[error("the registers in {} stayed locked for 10 s; another process holds rack.lock", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The verb names something that the server does not have.
    #[error("server {server} has no {what}")]
    NoSuch {
        /// The server.
        server: String,
        /// What was named.
        what: String,
    },
    /// The verb asks for something that the server cannot do now.
    #[error("server {server}: {what}")]
    Refused {
        /// The server.
        server: String,
        /// What, and why not.
        what: String,
    },
    /// The verb is for racks alone.
    #[error("this machine is no virtual rack; name one with --rack FILE")]
    NotARack,
}

/// One server of a rack.
#[derive(Debug)]
pub struct RackServer {
    name: NodeName,
    labels: BTreeMap<String, String>,
}

/// Opens every server of a rack, seeding live registers under `state_dir/<rack>/<server>/rack/` on first use.
/// `rack_digest` fingerprints the file's text; a different one than the registers were seeded from is an error.
pub fn open(
    rack: &Rack,
    rack_digest: &str,
    state_dir: &Path,
    clock: Clock,
) -> Result<Vec<RackServer>, RackError> {
    let _ = (rack_digest, state_dir, clock);
    Err(unready(&rack.metadata.name))
}

/// Seeds the live registers anew from the file. Whoever calls it has made sure that no engine runs.
pub fn reseed(rack: &Rack, rack_digest: &str, state_dir: &Path) -> Result<(), RackError> {
    let _ = (rack_digest, state_dir);
    Err(unready(&rack.metadata.name))
}

/// What `shardplane rack new` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The rack's name.
    pub name: String,
    /// Cards of each server, `ultra:2,pro:4`, parsed by [`Recipe::cards`].
    pub cards: Vec<(Sku, u32)>,
    /// Host switches of each server; without one every card has a root port of its own.
    pub switches: u32,
    /// Servers.
    pub servers: u32,
    /// Seed.
    pub seed: u32,
}

impl Recipe {
    /// Parses `ultra:2,pro:4`.
    pub fn cards(text: &str) -> Result<Vec<(Sku, u32)>, RackError> {
        Err(unready(text))
    }
}

/// Makes a rack of a recipe. The same recipe makes the same rack.
pub fn generate(recipe: &Recipe) -> Result<Rack, RackError> {
    Err(unready(&recipe.name))
}

fn unready(server: &str) -> RackError {
    RackError::Refused {
        server: server.to_owned(),
        what: "not built".to_owned(),
    }
}

impl RackServer {
    /// What a person may want to see of the server now: tree, registers, tenants, faults.
    pub fn show(&self) -> Result<String, RackError> {
        Err(unready(&self.name.0))
    }
    /// Sets a register or setting as somebody with root would, behind our back: `<address> acs|mdp|state|driver`, `sysctl <name>`, `driver <name>`, `qmonitor`.
    pub fn set(&self, target: &str, value: &str) -> Result<(), RackError> {
        let _ = (target, value);
        Err(unready(&self.name.0))
    }
    /// Pulls a function, or the card below a port, out.
    pub fn unplug(&self, address: PciAddress) -> Result<(), RackError> {
        let _ = address;
        Err(unready(&self.name.0))
    }
    /// Puts back what was pulled out, by address or path.
    pub fn replug(&self, what: &str) -> Result<(), RackError> {
        let _ = what;
        Err(unready(&self.name.0))
    }
    /// Adds a fault.
    pub fn fault(&self, fault: Fault) -> Result<(), RackError> {
        let _ = fault;
        Err(unready(&self.name.0))
    }
    /// Clears one fault, or all.
    pub fn clear_faults(&self, fault: Option<&Fault>) -> Result<(), RackError> {
        let _ = fault;
        Err(unready(&self.name.0))
    }
    /// Makes a foreign process hold a SoC.
    pub fn hold(&self, soc: PciAddress, name: &str, pid: u32) -> Result<(), RackError> {
        let _ = (soc, name, pid);
        Err(unready(&self.name.0))
    }
    /// Ends whatever foreign process holds a SoC.
    pub fn release(&self, soc: PciAddress) -> Result<(), RackError> {
        let _ = soc;
        Err(unready(&self.name.0))
    }
    /// Reboots in good order; registers are as after `power_loss`.
    pub fn reboot(&self) -> Result<(), RackError> {
        Err(unready(&self.name.0))
    }
    /// Loses power and boots again.
    pub fn power_loss(&self) -> Result<(), RackError> {
        Err(unready(&self.name.0))
    }
    /// Resets a SoC as somebody with root would.
    pub fn reset_soc(&self, soc: PciAddress) -> Result<(), RackError> {
        let _ = soc;
        Err(unready(&self.name.0))
    }

    pub(crate) fn name(&self) -> NodeName {
        self.name.clone()
    }
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.labels.clone()
    }
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, AccessError> {
        Err(nothing(path))
    }
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, AccessError> {
        Err(nothing(path))
    }
    pub(crate) fn readlink(&self, path: &str) -> Result<String, AccessError> {
        Err(nothing(path))
    }
    pub(crate) fn pread(&self, path: &str, _: u64, _: usize) -> Result<Vec<u8>, AccessError> {
        Err(nothing(path))
    }
    pub(crate) fn pwrite(&self, path: &str, _: u64, _: &[u8]) -> Result<(), AccessError> {
        Err(nothing(path))
    }
    pub(crate) fn write(&self, path: &str, _: &str) -> Result<(), AccessError> {
        Err(nothing(path))
    }
    pub(crate) fn run(&self, i: &Invocation) -> Result<ToolOutput, ToolError> {
        Err(ToolError::Missing {
            program: i.program.clone(),
        })
    }
    pub(crate) fn holders(&self, _: &[PciAddress]) -> Result<Vec<OpenHandle>, AccessError> {
        Ok(Vec::new())
    }
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    pub(crate) fn wait_until(&self, _: Timestamp) {}
    pub(crate) fn cursor(&self) -> EventCursor {
        EventCursor::default()
    }
    pub(crate) fn events(&self, _: &mut EventCursor, _: Timestamp) -> Vec<MachineEvent> {
        Vec::new()
    }
    pub(crate) fn crash_point(&self, _: u64) -> Option<CrashPoint> {
        None
    }
    pub(crate) fn claim(&self, _: PciAddress, _: &Claim) -> Result<(), RackError> {
        Ok(())
    }
    pub(crate) fn release_claims(&self, _: &WorkerId) -> Result<(), RackError> {
        Ok(())
    }
}

fn nothing(path: &str) -> AccessError {
    AccessError {
        doing: "reading",
        path: path.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    }
}
