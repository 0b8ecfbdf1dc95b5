//! The grammar of `shardplane doctor`.
use clap::Args;

use super::{Files, Place, Printing, Recordings};

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
    #[command(flatten)]
    #[doc = "Recordings in place of a machine."]
    pub recordings: Recordings,
}
