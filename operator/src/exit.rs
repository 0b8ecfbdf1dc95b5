//! The one table of exit codes: what each means, and which of two is worse.
use std::{fmt::Write as _, process::ExitCode};

/// How a run of `shardplane` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done, or nothing differs.
    Ok,
    /// A difference was found (`fmt --check`, `snapshot diff`), or a failure without a code of its own.
    Failed,
    /// `plan --detailed-exitcode`: a step can run.
    Changes,
    /// A mandatory rule is violated, or a prerequisite is not met.
    Policy,
    /// A saved plan, a recorded snapshot or an approved digest is not what holds now.
    Stale,
    /// A goal is blocked, or approval is missing.
    Blocked,
    /// Stopped with steps outstanding; the journal has the rest.
    Partial,
    /// A step failed and the run was undone.
    RolledBack,
    /// A step failed and what was done stays; a person is needed.
    NotRolledBack,
    /// The command line is wrong.
    Usage,
    /// What was declared is wrong.
    Input,
    /// A file is missing or cannot be read.
    Missing,
    /// A machine, a tool or a worker does not answer.
    Unavailable,
    /// A fault of this program.
    Internal,
    /// A file cannot be written.
    CannotWrite,
    /// Somebody else works on this machine; try again.
    Locked,
    /// The system does not permit it.
    NoPermission,
    /// Stopped by Ctrl-C with nothing begun.
    Interrupted,
    /// Stopped by SIGTERM with nothing begun.
    Terminated,
}

/// One row of the table.
pub struct Row {
    /// The outcome.
    pub exit: Exit,
    /// Its code.
    pub code: u8,
    /// Its name in JSON.
    pub name: &'static str,
    /// What it means, for people.
    pub meaning: &'static str,
}

const fn row(exit: Exit, code: u8, name: &'static str, meaning: &'static str) -> Row {
    Row {
        exit,
        code,
        name,
        meaning,
    }
}

/// Every exit code. Frozen: scripts depend on it.
pub const TABLE: [Row; 19] = [
    row(Exit::Ok, 0, "ok", "done, or nothing differs"),
    row(
        Exit::Failed,
        1,
        "failed",
        "difference found (fmt --check, snapshot diff), or a failure without its own code",
    ),
    row(
        Exit::Changes,
        2,
        "changes",
        "plan --detailed-exitcode: a step can run",
    ),
    row(
        Exit::Policy,
        10,
        "policy",
        "a mandatory rule is violated, or (doctor) a prerequisite not met",
    ),
    row(
        Exit::Stale,
        11,
        "stale",
        "the saved plan, recorded snapshot or approved digest is not what holds now",
    ),
    row(
        Exit::Blocked,
        12,
        "blocked",
        "a goal is blocked, or approval is missing",
    ),
    row(
        Exit::Partial,
        20,
        "partial",
        "stopped with steps outstanding; run again to go on",
    ),
    row(
        Exit::RolledBack,
        21,
        "rolled-back",
        "a step failed and the run was undone",
    ),
    row(
        Exit::NotRolledBack,
        22,
        "not-rolled-back",
        "a step failed and what was done stays; a person is needed",
    ),
    row(Exit::Usage, 64, "usage", "the command line is wrong"),
    row(Exit::Input, 65, "input", "what was declared is wrong"),
    row(
        Exit::Missing,
        66,
        "missing",
        "a file is missing or cannot be read",
    ),
    row(
        Exit::Unavailable,
        69,
        "unavailable",
        "a machine, a tool or a worker does not answer",
    ),
    row(
        Exit::Internal,
        70,
        "internal",
        "a fault of this program; please report it",
    ),
    row(
        Exit::CannotWrite,
        73,
        "cannot-write",
        "a plan, a journal or a file cannot be written",
    ),
    row(
        Exit::Locked,
        75,
        "locked",
        "another run works on this machine; try again",
    ),
    row(
        Exit::NoPermission,
        77,
        "no-permission",
        "the system does not permit it",
    ),
    row(
        Exit::Interrupted,
        130,
        "interrupted",
        "stopped by Ctrl-C with nothing begun",
    ),
    row(
        Exit::Terminated,
        143,
        "terminated",
        "stopped by SIGTERM with nothing begun",
    ),
];

/// From worst to best; two outcomes of one run are reported as the worse.
const SEVERITY: [Exit; 19] = [
    Exit::NotRolledBack,
    Exit::Partial,
    Exit::RolledBack,
    Exit::Internal,
    Exit::NoPermission,
    Exit::Unavailable,
    Exit::CannotWrite,
    Exit::Locked,
    Exit::Missing,
    Exit::Input,
    Exit::Usage,
    Exit::Policy,
    Exit::Interrupted,
    Exit::Terminated,
    Exit::Blocked,
    Exit::Stale,
    Exit::Failed,
    Exit::Changes,
    Exit::Ok,
];

impl Exit {
    fn row(self) -> &'static Row {
        // Every variant has a row (tested), so the first row is never the answer for another variant.
        TABLE
            .iter()
            .find(|row| row.exit == self)
            .unwrap_or(&TABLE[0])
    }

    /// The code given to the system.
    pub fn code(self) -> u8 {
        self.row().code
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The worse of two: an error always beats "changes".
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |exit| SEVERITY.iter().position(|&at| at == exit);
        if rank(self) <= rank(other) {
            self
        } else {
            other
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table as text for `--help`.
pub fn table_text() -> String {
    let mut text = String::from("Exit codes:\n");
    for row in &TABLE {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:>3}  {:<15}  {}", row.code, row.name, row.meaning);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_frozen() {
        let seen: Vec<(u8, &str)> = TABLE.iter().map(|row| (row.code, row.name)).collect();
        assert_eq!(
            seen,
            [
                (0, "ok"),
                (1, "failed"),
                (2, "changes"),
                (10, "policy"),
                (11, "stale"),
                (12, "blocked"),
                (20, "partial"),
                (21, "rolled-back"),
                (22, "not-rolled-back"),
                (64, "usage"),
                (65, "input"),
                (66, "missing"),
                (69, "unavailable"),
                (70, "internal"),
                (73, "cannot-write"),
                (75, "locked"),
                (77, "no-permission"),
                (130, "interrupted"),
                (143, "terminated"),
            ]
        );
    }

    #[test]
    fn every_outcome_has_one_row_and_one_rank() {
        for exit in SEVERITY {
            assert_eq!(
                TABLE.iter().filter(|row| row.exit == exit).count(),
                1,
                "{exit:?}"
            );
            assert_eq!(
                SEVERITY.iter().filter(|&&at| at == exit).count(),
                1,
                "{exit:?}"
            );
        }
    }

    #[test]
    fn an_error_beats_changes() {
        for exit in SEVERITY {
            if exit != Exit::Ok {
                assert_eq!(exit.worse(Exit::Changes), exit);
                assert_eq!(Exit::Changes.worse(exit), exit);
            }
        }
    }
}
