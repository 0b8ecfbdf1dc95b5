//! `program`: compiled programs of a state folder.
use clap::{Args, Subcommand};

use super::{Files, Place, Printing};

/// `program`
#[derive(Debug, Args)]
pub struct ProgramArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ProgramVerb,
}

/// What to do with compiled programs.
#[derive(Debug, Subcommand)]
pub enum ProgramVerb {
    /// List programs: for which target, how large, when last built or served, and who uses each.
    List(ProgramPlaceArgs),
    /// Remove programs that nothing uses: nobody serves them, and neither what was carried out last nor -f declares them.
    ///
    /// A program is used as long as a worker runs or a build or model declares it, with replicas or without, in any room of
    /// the state folder; where it cannot be told which program something declared needs, because its model was not read yet,
    /// every program of its target stays. A running `shardplane up` does it, between two passes; where none runs, what builds that
    /// were cut off have left goes too.
    Prune(ProgramPruneArgs),
}

/// `program list`, and what `program prune` is about too.
#[derive(Debug, Args)]
pub struct ProgramPlaceArgs {
    #[command(flatten)]
    #[doc = "What is declared, beside what was carried out last."]
    pub files: Files,
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
}

/// `program prune`
#[derive(Debug, Args)]
pub struct ProgramPruneArgs {
    /// Remove nothing, and print what would be removed.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[doc = "Of which machine, beside what."]
    pub of: ProgramPlaceArgs,
}

impl ProgramVerb {
    /// What it is about.
    pub fn of(&self) -> &ProgramPlaceArgs {
        match self {
            Self::List(args) => args,
            Self::Prune(args) => &args.of,
        }
    }
}
