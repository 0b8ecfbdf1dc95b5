//! How the command fails: one chain of causes, one exit code.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use super::output;
use crate::checkpoint::CheckpointError;
use crate::program::{BuildError, ProgramError, Refusal};
use crate::ranks::RankError;
use crate::serve::api::ApiError;
use crate::serve::chain;
use crate::text::TextError;

/// Exit codes, after `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The reader of our output left; not an error.
    ReaderGone,
    /// The command line asks for what cannot be.
    Usage,
    /// A checkpoint, program, configuration or tokenizer is wrong.
    BadInput,
    /// A file or folder is not there.
    Missing,
    /// Ranks cannot be started here, or the port is taken.
    Unavailable,
    /// Something that should not happen.
    Internal,
    /// The disk is full or the place cannot be written.
    CannotWrite,
    /// Somebody else holds what is needed; later it may work.
    Busy,
    /// The operating system does not allow it.
    Permission,
    /// Interrupted from the terminal, with work broken off.
    Interrupted,
    /// Terminated, with work broken off.
    Terminated,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::ReaderGone => 0,
            Exit::Usage => 64,
            Exit::BadInput => 65,
            Exit::Missing => 66,
            Exit::Unavailable => 69,
            Exit::Internal => 70,
            Exit::CannotWrite => 73,
            Exit::Busy => 75,
            Exit::Permission => 77,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        })
    }
}

/// Why the command did not do what it was asked.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: Option<String>,
    hint: Option<&'static str>,
}

impl Failure {
    /// A failure with the chain of its causes. What the operating system said goes before `exit`.
    pub(super) fn new(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self {
            exit: said_by_the_system(error).unwrap_or(exit),
            message: Some(chain(error)),
            hint: None,
        }
    }

    /// A failure in a sentence of our own.
    pub(super) fn said(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: Some(message.into()),
            hint: None,
        }
    }

    /// An exit code with nothing to say.
    pub(super) fn quiet(exit: Exit) -> Self {
        Self {
            exit,
            message: None,
            hint: None,
        }
    }

    /// Says what was being done.
    pub(super) fn doing(mut self, what: &str) -> Self {
        self.message = self.message.map(|message| format!("{what}: {message}"));
        self
    }

    /// Says what to do about it.
    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Prints it once, and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        let Self {
            exit,
            message,
            hint,
        } = self;
        if let Some(message) = message {
            output::note(&format!("error: {message}"));
        }
        if let Some(hint) = hint {
            output::note(&format!("hint: {hint}"));
        }
        exit.into()
    }

    #[cfg(test)]
    fn exit(&self) -> Exit {
        self.exit
    }
}

/// The exit code that an operating system's error in the chain asks for, whoever met it.
fn said_by_the_system(error: &(dyn Error + 'static)) -> Option<Exit> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let kind = causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .last()?
        .kind();
    match kind {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            Some(Exit::Missing)
        }
        ErrorKind::PermissionDenied => Some(Exit::Permission),
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::FileTooLarge => Some(Exit::CannotWrite),
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable => Some(Exit::Unavailable),
        _ => None,
    }
}

/// What to do about a program for cards.
const FOR_CPU: &str = "declare `target: CPU`, or make one of the checkpoint: `shardplane-worker build --checkpoint DIR --out PROGRAM --shards N`";

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        let exit = match &error {
            ProgramError::Gone { .. } => Exit::Missing,
            ProgramError::ForCards { .. } | ProgramError::Marker { .. } => {
                return Self::new(Exit::BadInput, &error).hint(FOR_CPU);
            }
            ProgramError::Read { .. }
            | ProgramError::NotAProgram { .. }
            | ProgramError::Manifest { .. }
            | ProgramError::Contradiction { .. }
            | ProgramError::Format { .. }
            | ProgramError::Length { .. }
            | ProgramError::Hash { .. } => Exit::BadInput,
        };
        Self::new(exit, &error)
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        let exit = match &error {
            TextError::NoTokenizer { .. } => Exit::Missing,
            TextError::Read { .. }
            | TextError::TooLarge { .. }
            | TextError::Json { .. }
            | TextError::Decoding { .. }
            | TextError::Tokenizing { .. }
            | TextError::Tokenizer { .. }
            | TextError::Rows { .. }
            | TextError::Beyond
            | TextError::Encode { .. }
            | TextError::Decode { .. }
            | TextError::TemplateSyntax { .. }
            | TextError::TemplateText { .. }
            | TextError::TemplateShape { .. }
            | TextError::Refused { .. }
            | TextError::Render { .. } => Exit::BadInput,
        };
        Self::new(exit, &error)
    }
}

