//! The room: the machines that a command is about, opened, and the state that goes with each.
use std::path::{Path, PathBuf};

use crd::{id::NodeName, kind::rack::Rack, snapshot::Ledger};
use machine::{Clock, Machine, RackError, Roots};

use crate::state::{StateDir, StateError, ledger};

/// One machine and its folder.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// The machine itself.
    pub machine: Machine,
}

/// The machines that a command is about.
#[derive(Debug)]
pub struct Room {
    /// What was opened, for people: `rack quickstart`, `this machine (aic-07)`.
    pub title: String,
    /// Its nodes, ordered by name.
    pub nodes: Vec<Node>,
    /// Where its state lies.
    pub state: StateDir,
}

/// Why a room cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The rack says no.
    #[error(transparent)]
    Rack(#[from] RackError),
    /// The state directory says no.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no server of that name.
    #[error("{room} has no node {node}; it has {}", known.join(", "))]
    NoSuchNode {
        /// What was opened.
        room: String,
        /// The name given.
        node: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// No folder for state can be told.
    #[error("no folder for state: HOME is not set; name one with --state-dir")]
    NoStateFolder,
}

/// What a room is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// To look: nothing in the state directory is written or locked, and a rack's virtual time that passes meanwhile
    /// passes for this run alone.
    Look,
    /// To work, on this clock.
    Work(Clock),
}

/// A rack and the fingerprint of the file that describes it.
#[derive(Clone, Debug)]
pub struct RackFile {
    /// The rack.
    pub rack: Rack,
    /// BLAKE3 of its file's text.
    pub digest: String,
}

/// Opens a rack, or this machine as these roots show it where none is given. `state_dir` wins over `state_home`, under which every room has a
/// folder of its own.
pub fn open(
    rack: Option<&RackFile>,
    roots: Roots,
    state_dir: Option<&Path>,
    state_home: Option<&Path>,
    opening: Opening,
) -> Result<Room, RoomError> {
    if let Some(file) = rack {
        let name = &file.rack.metadata.name;
        let root = root(state_dir, state_home, name)?;
        let state = StateDir::new(&root, name);
        let servers = match opening {
            Opening::Look => machine::rack::open_to_read(&file.rack, &file.digest, &root)?,
            Opening::Work(clock) => {
                state.make()?;
                machine::rack::open(&file.rack, &file.digest, &root, clock)?
            }
        };
        let nodes = servers
            .into_iter()
            .map(|server| node(Machine::Rack(server)));
        let nodes = ordered(nodes.collect());
        for node in &nodes {
            let brought = node.machine.brought_ledger();
            if brought != Ledger::default() {
                ledger::bring(&state.node_folder(&node.name), &brought)?;
            }
        }
        return Ok(Room {
            title: format!("rack {name}"),
            nodes,
            state,
        });
    }
    let this = node(Machine::linux(roots));
    let root = root(state_dir, state_home, this.name.as_str())?;
    Ok(Room {
        title: format!("this machine ({})", this.name),
        state: StateDir::new(&root, "machine"),
        nodes: vec![this],
    })
}

/// The state directory of a room.
pub fn root(
    state_dir: Option<&Path>,
    state_home: Option<&Path>,
    room: &str,
) -> Result<PathBuf, RoomError> {
    match (state_dir, state_home) {
        (Some(given), _) => Ok(given.to_owned()),
        (None, Some(home)) => Ok(home.join(room)),
        (None, None) => Err(RoomError::NoStateFolder),
    }
}

impl Room {
    /// Keeps one node alone.
    pub fn only(mut self, name: &str) -> Result<Self, RoomError> {
        if !self.nodes.iter().any(|node| node.name.as_str() == name) {
            return Err(RoomError::NoSuchNode {
                room: self.title,
                node: name.to_owned(),
                known: self
                    .nodes
                    .iter()
                    .map(|node| node.name.to_string())
                    .collect(),
            });
        }
        self.nodes.retain(|node| node.name.as_str() == name);
        Ok(self)
    }

    /// A node by name.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.iter().find(|node| &node.name == name)
    }
}

fn node(machine: Machine) -> Node {
    Node {
        name: machine.name(),
        machine,
    }
}

fn ordered(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    nodes
}
