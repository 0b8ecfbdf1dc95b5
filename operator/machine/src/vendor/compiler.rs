//! `qaic-exec` and `qaic-compile`: what they say when they fail. A program is known by its `programqpc.bin`, never by this.
//!
//! Format: observed in published issues (`[json.exception.type_error.302] type must be string, but is object` with exit code
//! 255: specializations of a newer form than the compiler's); everything else is taken as words for a person.
use std::{convert::Infallible, str::FromStr};

use super::log::{before_log, without_escapes};

/// What a failure is known to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The files are in the form of another compiler version.
    Dialect,
    /// The output folder was there already.
    FolderThere,
    /// The model could not be opened.
    Model,
    /// The machine has too little memory.
    Memory,
    /// None of these.
    Other,
}

impl Fault {
    /// What to do next, where that is known.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Dialect => Some(
                "its version is not that of the installed Apps SDK's record; reinstall the SDK",
            ),
            Self::FolderThere => Some("some versions refuse a folder that exists; remove it"),
            Self::Model => Some("look at the model's path and its rights"),
            Self::Memory => Some("the vendor recommends 512 GB of memory for compiling"),
            Self::Other => None,
        }
    }
}

/// A compiler's last words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerWords {
    /// The last five lines that say something.
    pub last: String,
    /// What they are known to mean.
    pub fault: Fault,
}

impl FromStr for CompilerWords {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        const KEPT: usize = 5;
        let text = without_escapes(text);
        let lines: Vec<&str> = text
            .lines()
            .map(|line| before_log(line).trim())
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines[lines.len().saturating_sub(KEPT)..].join("\n");
        let folded = text.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
        let fault = if has(&["json.exception.type_error", "type must be string"]) {
            Fault::Dialect
        } else if has(&["already exists", "file exists"]) {
            Fault::FolderThere
        } else if has(&["unable to open model", "no such file"]) {
            Fault::Model
        } else if has(&["bad_alloc", "out of memory", "cannot allocate memory"]) {
            Fault::Memory
        } else {
            Fault::Other
        };
        Ok(Self { last, fault })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_kept_and_known_ones_told() {
        for (text, last, fault) in [
            ("", "", Fault::Other),
            ("a\n\nb\r\n", "a\nb", Fault::Other),
            ("1\n2\n3\n4\n5\n6\n", "2\n3\n4\n5\n6", Fault::Other),
            (
                "[json.exception.type_error.302] type must be string, but is object\n",
                "[json.exception.type_error.302] type must be string, but is object",
                Fault::Dialect,
            ),
            (
                "Output directory /x already exists\n[15:58:55.536][error] bye\n",
                "Output directory /x already exists",
                Fault::FolderThere,
            ),
            ("std::bad_alloc\n", "std::bad_alloc", Fault::Memory),
            (
                "Unable to open model m\n",
                "Unable to open model m",
                Fault::Model,
            ),
        ] {
            let Ok(words) = text.parse::<CompilerWords>();
            assert_eq!((words.last.as_str(), words.fault), (last, fault), "{text}");
        }
    }
}
