//! Why a command failed: what we were doing, what to do about it, and the exit code it leads to.
mod system;

use std::io;

use machine::{RackError, StepError, ToolError};

use system::About;

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
    /// Steps that change the machine were begun, and what became of them could not be recorded.
    #[error("stopped with the machine changed ({} begun)", crate::render::words::counted(*begun as usize, "step"))]
    CutOff {
        /// Steps that change the machine and were begun.
        begun: u32,
        /// What could not be done.
        source: Box<Failure>,
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
                ModelError::Stopped { .. } => Exit::Partial,
            },
            Self::Invalid(_) => Exit::Input,
            Self::Said { exit, .. } => *exit,
            Self::Write { source, .. } => io_exit(source, Exit::CannotWrite),
            Self::CutOff { .. } => Exit::Partial,
        }
    }

    /// What to do about it; empty when the message says all.
    pub fn hint(&self) -> String {
        match self {
            Self::Lock(LockError::Held { .. }) => {
                "wait until it ends, or stop it with `shardplane down` or Ctrl-C there".into()
            }
            Self::Journal(JournalError::Damaged { .. }) => {
                "somebody edited it: put the file back, or move it and ledger.json away and run `shardplane plan` to see what is left to undo".into()
            }
            Self::State(StateError::Lost { path }) => format!(
                "put it back from a backup; or move {} away too, knowing that nobody restores then what was changed",
                path.with_file_name("journal").display()
            ),
            Self::State(StateError::Damaged { path, .. })
            | Self::Room(RoomError::State(StateError::Damaged { path, .. })) => {
                // A journal alone says that its ledger was lost.
                let it = if path.ends_with("ledger.json") { "it and the journal beside it" } else { "it" };
                format!("put the file back from a backup, or move {it} away knowing that what it recorded is lost")
            }
            Self::Said { hint, .. } => hint.clone(),
            Self::CutOff { source, .. } => {
                let cure = match source.hint() {
                    cure if cure.is_empty() => String::new(),
                    cure => format!("{cure}; "),
                };
                format!("{cure}the journal holds what was begun: the next run looks what became of it, and goes on")
            }
            Self::State(_)
            | Self::Room(RoomError::State(_) | RoomError::Rack(RackError::State { .. }))
            | Self::Rack(RackError::State { .. })
            | Self::Journal(_)
            | Self::Lock(_) => self.cure(About::State),
            Self::Source(error) => error.diagnostic().help,
            Self::Room(_)
            | Self::Rack(_)
            | Self::Model(_)
            | Self::Invalid(_)
            | Self::Write { .. } => self.cure(About::File),
        }
    }

    /// What to do about the system's error below it, where there is one.
    fn cure(&self, about: About) -> String {
        system::of(self)
            .map_or("", |error| system::hint(error, about))
            .to_owned()
    }

    /// The same, where steps that change the machine were begun before it: that they were must not be hidden by a file
    /// that could not be written. What already tells of them, or asks for leave, stays as it is.
    #[must_use]
    pub fn after(self, begun: u32) -> Self {
        match self.exit() {
            _ if begun == 0 => self,
            Exit::Partial
            | Exit::RolledBack
            | Exit::NotRolledBack
            | Exit::Blocked
            | Exit::Stale
            | Exit::Interrupted
            | Exit::Terminated => self,
            Exit::Ok
            | Exit::Failed
            | Exit::Changes
            | Exit::Policy
            | Exit::Usage
            | Exit::Input
            | Exit::Missing
            | Exit::Unavailable
            | Exit::Internal
            | Exit::CannotWrite
            | Exit::Locked
            | Exit::NoPermission => Self::CutOff {
                begun,
                source: Box::new(self),
            },
        }
    }

    /// The message and every cause below it, once each, on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and every cause below it, once each, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
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

/// What to do about an error of the system; empty where there is nothing to say.
pub fn cure(error: &io::Error) -> &'static str {
    system::hint(error, About::File)
}

/// What to do about the system's error that a failed effect ended with; empty where there is nothing to say.
pub fn cure_of(error: &StepError) -> &'static str {
    system::of(error).map_or("", |error| system::hint(error, About::File))
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
        StepError::Access(access) | StepError::Write(access) => refused(&access.source),
        StepError::Tool(ToolError::Start { source, .. }) => refused(source),
        StepError::ToolRefused { .. } => Some(Exit::NoPermission),
        StepError::Tool(ToolError::Missing { .. }) => Some(Exit::Unavailable),
        StepError::Expectation { .. }
        | StepError::Unseen { .. }
        | StepError::Strayed { .. }
        | StepError::ToolFailed { .. }
        | StepError::WriteIgnored { .. }
        | StepError::WriteDropped { .. }
        | StepError::WritePartial { .. }
        | StepError::SettingIgnored { .. }
        | StepError::FileIgnored { .. }
        | StepError::Held { .. }
        | StepError::Deadline { .. }
        | StepError::Gone { .. }
        | StepError::NotProven { .. }
        | StepError::NoP2P { .. }
        | StepError::NotCompared { .. }
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

fn state(error: &StateError) -> Exit {
    match error {
        StateError::Write { source, .. } => io_exit(source, Exit::CannotWrite),
        StateError::Read { source, .. } => io_exit(source, Exit::Missing),
        StateError::Damaged { .. } | StateError::Lost { .. } => Exit::Missing,
    }
}

fn rack(error: &RackError) -> Exit {
    match error {
        RackError::Impossible { .. }
        | RackError::Changed { .. }
        | RackError::Shared { .. }
        | RackError::Format { .. }
        | RackError::NoSuch { .. }
        | RackError::Refused { .. } => Exit::Input,
        RackError::State { source, .. } => io_exit(source, Exit::CannotWrite),
        RackError::Corrupt { .. } => Exit::Missing,
        RackError::Locked { .. } => Exit::Locked,
        RackError::NotARack => Exit::Usage,
    }
}
