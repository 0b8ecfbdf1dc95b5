//! Why a command failed: what we were doing, what to do about it, and the exit code it leads to.
use std::{error::Error, io};

use machine::{RackError, StepError, ToolError};

use crate::{
    exit::Exit,
    room::RoomError,
    source::SourceError,
    state::{JournalError, LockError, StateError, models::ModelError},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A declared file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The machine room cannot be opened.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// The rack refused a verb.
    #[error(transparent)]
    Rack(#[from] RackError),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another run works here.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What was declared is wrong; the diagnostics were printed where they were found.
    #[error("{0}")]
    Invalid(String),
    /// A failure with its outcome, in one sentence, and what to do about it.
    #[error("{message}")]
    Said {
        /// The outcome.
        exit: Exit,
        /// What happened.
        message: String,
        /// What to do; empty when there is nothing.
        hint: String,
    },
    /// A file that was to be written cannot be.
    #[error("writing {path}")]
    Write {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
}

impl Failure {
    /// A failure in one sentence, with its hint.
    pub fn said(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said {
            exit,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The outcome that it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Source(error) => match error {
                SourceError::Nothing => Exit::Usage,
                SourceError::Unreadable { .. } => Exit::Missing,
                SourceError::Empty { .. }
                | SourceError::TooLarge { .. }
                | SourceError::NotText { .. } => Exit::Input,
            },
            Self::Room(error) => match error {
                RoomError::Rack(error) => rack(error),
                RoomError::State(error) => state(error),
                RoomError::NoSuchNode { .. } => Exit::Missing,
                RoomError::NoStateFolder => Exit::Usage,
            },
            Self::Rack(error) => rack(error),
            Self::State(error) => state(error),
            Self::Journal(error) => match error {
                JournalError::Read { source, .. } => io_exit(source, Exit::Missing),
                JournalError::Write { source, .. } => io_exit(source, Exit::CannotWrite),
                JournalError::Damaged { .. } => Exit::Missing,
            },
            Self::Lock(error) => match error {
                LockError::Held { .. } => Exit::Locked,
                LockError::Io { source, .. } => io_exit(source, Exit::CannotWrite),
            },
            Self::Model(error) => match error {
                ModelError::Unreadable { .. } => Exit::Missing,
                ModelError::Empty { .. } => Exit::Input,
            },
            Self::Invalid(_) => Exit::Input,
            Self::Said { exit, .. } => *exit,
            Self::Write { source, .. } => io_exit(source, Exit::CannotWrite),
        }
    }

    /// What to do about it; empty when the message says all.
    pub fn hint(&self) -> &str {
        match self {
            Self::Lock(LockError::Held { .. }) => {
                "wait until it ends, or stop it with `shardplane down` or Ctrl-C there"
            }
            Self::Journal(JournalError::Damaged { .. }) => {
                "somebody edited it: put the file back, or move it and ledger.json away and run `shardplane plan` to see what is left to undo"
            }
            Self::State(error) | Self::Room(RoomError::State(error)) => match error {
                StateError::Damaged { .. } => {
                    "put the file back from a backup, or move it away knowing that what it recorded is lost"
                }
                StateError::Read { source, .. } | StateError::Write { source, .. } => {
                    state_hint(source)
                }
            },
            Self::Rack(RackError::State { source, .. })
            | Self::Room(RoomError::Rack(RackError::State { source, .. }))
            | Self::Journal(
                JournalError::Read { source, .. } | JournalError::Write { source, .. },
            )
            | Self::Lock(LockError::Io { source, .. }) => state_hint(source),
            Self::Said { hint, .. } => hint,
            Self::Source(_)
            | Self::Room(_)
            | Self::Rack(_)
            | Self::Model(_)
            | Self::Invalid(_)
            | Self::Write { .. } => "",
        }
    }

    /// The message and every cause below it, once each, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

/// The outcome that a failed effect has of its own, where its error shows that nothing was touched: the system refused
/// it, or what it needs is not installed.
pub fn untouched(error: &StepError) -> Option<Exit> {
    let refused = |source: &io::Error| {
        matches!(
            source.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        )
        .then_some(Exit::NoPermission)
    };
    match error {
        StepError::Access(access) => refused(&access.source),
        StepError::Tool(ToolError::Start { source, .. }) => refused(source),
        StepError::Tool(ToolError::Missing { .. }) => Some(Exit::Unavailable),
        StepError::Expectation { .. }
        | StepError::ToolFailed { .. }
        | StepError::WriteIgnored { .. }
        | StepError::SettingIgnored { .. }
        | StepError::FileIgnored { .. }
        | StepError::Held { .. }
        | StepError::Deadline { .. }
        | StepError::NotProven { .. }
        | StepError::NoP2P { .. }
        | StepError::NotOnMachine { .. } => None,
    }
}

fn io_exit(error: &io::Error, otherwise: Exit) -> Exit {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NoPermission,
        io::ErrorKind::StorageFull
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::QuotaExceeded => Exit::CannotWrite,
        _ => otherwise,
    }
}

/// What to do about a state directory that the system does not let us use.
fn state_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "run as the user whose state it is, or name another folder with --state-dir"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on its disk and run again, or name another folder with --state-dir"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "name a folder with --state-dir"
        }
        // Kinds of errors are not ours, and the message says what there is to say.
        _ => "",
    }
}

fn state(error: &StateError) -> Exit {
    match error {
        StateError::Write { source, .. } => io_exit(source, Exit::CannotWrite),
        StateError::Read { source, .. } => io_exit(source, Exit::Missing),
        StateError::Damaged { .. } => Exit::Missing,
    }
}

fn rack(error: &RackError) -> Exit {
    match error {
        RackError::Impossible { .. } | RackError::Changed { .. } | RackError::NoSuch { .. } => {
            Exit::Input
        }
        RackError::State { source, .. } => io_exit(source, Exit::CannotWrite),
        RackError::Corrupt { .. } => Exit::Missing,
        RackError::Locked { .. } => Exit::Locked,
        RackError::Refused { .. } => Exit::Unavailable,
        RackError::NotARack => Exit::Usage,
    }
}
