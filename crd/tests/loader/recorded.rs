//! Recorded outputs beside their inputs: `UPDATE=1` rewrites them, and the diff is the review.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A path from the repository's root.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Compares with the file, or rewrites it when `UPDATE` is set; answers what differs.
pub fn compare(path: &Path, actual: &str) -> Option<String> {
    if std::env::var_os("UPDATE").is_some() {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("the folder can be made");
        }
        fs::write(path, actual).expect("the recorded file can be written");
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != actual).then(|| {
        format!(
            "{} differs; UPDATE=1 rewrites it\n--- recorded\n{expected}\n--- now\n{actual}",
            path.display()
        )
    })
}

/// Files of a folder with this extension, sorted by name.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = repository(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()))
        .map(|entry| entry.expect("the entry can be read").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}
