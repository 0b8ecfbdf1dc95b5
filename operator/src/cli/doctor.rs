//! The grammar of `shardplane doctor`.
use std::path::PathBuf;

use clap::Args;

use super::{Files, Place, Printing};

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    #[doc = "What is declared; without it, what any group could need."]
    pub files: Files,
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "How the result is printed."]
    pub printing: Printing,
    /// A recorded snapshot instead of a live machine; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "rack")]
    pub snapshot: Vec<PathBuf>,
    /// Look at a recorded snapshot that has expired, too.
    #[arg(long, requires = "snapshot")]
    pub allow_expired: bool,
}
