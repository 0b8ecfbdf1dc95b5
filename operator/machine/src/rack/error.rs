//! Why a rack, or a verb on one, failed.
use std::{io, path::PathBuf};

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
        "the registers in {} were seeded from another text than this rack file of the name {rack}; if that is another rack which has the name too, call one of them otherwise (metadata.name) or give this one a folder of its own with --state-dir; if this file was changed, put it back, or run `shardplane rack reseed` to start over, which archives journal and ledger", path.display()
    )]
    Changed {
        /// The rack.
        rack: String,
        /// The folder of its registers.
        path: PathBuf,
    },
    /// A server lies with this rack's state that it does not declare.
    #[error(
        "{} is the state of a server that this rack file of the name {rack} does not declare; if that is another rack which has the name too, call one of them otherwise (metadata.name) or give this one a folder of its own with --state-dir; if this file declared it before, put it back, or move that folder away: the server's journal and ledger lie in it", path.display()
    )]
    Shared {
        /// The rack.
        rack: String,
        /// The server's folder.
        path: PathBuf,
    },
    /// The registers are laid out as another version does.
    #[error("the registers in {} were written by another version of shardplane; use that one, or run `shardplane rack reseed` to start over, which archives journal and ledger", path.display())]
    Format {
        /// The file.
        path: PathBuf,
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
