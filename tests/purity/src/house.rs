//! The list, the dependencies that it is about, and the crates that it holds for, as they stand in a checkout.
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Allowed, Unread};

/// The crates that name and decide.
pub const PURE: [&str; 2] = ["crd", "reconcile"];

/// Why a checkout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// A file or a folder cannot be read.
    #[error("reading {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The list is not made of Rust's tokens.
    #[error("reading tests/purity/allowed.rs")]
    List(#[source] Unread),
}

/// What the pure crates of a checkout may name.
///
/// # Errors
/// Where a file of the check is not there or not readable.
pub fn allowed(root: &Path) -> Result<Allowed, HouseError> {
    let mut dependencies = BTreeSet::new();
    for name in PURE {
        dependencies.extend(needs(&text(&root.join(name).join("Cargo.toml"))?));
    }
    // Each other is read by the same rule.
    let outside: Vec<String> = dependencies
        .into_iter()
        .filter(|name| !PURE.contains(&name.as_str()))
        .collect();
    let list = text(&root.join("tests/purity/allowed.rs"))?;
    Allowed::new(&list, &outside).map_err(HouseError::List)
}

/// The names under which a manifest's dependencies are known to the code.
fn needs(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.starts_with('#')
        {
            found.push(name.replace('-', "_"));
        }
    }
    found
}

/// A file's text.
///
/// # Errors
/// Where it cannot be read.
pub fn text(path: &Path) -> Result<String, HouseError> {
    fs::read_to_string(path).map_err(|error| HouseError::File(path.to_owned(), error))
}

/// Every file of a crate's source, whatever its name ends in.
///
/// # Errors
/// Where a folder cannot be listed.
pub fn sources(root: &Path, name: &str) -> Result<Vec<PathBuf>, HouseError> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(name).join("src")];
    while let Some(folder) = folders.pop() {
        let failed = |error| HouseError::File(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A link is no folder here: it is found as the file that it is, and refused.
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
