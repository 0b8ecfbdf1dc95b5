//! `snapshot`: records machines in files that plans are made by elsewhere, and looks at such files.
mod diff;
mod verify;

use std::{collections::BTreeSet, path::Path};

use crd::{
    id::Digest,
    snapshot::{HardwareSnapshot, Recording},
};
use reconcile::{
    recording::{Pseudonyms, redact},
    snapshot_digest, view,
};

use super::probe;
use crate::{
    cli::{Environment, Format, RecordArgs, SnapshotArgs, SnapshotVerb},
    console::Console,
    document,
    exit::Exit,
    failure::Failure,
    recorded,
    source::{self, SourceError},
};

/// `snapshot`
pub fn run(
    args: &SnapshotArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    match &args.verb {
        None => record(&args.record, environment, console),
        Some(SnapshotVerb::Diff(args)) => diff::run(args, console),
        Some(SnapshotVerb::Verify(args)) => verify::run(args, console),
    }
}

/// Records: lists in their order, no readings, sealed. Without an expiry twice is the same bytes.
fn record(
    args: &RecordArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    // A key that cannot be read is no reason to look at machines first.
    let pseudonyms = pseudonyms(args)?;
    let taken = recorded::now();
    let mut snapshots = Vec::new();
    for mut seen in probe::look(&args.place, environment, console)? {
        seen.metadata.labels.extend(args.label.iter().cloned());
        let plain = HardwareSnapshot {
            readings: None,
            ..view::in_order(&seen)
        };
        let snapshot = match &pseudonyms {
            None => plain,
            Some(pseudonyms) => {
                let redacted = redact(&plain, pseudonyms);
                console.note(&format!(
                    "{} is recorded as {}; its digest is {} there, and {} on the machine",
                    plain.metadata.name,
                    redacted.metadata.name,
                    snapshot_digest(&redacted).0,
                    snapshot_digest(&plain).0,
                ));
                redacted
            }
        };
        let expires = args.expires_in.map(|after| taken.plus(after).to_string());
        snapshots.push(snapshot.sealed(Recording {
            tool: concat!("shardplane ", env!("CARGO_PKG_VERSION")).to_owned(),
            taken_at: expires.as_ref().map(|_| taken.to_string()),
            expires_at: expires,
            redaction: pseudonyms.as_ref().map(Pseudonyms::redaction),
            hash: Digest(String::new()),
        }));
    }
    let text = match (args.printing.output, snapshots.as_slice()) {
        (Format::Json, [one]) => canonical(one)?,
        (Format::Json, several) => canonical(&several)?,
        (Format::Text | Format::Wide | Format::Yaml, several) => {
            let documents = several
                .iter()
                .map(document::yaml)
                .collect::<Result<Vec<_>, _>>()?;
            documents.join("---\n")
        }
    };
    probe::put(args.out.as_deref(), &text, console)
}

fn canonical<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    let text = crd::write::to_canonical_json(value)
        .map_err(|error| Failure::said(Exit::Internal, crate::failure::chain(&error), ""))?;
    Ok(format!("{text}\n"))
}

/// Bytes below which a secret can be guessed.
const SHORTEST_KEY: usize = 16;
/// Different bytes below which it was typed, not drawn: sixteen decimal digits have more.
const FEWEST_BYTES: usize = 5;
/// More than any secret has; a mistaken path to a disk image ends here.
const LONGEST_KEY: u64 = 4096;

/// The pseudonyms that were asked for.
fn pseudonyms(args: &RecordArgs) -> Result<Option<Pseudonyms>, Failure> {
    if !args.redact {
        return Ok(None);
    }
    let kept = args.keep_label.iter().cloned().collect();
    let Some(path) = &args.redact_key else {
        let drawn = read_some(Path::new("/dev/urandom"), 32)?;
        return Ok(Some(Pseudonyms::new(&drawn, kept)));
    };
    let secret = read_some(path, LONGEST_KEY)?;
    let different = secret.iter().collect::<BTreeSet<_>>().len();
    let weak = if secret.len() < SHORTEST_KEY {
        Some(format!("{} bytes", secret.len()))
    } else if different < FEWEST_BYTES {
        Some(format!("{different} different byte values"))
    } else {
        None
    };
    if let Some(few) = weak {
        return Err(Failure::said(
            Exit::Input,
            format!("{} holds {few}, too few for a secret", path.display()),
            "draw one with `head -c 32 /dev/urandom > FILE`, and keep it",
        ));
    }
    Ok(Some(Pseudonyms::new(&secret, kept)))
}

/// Up to so many bytes of a file.
fn read_some(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let label = path.display().to_string();
    source::read_some(path, most).map_err(|source| SourceError::Unreadable { label, source }.into())
}
