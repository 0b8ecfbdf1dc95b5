//! What every verb that works on machines needs: the room, the worker, and the lock where it changes something.
use std::path::PathBuf;

use crd::Fact;
use crd::id::NodeName;
use crd::snapshot::WorkerToolchain;
use machine::{Machine, Roots};

use crate::{
    cli::{Environment, Place},
    console::Console,
    declared,
    failure::Failure,
    room::{self, Opening, Room},
    state::{EngineLock, LockHolder},
    toolchain::{WORKER, WorkerBinary},
};

/// The machines and what goes with them.
pub struct Setting {
    /// The machines.
    pub room: Room,
    /// The worker binary.
    pub binary: WorkerBinary,
    /// What it says of itself.
    pub toolchain: Fact<WorkerToolchain>,
}

impl Setting {
    /// Looks for the worker again where there was none; whether there is one now.
    pub fn finds_worker(&mut self, environment: &Environment) -> bool {
        let found = environment.find(WORKER);
        if self.binary.path().is_ok() || found.is_none() {
            return false;
        }
        self.binary = WorkerBinary::new(found);
        self.toolchain = self.binary.toolchain();
        true
    }
}

/// Opens the room that a place names.
pub fn open(
    place: &Place,
    environment: &Environment,
    console: &Console,
    opening: Opening,
) -> Result<Setting, Failure> {
    let room = open_room(place, environment, console, opening)?;
    let binary = WorkerBinary::new(environment.find(WORKER));
    let toolchain = binary.toolchain();
    Ok(Setting {
        room,
        binary,
        toolchain,
    })
}

/// Opens the machines alone.
pub fn open_room(
    place: &Place,
    environment: &Environment,
    console: &Console,
    opening: Opening,
) -> Result<Room, Failure> {
    let rack = place
        .rack
        .as_deref()
        .map(|path| declared::rack(path, console))
        .transpose()?;
    let home = environment.state_home();
    let state_dir = place
        .state_dir
        .as_ref()
        .map(|dir| absolute(dir, environment));
    let room = room::open(
        rack.as_ref(),
        roots(place, environment),
        state_dir.as_deref(),
        home.as_deref(),
        opening,
    )?;
    match &place.node {
        Some(node) => Ok(room.only(node)?),
        None => Ok(room),
    }
}

/// Where this machine is looked at: the kernel's own places, or where a container has them mounted. There the host name is
/// the container's, so that whoever starts it says what the machine is called.
fn roots(place: &Place, environment: &Environment) -> Roots {
    let own = Roots::default();
    let Some(mounted) = &place.roots else {
        return own;
    };
    let below = |name: &str| absolute(mounted, environment).join(name);
    Roots {
        sys: below("sys"),
        proc: below("proc"),
        dev: below("dev"),
        var: below("var"),
        etc: below("etc"),
        run: below("run"),
        usr: below("usr"),
        // The vendor's tools are the container's, with the libraries that they were linked against.
        opt: own.opt,
        search: own.search,
        node: place.node.clone().map(NodeName),
    }
}

/// A state directory outlives a change of the working folder.
pub fn absolute(path: &std::path::Path, environment: &Environment) -> PathBuf {
    environment.current.join(path)
}

/// Takes the engine's lock for a verb.
pub fn lock(room: &Room, verb: &str) -> Result<EngineLock, Failure> {
    room.state.make()?;
    Ok(EngineLock::take(room.state.root(), &holder(verb))?)
}

/// This process as the holder of a lock.
pub fn holder(verb: &str) -> LockHolder {
    LockHolder {
        verb: verb.to_owned(),
        pid: std::process::id(),
        since: Machine::linux(Roots::default()).now().to_string(),
    }
}
