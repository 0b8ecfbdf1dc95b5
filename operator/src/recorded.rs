//! Recorded snapshots as planning and diagnosing take them: whole, and not past their time unless somebody says so.
use std::path::{Path, PathBuf};

use crd::{
    diagnostic::{Diagnostic, Severity, catalog},
    load::Recorded,
    snapshot::HardwareSnapshot,
};
use machine::{Machine, Roots};

use crate::{
    console::Console,
    declared::{self, Read},
    exit::Exit,
    failure::Failure,
};

/// What to do with a recording that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing is done by it.
    Refused,
    /// It is used, and said to be old.
    Used,
}

impl Expired {
    /// What `--allow-expired` says.
    pub fn allowed(flag: bool) -> Self {
        if flag { Self::Used } else { Self::Refused }
    }
}

/// Now, as recordings write it. A recording belongs to no machine's clock: a rack's own time may be virtual.
pub fn now() -> machine::Timestamp {
    Machine::linux(Roots::default()).now()
}

/// Reads recorded snapshots, each file holding one or more.
pub fn snapshots(
    paths: &[PathBuf],
    expired: Expired,
    console: &Console,
) -> Result<Vec<HardwareSnapshot>, Failure> {
    let read = read(paths, console)?;
    if read.loaded.has_errors() {
        return Err(refused(&read));
    }
    let found = read.loaded.snapshots;
    if found.is_empty() {
        return Err(Failure::said(
            Exit::Input,
            format!("no HardwareSnapshot in {}", listed(paths)),
            "record one with `shardplane snapshot --out FILE`",
        ));
    }
    let now = now().to_string();
    for recorded in &found {
        let Some(problem) = expiry(recorded, &now) else {
            continue;
        };
        match expired {
            Expired::Used => console.note(&format!("warning: {}", problem.message)),
            Expired::Refused => {
                return Err(Failure::said(
                    Exit::Stale,
                    problem.message,
                    "record it anew with `shardplane snapshot`, or say --allow-expired",
                ));
            }
        }
    }
    Ok(found.into_iter().map(|found| found.snapshot).collect())
}

/// Reads files of recorded snapshots and prints what is wrong with them.
pub fn read(paths: &[PathBuf], console: &Console) -> Result<Read, Failure> {
    let read = declared::read(paths)?;
    declared::report(&read, console, Severity::Warning);
    Ok(read)
}

/// Why files with errors are not used: an edited recording is not what a machine showed, as an edited plan is not what
/// somebody approved.
pub fn refused(read: &Read) -> Failure {
    if errors(read).all(|problem| problem.id() == catalog::SNAPSHOT_EDITED.id) {
        return Failure::said(
            Exit::Stale,
            "the recorded snapshot was edited since, so it is of no machine; nothing was done by it",
            "record it anew with `shardplane snapshot`",
        );
    }
    declared::invalid(&read.loaded)
}

/// Errors among what was found.
pub fn errors(read: &Read) -> impl Iterator<Item = &Diagnostic> {
    let diagnostics = read.loaded.diagnostics.iter();
    diagnostics.filter(|problem| problem.severity == Severity::Error)
}

/// What is to be said of a recording that has expired.
pub fn expiry(recorded: &Recorded, now: &str) -> Option<Diagnostic> {
    let recording = recorded.snapshot.recording.as_ref()?;
    let until = recording.expires_at.as_ref()?;
    if !recording.is_expired(now) {
        return None;
    }
    let problem = Diagnostic::error(
        &catalog::SNAPSHOT_EXPIRED,
        format!(
            "the snapshot of {} expired at {until}; it is {now}",
            recorded.snapshot.metadata.name
        ),
    )
    .help("record it anew with `shardplane snapshot`");
    Some(match recorded.spans.get("/recording/expiresAt") {
        Some(place) => problem.at(place.clone()),
        None => problem,
    })
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| Path::display(path).to_string())
        .collect();
    names.join(", ")
}
