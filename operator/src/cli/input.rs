//! Which of a command's files are standard input: one at most, because it can be read once.
use std::path::{Path, PathBuf};

use super::{Files, Place, RackVerb, Recordings, SnapshotVerb, Verb};

impl Verb {
    /// How often standard input is named as something to be read.
    pub fn standard_inputs(&self) -> usize {
        let declared = |files: &Files| named(&files.file);
        let rack = |place: &Place| named(place.rack.as_slice());
        let recorded = |recordings: &Recordings| named(&recordings.snapshot);
        match self {
            Self::Validate(args) => declared(&args.files),
            Self::Fmt(args) => declared(&args.files),
            Self::Doctor(args) => {
                declared(&args.files) + rack(&args.place) + recorded(&args.recordings)
            }
            Self::Plan(args) => {
                declared(&args.files) + rack(&args.place) + recorded(&args.recordings)
            }
            Self::Apply(args) => declared(&args.files) + rack(&args.place),
            Self::Up(args) => declared(&args.files) + rack(&args.place),
            Self::Snapshot(args) => match &args.verb {
                None => 0,
                Some(SnapshotVerb::Diff(args)) => named([&args.before, &args.after]),
                Some(SnapshotVerb::Verify(args)) => named(&args.file),
            },
            Self::Rack(args) => match &args.verb {
                RackVerb::FromSnapshot(args) => named(&args.snapshot),
                RackVerb::New(_)
                | RackVerb::Show { .. }
                | RackVerb::Set(_)
                | RackVerb::Plug(_)
                | RackVerb::Unplug(_)
                | RackVerb::Replug(_)
                | RackVerb::Fault(_)
                | RackVerb::Hold(_)
                | RackVerb::Reboot(_)
                | RackVerb::ResetSoc(_)
                | RackVerb::Wait(_)
                | RackVerb::Reseed(_) => 0,
            },
            Self::Program(args) => {
                let of = args.verb.of();
                declared(&of.files) + rack(&of.place)
            }
            Self::Schema(_)
            | Self::Probe(_)
            | Self::Status(_)
            | Self::Down(_)
            | Self::Agent(_)
            | Self::Controller(_)
            | Self::Approve(_)
            | Self::Installed(_)
            | Self::Artifact(_) => 0,
        }
    }
}

fn named<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> usize {
    let paths = paths.into_iter();
    paths
        .filter(|path| path.as_path() == Path::new("-"))
        .count()
}
