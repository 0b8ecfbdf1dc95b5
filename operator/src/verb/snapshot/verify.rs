//! `snapshot verify`: whether recordings are whole, with every problem where it stands.
use crd::{
    declaration::Span,
    diagnostic::{self, Diagnostic, Severity, catalog},
    load::{Loaded, Recorded},
};
use serde_json::{Value, json};

use crate::{
    cli::{Format, VerifyArgs},
    console::Console,
    declared, document,
    exit::Exit,
    failure::Failure,
    recorded,
    render::words::counted,
};

/// `snapshot verify`
pub fn run(args: &VerifyArgs, console: &Console) -> Result<Exit, Failure> {
    let mut read = declared::read(&args.file)?;
    let now = recorded::now().to_string();
    let expired: Vec<Diagnostic> = read
        .loaded
        .snapshots
        .iter()
        .filter_map(|found| recorded::expiry(found, &now))
        .collect();
    read.loaded.diagnostics.extend(expired);
    let empty: Vec<Diagnostic> = (read.sources.iter())
        .filter_map(|source| holds_nothing(&source.label, &read.loaded))
        .collect();
    read.loaded.diagnostics.extend(empty);
    let problems: Vec<Diagnostic> = read
        .loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity != Severity::Note)
        // Two of one machine are no mistake: each is looked at for itself.
        .filter(|found| found.id() != catalog::DUPLICATE_OBJECT.id)
        // Of recordings nothing is declared; of a file without one it is said where it stands.
        .filter(|found| {
            found.id() != catalog::NOTHING_DECLARED.id || found.severity == Severity::Error
        })
        .cloned()
        .collect();
    if problems.is_empty() && read.loaded.snapshots.is_empty() {
        return Err(Failure::said(
            Exit::Input,
            "no HardwareSnapshot in the files given",
            "record one with `shardplane snapshot --out FILE`",
        ));
    }
    let exit = problems.iter().map(outcome).fold(Exit::Ok, Exit::worse);
    match args.printing.output {
        Format::Text | Format::Wide => {
            if !problems.is_empty() {
                let style = declared::style(console.err_paint());
                let text = diagnostic::render(&problems, &read.sources, style);
                console.note(text.trim_end());
            }
            for found in &read.loaded.snapshots {
                console.result(&line(found, &problems));
            }
        }
        format @ (Format::Json | Format::Yaml) => {
            let snapshots: Value = read.loaded.snapshots.iter().map(described).collect();
            let value = json!({
                "formatVersion": "1.0",
                "kind": "SnapshotVerification",
                "snapshots": snapshots,
                "diagnostics": document::json(&problems)?,
                "exit": document::exit_json(exit),
            });
            console.document(&document::print(&value, format)?);
        }
    }
    Ok(exit)
}

/// That a file has no recording, where nothing else is said of it: what a full disk left of one is empty.
fn holds_nothing(file: &str, loaded: &Loaded) -> Option<Diagnostic> {
    let of_file = |span: Option<&Span>| span.is_some_and(|span| span.file == file);
    let mut snapshots = loaded.snapshots.iter();
    let mut said = loaded.diagnostics.iter();
    if snapshots.any(|found| of_file(found.spans.get("")))
        || said.any(|found| of_file(found.span.as_ref()))
    {
        return None;
    }
    let start = Span {
        file: file.to_owned(),
        line: 1,
        column: 1,
        byte: 0,
        length: 0,
    };
    let nothing = "no HardwareSnapshot is in it";
    Some(
        Diagnostic::error(&catalog::NOTHING_DECLARED, nothing)
            .at(start)
            .help("record one with `shardplane snapshot --out FILE`"),
    )
}

/// What a problem leads to: what is no longer so is stale, and what is wrong is wrong input. A warning is told and leads to
/// nothing, but for the one that the file cannot be verified at all.
fn outcome(problem: &Diagnostic) -> Exit {
    if [catalog::SNAPSHOT_EDITED.id, catalog::SNAPSHOT_EXPIRED.id].contains(&problem.id()) {
        Exit::Stale
    } else if problem.id() == catalog::UNREADABLE_SOURCE.id {
        Exit::Missing
    } else if problem.severity == Severity::Warning && problem.id() != catalog::SNAPSHOT_UNSEALED.id
    {
        Exit::Ok
    } else {
        Exit::Input
    }
}

/// One line of a snapshot, with the problems of its file.
fn line(found: &Recorded, problems: &[Diagnostic]) -> String {
    let snapshot = &found.snapshot;
    let file = found.spans.get("").map_or("-", |span| span.file.as_str());
    let here = |harmless: bool| {
        let of_file = |problem: &&Diagnostic| {
            let span = problem.span.as_ref();
            span.is_some_and(|span| span.file == file) && (outcome(problem) == Exit::Ok) == harmless
        };
        problems.iter().filter(of_file).count()
    };
    let state = match (here(false), here(true)) {
        (0, 0) => "whole".to_owned(),
        (0, warnings) => format!("whole, {}", counted(warnings, "warning")),
        (wrong, _) => counted(wrong, "problem"),
    };
    let until = snapshot
        .recording
        .as_ref()
        .and_then(|recording| recording.expires_at.as_deref())
        .map_or_else(String::new, |until| format!("  until {until}"));
    let redacted = match snapshot.recording.as_ref().map(|r| &r.redaction) {
        Some(Some(_)) => "  redacted",
        Some(None) | None => "",
    };
    format!(
        "{file}  {}  {}  content {}{until}{redacted}  {state}\n",
        snapshot.metadata.name,
        counted(snapshot.socs.len(), "SoC"),
        reconcile::snapshot_digest(snapshot).0,
    )
}

fn described(found: &Recorded) -> Value {
    let snapshot = &found.snapshot;
    json!({
        "file": found.spans.get("").map(|span| &span.file),
        "node": snapshot.metadata.name,
        "digest": reconcile::snapshot_digest(snapshot),
        "socs": snapshot.socs.len(),
        "recording": snapshot.recording,
    })
}
