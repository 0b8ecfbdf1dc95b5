//! Programs for target AI100, which are told from what is no program at all: cards run them, and no worker of ours serves them.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::ProgramError;
use crate::regular;

/// What the vendor's compiler calls a program's container.
const CONTAINER: &str = "programqpc.bin";
/// Where a container lies from what somebody may name: itself, its folder, and a program of `shardplane`'s store.
const PLACES: [&str; 3] = ["", CONTAINER, "qpc/programqpc.bin"];
/// Begins what the compiler of a virtual rack leaves in a container's place; `machine::rack` writes it.
const MARKER: &[u8] = b"SHARDPLANE-RACK-COMPILER-DOUBLE";

/// Refuses a program for target AI100; anything else is for others to judge.
pub fn refuse(path: &Path) -> Result<(), ProgramError> {
    let Some(container) = container(path) else {
        return Ok(());
    };
    let path = path.to_path_buf();
    Err(if is_marker(&container) {
        ProgramError::Marker { path }
    } else {
        ProgramError::ForCards { path }
    })
}

fn container(path: &Path) -> Option<PathBuf> {
    let mut places = PLACES.iter().map(|place| match *place {
        "" => path.to_path_buf(),
        place => path.join(place),
    });
    places.find(|place| place.file_name().is_some_and(|name| name == CONTAINER) && place.is_file())
}

fn is_marker(container: &Path) -> bool {
    let mut begins = Vec::new();
    // What cannot be read may be a program as well as not.
    let read = regular::open(container)
        .and_then(|file| file.take(MARKER.len() as u64).read_to_end(&mut begins));
    read.is_ok() && begins == MARKER
}