impl From<RankError> for Failure {
    fn from(error: RankError) -> Self {
        let exit = match &error {
            RankError::Option { .. } => Exit::Usage,
            RankError::Program(_) | RankError::NoNumbers { .. } => Exit::BadInput,
            RankError::Memory { .. }
            | RankError::System { .. }
            | RankError::Spawn { .. }
            | RankError::Failed { .. }
            | RankError::Gone { .. }
            | RankError::Deadline { .. } => Exit::Unavailable,
            RankError::Feed { .. } | RankError::OutOfRange { .. } | RankError::Ended { .. } => {
                Exit::Internal
            }
        };
        Self::new(exit, &error)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let exit = match &error {
            BuildError::Checkpoint(
                CheckpointError::NoFolder { .. } | CheckpointError::Missing { .. },
            ) => Exit::Missing,
            BuildError::Refused(Refusal::NoShards | Refusal::TooMany { .. }) => Exit::Usage,
            BuildError::Refused(_) | BuildError::Checkpoint(_) | BuildError::Context { .. } => {
                Exit::BadInput
            }
            BuildError::Memory { .. } => Exit::Unavailable,
            BuildError::Full { .. } | BuildError::Place { .. } | BuildError::Occupied { .. } => {
                Exit::CannotWrite
            }
            // A missing parent is a place that cannot be written, not an input that is missing.
            BuildError::Write { source, .. } => {
                return Self {
                    exit: said_by_the_system(source)
                        .filter(|exit| *exit == Exit::Permission)
                        .unwrap_or(Exit::CannotWrite),
                    message: Some(chain(&error)),
                    hint: (source.kind() == ErrorKind::FileTooLarge).then_some(
                        "it reached the largest size that a file may have: raise the limit (`ulimit -f`) and run again",
                    ),
                };
            }
            BuildError::Busy { .. } => Exit::Busy,
            BuildError::Verify(_) => Exit::Internal,
            // Whoever asked for it says by which signal.
            BuildError::Stopped => Exit::Terminated,
        };
        Self::new(exit, &error)
    }
}

/// On the command line, what the API would refuse is a mistake in the arguments.
impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::new(
            if error.status < 500 {
                Exit::Usage
            } else {
                Exit::Internal
            },
            &error,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::path::PathBuf;

    #[test]
    fn every_failure_has_its_code() {
        let check =
            |failure: Failure, expected| assert_eq!(failure.exit(), expected, "{failure:?}");
        let read = |kind: ErrorKind| TextError::Read {
            path: PathBuf::from("F"),
            source: kind.into(),
        };
        check(read(ErrorKind::NotFound).into(), Exit::Missing);
        check(read(ErrorKind::PermissionDenied).into(), Exit::Permission);
        check(read(ErrorKind::UnexpectedEof).into(), Exit::BadInput);
        let write = |kind: ErrorKind| BuildError::Write {
            path: PathBuf::from("F"),
            source: kind.into(),
        };
        check(write(ErrorKind::StorageFull).into(), Exit::CannotWrite);
        check(write(ErrorKind::NotFound).into(), Exit::CannotWrite);
        check(write(ErrorKind::PermissionDenied).into(), Exit::Permission);
        // A count that no model can have is a mistake in the arguments, one that this model cannot have is not.
        check(BuildError::from(Refusal::NoShards).into(), Exit::Usage);
        let many = Refusal::TooMany { shards: 5000 };
        check(BuildError::from(many).into(), Exit::Usage);
        let heads = Refusal::Heads {
            shards: 7,
            heads: 6,
        };
        check(BuildError::from(heads).into(), Exit::BadInput);
        check(ApiError::bad("temperature", "no").into(), Exit::Usage);
        check(
            RankError::OutOfRange { lost: Vec::new() }.into(),
            Exit::Internal,
        );
        check(
            Failure::new(Exit::Internal, &io::Error::from(ErrorKind::AddrInUse)),
            Exit::Unavailable,
        );
    }
}
