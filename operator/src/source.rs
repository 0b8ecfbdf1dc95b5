//! Reads what `-f` names: files, folders and standard input, as labelled text.
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crd::{
    declaration::Span,
    diagnostic::{Diagnostic, catalog},
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
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
    /// Where it lies, byte for byte: a label shows it, and two paths may look alike. None for standard input.
    pub path: Option<PathBuf>,
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
    #[error("{label}:{line}:{column} is not UTF-8 text", line = span.line, column = span.column, label = span.file)]
    NotText {
        /// The first bytes that are not; columns are counted in characters.
        span: Span,
        /// The text as far as it is one, for whoever shows the place.
        shown: String,
    },
}

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The texts, in the order given.
    pub sources: Vec<Source>,
    /// Why the others are not among them.
    pub problems: Vec<SourceError>,
}

/// Reads everything that `paths` name, in the order given; a folder's files by name, hidden ones and subfolders left out.
/// What cannot be read keeps nothing else from being read; only naming nothing is an error at once.
pub fn read_all(paths: &[PathBuf]) -> Result<Gathered, SourceError> {
    if paths.is_empty() {
        return Err(SourceError::Nothing);
    }
    let mut gathered = Gathered::default();
    // Named twice (a file and its folder), declared once.
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for path in paths {
        if path == Path::new("-") {
            gathered.put(standard_input());
            continue;
        }
        match files(path) {
            Ok(files) => {
                for file in files {
                    if seen.insert(label(&file)) {
                        gathered.put(read_file(&file));
                    }
                }
            }
            Err(problem) => gathered.problems.push(problem),
        }
    }
    Ok(gathered)
}

impl SourceError {
    /// The problem as validation tells it.
    pub fn diagnostic(&self) -> Diagnostic {
        let said = crate::failure::chain(self);
        match self {
            Self::Nothing => Diagnostic::error(&catalog::NOTHING_DECLARED, said),
            Self::Unreadable { source, .. } => {
                let help = match source.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "let this user read it, or run as one who may"
                    }
                    io::ErrorKind::NotFound => {
                        "name a file or folder that is there, or leave it out"
                    }
                    io::ErrorKind::InvalidInput => {
                        "let a program write to it, as the shell's `<(…)` does, or name a file"
                    }
                    _ if source.raw_os_error() == Some(Errno::ELOOP as i32) => {
                        "a link leads in a circle: let it lead to the file, or remove it"
                    }
                    _ => "name a file or folder that can be read, or leave it out",
                };
                Diagnostic::error(&catalog::UNREADABLE_SOURCE, said).help(help)
            }
            Self::Empty { .. } => Diagnostic::error(&catalog::NO_SOURCE, said)
                .help("name the folder that holds the declarations; subfolders are not read"),
            Self::TooLarge { .. } => Diagnostic::error(&catalog::SOURCE_TOO_LARGE, said)
                .help("name the declaration itself"),
            Self::NotText { span, shown } => Diagnostic::error(&catalog::SOURCE_NOT_TEXT, said)
                .at(span.clone())
                .help(if shown.contains('\0') {
                    "save the file as UTF-8: `iconv -f UTF-16 -t UTF-8` where it was UTF-16"
                } else {
                    "save the file as UTF-8: `iconv -f LATIN1 -t UTF-8` where it was Latin-1"
                }),
        }
    }
}

impl Gathered {
    fn put(&mut self, read: Result<Source, SourceError>) {
        match read {
            Ok(source) => self.sources.push(source),
            Err(problem) => self.problems.push(problem),
        }
    }
}

fn standard_input() -> Result<Source, SourceError> {
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
    text("-".to_owned(), None, bytes)
}

/// The file itself, or the declarations of a folder.
fn files(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let label = label(path);
    let unreadable = |source| SourceError::Unreadable {
        label: label.clone(),
        source,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
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
        // A link that leads nowhere was meant to be a declaration: it is read, and told.
        let plain = fs::metadata(&file).map_or(true, |meta| meta.is_file());
        if named && !hidden && plain {
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
    Ok(files)
}

/// Whether a path is missing, or a folder without any declaration.
pub fn holds_nothing(path: &Path) -> bool {
    match files(path) {
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
    let bytes = read_some(path, FILE_LIMIT + 1).map_err(unreadable)?;
    text(label, Some(path.to_owned()), bytes)
}

/// Up to so many bytes of a file. A pipe that has a writer, as the shell's `<(…)`, is read to its end; one that nobody
/// writes to is an error, and is not waited for.
pub fn read_some(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    if is_pipe && bytes.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a pipe is there, and nobody writes to it",
        ));
    }
    Ok(bytes)
}

/// The path as given, without a leading `./`.
fn label(path: &Path) -> String {
    let shown = path.strip_prefix("./").unwrap_or(path);
    shown.display().to_string()
}

fn text(label: String, path: Option<PathBuf>, bytes: Vec<u8>) -> Result<Source, SourceError> {
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(SourceError::TooLarge {
            label,
            limit: "16 MiB",
        });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { label, text, path }),
        Err(error) => {
            let wrong = error.utf8_error();
            let at = wrong.valid_up_to();
            let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let before = &shown[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default();
            Err(SourceError::NotText {
                span: Span {
                    file: label,
                    line: u32::try_from(line).unwrap_or(u32::MAX),
                    column: u32::try_from(column.chars().count() + 1).unwrap_or(u32::MAX),
                    byte: at as u64,
                    length: wrong.error_len().unwrap_or(1) as u64,
                },
                shown,
            })
        }
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
                .sources
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
        let said = |path: PathBuf| read_all(&[path]).unwrap().problems[0].to_string();
        assert!(said(folder.path().to_owned()).ends_with("holds no .yaml, .yml or .json file"));
        assert!(said(folder.path().join("gone.yaml")).ends_with("gone.yaml"));
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let waited = read_all(std::slice::from_ref(&pipe)).unwrap();
        assert!(
            matches!(&waited.problems[..], [SourceError::Unreadable { source, .. }] if source.to_string().contains("nobody writes"))
        );
        let binary = folder.path().join("x.yaml");
        fs::write(&binary, b"a: b\n\xc3\xa4: \xff").unwrap();
        assert!(said(binary).ends_with("x.yaml:2:4 is not UTF-8 text"));
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
