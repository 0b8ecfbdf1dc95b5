//! `artifact`: a program as an image in a registry, pushed from a folder and pulled into one.
//!
//! `name` (which image), `credentials` (by whose leave), `layers` and `image` (what of a folder's contents is sent: the same
//! bytes for the same files), `registry` (one request after another, with deadlines, leave and second tries), then `push` and
//! `pull`. Nothing here holds more of a file than a buffer. Whoever mounts such an image has the folder.
mod credentials;
mod error;
mod image;
mod layers;
mod name;
mod pull;
mod push;
mod registry;

use std::fs;

use sha2::{Digest as _, Sha256};

use crate::{
    cli::{ArtifactArgs, ArtifactVerb, ReachArgs},
    console::Console,
    exit::Exit,
    failure::Failure,
};
use credentials::Credentials;
use name::Name;
use registry::Registry;

/// Bytes that are read and hashed at once.
const BUFFER: usize = 256 * 1024;

/// `artifact`
pub fn run(args: &ArtifactArgs, console: &Console) -> Result<Exit, Failure> {
    match &args.verb {
        ArtifactVerb::Push {
            folder,
            name,
            reach,
            digest_to,
        } => {
            let mut registry = reached(name, reach)?;
            let digest = push::push(&mut registry, folder, &|line| console.note(line))?;
            if let Some(file) = digest_to {
                fs::write(file, &digest).map_err(|source| Failure::Write {
                    path: file.display().to_string(),
                    source,
                })?;
            }
            console.result(&format!("{digest}\n"));
        }
        ArtifactVerb::Pull {
            name,
            folder,
            reach,
        } => {
            let mut registry = reached(name, reach)?;
            pull::pull(&mut registry, folder, &|line| console.note(line))?;
        }
    }
    Ok(Exit::Ok)
}

fn reached(name: &str, reach: &ReachArgs) -> Result<Registry, Failure> {
    let ReachArgs {
        credentials,
        plain_http,
    } = reach;
    let name = Name::read(name)?;
    let given = match credentials {
        Some(folder) => Credentials::read(folder, name.registry())?,
        None => Credentials::default(),
    };
    if *plain_http {
        return Ok(Registry::plain(name, given)?);
    }
    Ok(Registry::secure(name, given))
}

/// A digest as registries write it.
fn written(hash: Sha256) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The digest of these bytes.
fn digest(bytes: &[u8]) -> String {
    written(Sha256::new_with_prefix(bytes))
}
