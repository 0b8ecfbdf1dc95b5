//! Reads what `-f` names: files, folders and standard input, as labelled text.
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// More than any declaration has; a mistaken path to a disk image ends here.
const FILE_LIMIT: u64 = 16 << 20;
/// More files than any folder of declarations has.
const FOLDER_LIMIT: usize = 4096;

/// One text and the label that diagnostics and spans use for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as given, or `-`.
    pub label: String,
    /// What it holds.
    pub text: String,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing was named.
    #[error("nothing is declared: name a file or folder with -f, or - for standard input")]
    Nothing,
    /// A file or folder cannot be read.
    #[error("reading {label}")]
    Unreadable {
        /// The path as given.
        label: String,
        /// The system's error.
        source: io::Error,
    },
    /// A folder holds no declaration.
    #[error("{label} holds no .yaml, .yml or .json file")]
    Empty {
        /// The path as given.
        label: String,
    },
    /// A file is larger, or a folder fuller, than any declaration.
    #[error("{label} is too large to be a declaration (at most {limit})")]
    TooLarge {
        /// The path as given.
        label: String,
        /// The limit, in words.
        limit: &'static str,
    },
    /// A file is not text.
    #[error("{label} is not UTF-8 text (byte {at})")]
    NotText {
        /// The path as given.
        label: String,
        /// Offset of the first byte that is not.
        at: usize,
    },
}

/// Reads everything that `paths` name, in the order given; a folder's files by name, hidden ones and subfolders left out.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Source>, SourceError> {
    if paths.is_empty() {
        return Err(SourceError::Nothing);
    }
    let mut sources: Vec<Source> = Vec::new();
    for path in paths {
        for source in read(path)? {
            // Named twice (a file and its folder), declared once.
            if source.label == "-" || sources.iter().all(|seen| seen.label != source.label) {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

fn read(path: &Path) -> Result<Vec<Source>, SourceError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let unreadable = |source| SourceError::Unreadable {
            label: "-".to_owned(),
            source,
        };
        io::stdin()
            .lock()
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        return Ok(vec![text("-".to_owned(), bytes)?]);
    }
    let label = label(path);
    let unreadable = |source| SourceError::Unreadable {
        label: label.clone(),
        source,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let named = file
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json");
        let hidden = file
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if named && !hidden && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(SourceError::Empty { label });
    }
    if files.len() > FOLDER_LIMIT {
        return Err(SourceError::TooLarge {
            label,
            limit: "4096 files",
        });
    }
    files.sort();
    files.iter().map(|file| read_file(file)).collect()
}

/// Whether a path is missing, or a folder without any declaration.
pub fn holds_nothing(path: &Path) -> bool {
    match read(path) {
        Err(SourceError::Empty { .. }) => true,
        Err(SourceError::Unreadable { source, .. }) => source.kind() == io::ErrorKind::NotFound,
        Ok(_) | Err(_) => false,
    }
}

/// Reads one file.
pub fn read_file(path: &Path) -> Result<Source, SourceError> {
    let label = label(path);
    let unreadable = |source| SourceError::Unreadable {
        label: label.clone(),
        source,
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    text(label, bytes)
}

/// The path as given, without a leading `./`.
fn label(path: &Path) -> String {
    let shown = path.strip_prefix("./").unwrap_or(path);
    shown.display().to_string()
}

fn text(label: String, bytes: Vec<u8>) -> Result<Source, SourceError> {
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(SourceError::TooLarge {
            label,
            limit: "16 MiB",
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { label, text }),
        Err(error) => Err(SourceError::NotText {
            label,
            at: error.utf8_error().valid_up_to(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_by_name_and_named_twice_read_once() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("b.yaml", "b"),
            ("a.yml", "a"),
            (".hidden.yaml", "h"),
            ("notes.txt", "n"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let texts = |paths: &[PathBuf]| -> Vec<String> {
            read_all(paths)
                .unwrap()
                .into_iter()
                .map(|s| s.text)
                .collect()
        };
        let all = folder.path().to_owned();
        assert_eq!(texts(std::slice::from_ref(&all)), ["a", "b"]);
        assert_eq!(texts(&[all.join("b.yaml"), all]), ["b", "a"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: PathBuf| read_all(&[path]).unwrap_err().to_string();
        assert!(said(folder.path().to_owned()).ends_with("holds no .yaml, .yml or .json file"));
        assert!(said(folder.path().join("gone.yaml")).ends_with("gone.yaml"));
        let binary = folder.path().join("x.yaml");
        fs::write(&binary, b"a: \xff").unwrap();
        assert!(said(binary).ends_with("is not UTF-8 text (byte 3)"));
        assert!(matches!(read_all(&[]), Err(SourceError::Nothing)));
        for (path, nothing) in [
            ("gone", true),
            ("empty", true),
            ("x.yaml", false),
            ("", false),
        ] {
            fs::create_dir_all(folder.path().join("empty")).unwrap();
            assert_eq!(holds_nothing(&folder.path().join(path)), nothing, "{path}");
        }
    }
}
