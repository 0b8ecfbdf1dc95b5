//! What the integration tests share: the repository's files, the built binaries, and folders that go away.
pub mod helm;
pub mod values;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One of our binaries, built by the same cargo command that built the running test.
///
/// # Panics
/// When it was not built: a test of a binary that is not there must not pass.
#[expect(
    clippy::panic,
    reason = "a missing binary fails the test with the command that builds it"
)]
pub fn binary(name: &str) -> PathBuf {
    let Ok(test) = std::env::current_exe() else {
        panic!("finding the running test's own path");
    };
    // target/<profile>/deps/integration-<hash>
    let built = test.ancestors().nth(2).map(|profile| profile.join(name));
    match built {
        Some(path) if path.is_file() => path,
        _ => panic!("{name} is not built; run `cargo build --workspace --bins` first"),
    }
}

/// Every tracked or new file of the repository that git does not ignore, below `under`, with one of these endings.
///
/// # Panics
/// When the folder cannot be read.
#[expect(
    clippy::panic,
    reason = "a test over files that cannot be listed must not pass"
)]
pub fn files(under: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            panic!("listing {}", folder.display());
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
