//! What `serve` and `generate` share: a program opened, its text files read, its ranks started.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::arguments::Running;
use super::failure::{Exit, Failure};
use crate::program::{MemoryLimit, Program, ProgramError};
use crate::ranks::{Feed, Lost, RankError, RankOptions, Ranks};
use crate::serve::api::Served;
use crate::serve::batch::Limits;
use crate::serve::engine::StepError;
use crate::text::ModelText;

/// A longer context costs memory whether it is used or not; who wants it asks for it.
const CONTEXT: u32 = 4096;

/// Prompt tokens of one step while nothing generates: enough to use the matrix kernels well.
pub(super) const BURST: usize = 512;

/// The context where nobody names one.
pub(super) fn default_context(model: u32) -> u32 {
    model.min(CONTEXT)
}

const MAKE: &str = "`shardplane-worker build --checkpoint DIR --out PROGRAM --shards N` makes a program of a checkpoint";

/// Opens a program, or says that a checkpoint must be built first.
pub(super) fn open(directory: &Path) -> Result<Program, Failure> {
    if let Err(error) = std::fs::metadata(directory) {
        return Err(Failure::new(Exit::Missing, &error)
            .doing(&format!("opening the program {}", directory.display()))
            .hint(MAKE));
    }
    Program::open(directory).map_err(|error| {
        let checkpoint = matches!(error, ProgramError::NotAProgram { .. })
            && directory.join("config.json").is_file();
        let failure = Failure::from(error);
        if checkpoint {
            failure.hint("this folder is a checkpoint: `shardplane-worker build --checkpoint DIR --out PROGRAM --shards N` makes a program of it")
        } else {
            failure
        }
    })
}

/// What is served, by that name.
pub(super) fn served(program: &Program, name: String, limits: Limits) -> Result<Served, Failure> {
    let shape = &program.manifest().shape;
    let text = ModelText::load(program.directory(), shape.architecture, &shape.eos)?;
    text.vocabulary.fits(shape.vocab)?;
    Ok(Served {
        name,
        text: Arc::new(text),
        vocab: shape.vocab,
        limits,
    })
}

/// Starts the ranks; returns when each has loaded its slice, and the model gave numbers once.
pub(super) fn start(
    program: &Program,
    running: &Running,
    limits: Limits,
    executable: PathBuf,
) -> Result<Ranks, RankError> {
    let options = RankOptions {
        connectivity: running.connectivity.into(),
        slots: limits.slots,
        context: limits.context,
        executable,
        instructions: running.instruction_set.into(),
        deadline: Duration::from_secs(running.rank_deadline),
        memory: MemoryLimit::Machine,
    };
    let mut ranks = Ranks::start(program, options)?;
    ranks.probe()?;
    Ok(ranks)
}

/// The engine's step function over ranks.
pub(super) fn step(
    mut ranks: Ranks,
) -> impl FnMut(&[Feed<'_>], &mut Vec<f32>) -> Result<(), StepError<RankError>> + Send {
    move |feeds, logits| {
        let outcome = if feeds.is_empty() {
            ranks.check()
        } else {
            ranks.step(feeds, logits)
        };
        outcome.map_err(|error| match error {
            // Neither ends the ranks.
            RankError::OutOfRange { lost } => StepError::Feeds(lost.into_iter().map(own).collect()),
            RankError::Feed { .. } => StepError::Refused(error),
            other => StepError::Model(other),
        })
    }
}

/// A lost feed's place, and the error that speaks of it alone.
fn own(lost: Lost) -> (usize, RankError) {
    (lost.feed, RankError::OutOfRange { lost: vec![lost] })
}
