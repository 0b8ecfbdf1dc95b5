//! The virtual rack: servers made of a file, that answer like machines, take time, and fail on request.
//!
//! In the order data flows: `enumerate` makes a `world` of a server's tree, `boot_acs`, `registers` and `groups` say what it shows after
//! a boot,
//! `live` holds what changed since, `store` keeps that on disk; `files`, `host`, `etc` and `premises` answer paths, `tools`
//! answers tool calls, `listener` says who has qmonitor's port, `recorded` does both for a server made of a recording, `server` and `answer` are the machine made of
//! these, `verbs` and `plug` what a person does to it, `generate` writes new racks.
mod answer;
mod boot_acs;
mod draw;
mod enumerate;
mod error;
mod etc;
mod files;
mod flaws;
mod generate;
mod groups;
mod host;
mod listener;
mod live;
mod made;
mod parts;
mod plug;
mod premises;
mod recorded;
mod registers;
mod server;
mod show;
mod soc_live;
mod store;
mod tools;
mod verbs;
mod world;

use std::{collections::BTreeSet, fs, io::ErrorKind, path::Path};

use crd::{
    id::PciPath,
    kind::rack::{Rack, Server},
};

pub use error::RackError;
pub use flaws::{Flaw, flaws};
pub use generate::{Recipe, generate};
pub use host::timeout_parameter;
pub use live::uses_iommu;
pub use recorded::losses;

pub use server::RackServer;
pub use tools::COMPILER_MARKER;
pub use verbs::Replugged;

use crate::time::Clock;
use store::{Changes, Store};
use world::World;

/// Opens every server of a rack, seeding live registers under `state_dir/<rack>/<server>/rack/` on first use.
/// `rack_digest` fingerprints the file's text; a different one than the registers were seeded from is an error.
pub fn open(
    rack: &Rack,
    rack_digest: &str,
    state_dir: &Path,
    clock: Clock,
) -> Result<Vec<RackServer>, RackError> {
    alone(rack, state_dir)?;
    start(
        stores(rack, rack_digest, state_dir, clock, Changes::Kept)?,
        rack,
        clock,
    )
}

/// Opens every server of a rack to look at it as it is now: nothing is written and no lock is taken. Registers that were
/// never seeded are those that the first use would seed. Virtual time that passes is this reader's own: the next begins
/// where the last writer left the clock.
pub fn open_to_read(
    rack: &Rack,
    rack_digest: &str,
    state_dir: &Path,
) -> Result<Vec<RackServer>, RackError> {
    let clock = Clock::Virtual;
    alone(rack, state_dir)?;
    start(
        stores(rack, rack_digest, state_dir, clock, Changes::Forgotten)?,
        rack,
        clock,
    )
}

fn start(stores: Vec<Store>, rack: &Rack, clock: Clock) -> Result<Vec<RackServer>, RackError> {
    stores
        .into_iter()
        .map(|store| {
            store.open()?;
            RackServer::start(store, rack.spec.speedup.unwrap_or(10), clock)
        })
        .collect()
}

/// Makes sure that a rack's folder holds the state of its own servers alone: one of another rack that has its name would
/// be taken for part of it by whoever puts the whole aside.
pub fn alone(rack: &Rack, state_dir: &Path) -> Result<(), RackError> {
    let folder = state_dir.join(&rack.metadata.name);
    let declared = |path: &Path| {
        let mut servers = rack.spec.servers.iter();
        servers.any(|server| path.file_name() == Some(server.name.as_str().as_ref()))
    };
    let failed = |source| RackError::State {
        doing: "looking through",
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if !declared(&path) && store::registers(&path.join("rack")).exists() {
            return Err(RackError::Shared {
                rack: rack.metadata.name.clone(),
                path,
            });
        }
    }
    Ok(())
}

/// Whether a rack could be opened: what its file says is possible. The first of its flaws is the error.
pub fn examine(rack: &Rack) -> Result<(), RackError> {
    let first = flaws(rack).into_iter().next();
    first.map_or(Ok(()), |flaw| {
        Err(impossible(&rack.metadata.name, &flaw.server, &flaw.what))
    })
}

/// Seeds the live registers of every server anew. Whoever calls it has made sure that no engine runs and that the rack is
/// `alone`, and has put journals and ledgers away.
pub fn reseed(rack: &Rack, rack_digest: &str, state_dir: &Path) -> Result<(), RackError> {
    for store in stores(rack, rack_digest, state_dir, Clock::Wall, Changes::Kept)? {
        store.reseed()?;
    }
    Ok(())
}

fn stores(
    rack: &Rack,
    rack_digest: &str,
    state_dir: &Path,
    clock: Clock,
    changes: Changes,
) -> Result<Vec<Store>, RackError> {
    examine(rack)?;
    let name = &rack.metadata.name;
    let store = |server: &Server| {
        let folder = state_dir.join(name).join(server.name.as_str()).join("rack");
        let plain = recorded::plain(server)
            .map_err(|what| impossible(name, server.name.as_str(), &what))?;
        Ok(Store::new(
            folder,
            name,
            rack_digest,
            rack.spec.seed,
            plain,
            clock,
            changes,
        ))
    };
    rack.spec.servers.iter().map(store).collect()
}

/// The tree of one boot: what a recording shows, or what enumeration makes of a file.
fn tree(
    seed: u32,
    server: &Server,
    unplugged: Option<&BTreeSet<PciPath>>,
) -> Result<World, String> {
    match &server.recorded {
        Some(snapshot) => {
            let mut world = recorded::world(snapshot, unplugged)?;
            boot_acs::settle(&mut world, server);
            Ok(world)
        }
        None => enumerate::enumerate(seed, server, unplugged),
    }
}

fn impossible(rack: &str, server: &str, what: &str) -> RackError {
    RackError::Impossible {
        rack: rack.to_owned(),
        server: server.to_owned(),
        what: what.to_owned(),
    }
}
