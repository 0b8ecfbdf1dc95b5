//! Rank processes: N copies of this executable, one slice each, driven by one leader.

pub mod error;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub use error::RankError;

use crate::model::ModelShape;
use crate::program::{MemoryLimit, Program};

/// How ranks reach each other in a collective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Connectivity {
    /// Every rank reads the shared memory of every other.
    P2P,
    /// Every rank shares memory with the leader alone, and the leader does the summing.
    ThroughHost,
}

/// Whether a feed wants the distribution after its last token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logits {
    /// Only fill the KV cache.
    Skip,
    /// One row of `vocab` values for the last token.
    Last,
}

/// Tokens of one sequence for one step. Feeding position 0 again starts a slot over.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// The sequence's place in the KV cache, below `RankOptions::slots`.
    pub slot: u32,
    /// Position of the first token in its sequence; everything before it was fed already.
    pub position: u32,
    /// Tokens at `position`, `position + 1`, …; at least one.
    pub tokens: &'a [u32],
    /// What is wanted back.
    pub logits: Logits,
}

/// How ranks are started.
#[derive(Debug, Clone)]
pub struct RankOptions {
    /// How ranks reach each other.
    pub connectivity: Connectivity,
    /// Sequences held at once.
    pub slots: u32,
    /// Tokens that one slot can hold.
    pub context: u32,
    /// The `shardplane-worker` executable, whose `rank` verb is [`rank_main`].
    pub executable: PathBuf,
    /// The longest that loading, and each pass of a step, may take.
    pub deadline: Duration,
    /// Memory that weights and KV cache must fit.
    pub memory: MemoryLimit,
}

/// N running ranks. Dropping it kills and reaps them.
#[derive(Debug)]
pub struct Ranks {
    shape: ModelShape,
}

impl Ranks {
    /// Starts one process a slice and waits until each has loaded and verified its own.
    pub fn start(program: &Program, options: RankOptions) -> Result<Self, RankError> {
        drop(options);
        Ok(Self {
            shape: program.manifest().shape.clone(),
        })
    }

    /// Runs every feed through the model; blocks. `logits` is cleared, then one row of `vocab` values is appended
    /// for each feed that asked for [`Logits::Last`], in feed order.
    ///
    /// The bits of a row depend on the program, the instruction set and the tokens of its own sequence alone.
    pub fn step(&mut self, feeds: &[Feed<'_>], logits: &mut Vec<f32>) -> Result<(), RankError> {
        logits.clear();
        let _ = feeds;
        Ok(())
    }

    /// Looks whether every rank still runs; cheap, for use while idle.
    pub fn check(&mut self) -> Result<(), RankError> {
        Ok(())
    }

    /// The model.
    pub fn shape(&self) -> &ModelShape {
        &self.shape
    }

    /// Process ids in rank order.
    pub fn pids(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Asks every rank to leave and reaps it; kills what is still there after the deadline.
    pub fn stop(self) -> Result<(), RankError> {
        Ok(())
    }
}

/// The hidden `rank` verb: one rank's whole life. `arguments` are those after the word `rank`.
pub fn rank_main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let _ = arguments;
    ExitCode::FAILURE
}
