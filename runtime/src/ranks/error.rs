//! Why ranks could not be started or a step gave no logits.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::program::ProgramError;

/// Why ranks could not be started or a step gave no logits.
#[derive(Debug, Error)]
pub enum RankError {
    /// Weights and KV cache do not fit.
    #[error(
        "{shards} ranks need {needed} bytes ({weights} of weights, {kv} of KV cache for {slots} slots of {context} tokens) \
         and {available} are available; lower the slots or the context, or choose a smaller precision"
    )]
    Memory {
        /// Slices of the program.
        shards: u32,
        /// Everything that is needed, in bytes.
        needed: u64,
        /// Weights of all ranks, in bytes.
        weights: u64,
        /// KV cache of all ranks, in bytes.
        kv: u64,
        /// Slots asked for.
        slots: u32,
        /// Tokens a slot.
        context: u32,
        /// Bytes that may be used.
        available: u64,
    },
    /// An option is outside what can be.
    #[error("{what}")]
    Option {
        /// What was asked, what is possible, and what to do.
        what: String,
    },
    /// A feed does not fit the ranks it was given to.
    #[error("feed {index} for slot {slot}: {what}")]
    Feed {
        /// Place in the list of feeds.
        index: usize,
        /// The slot.
        slot: u32,
        /// What does not fit.
        what: String,
    },
    /// The program changed under us.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The operating system refused something.
    #[error("{doing}")]
    System {
        /// What we were doing.
        doing: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The executable could not be started.
    #[error("starting rank {rank} with {executable}")]
    Spawn {
        /// The rank.
        rank: u32,
        /// The executable.
        executable: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A rank said why it could not go on.
    #[error("rank {rank} (pid {pid}) failed: {why}")]
    Failed {
        /// The rank.
        rank: u32,
        /// Its process.
        pid: u32,
        /// What it said.
        why: String,
    },
    /// A rank's process ended.
    #[error("rank {rank} (pid {pid}) is gone: {status}; start the ranks again")]
    Gone {
        /// The rank.
        rank: u32,
        /// Its process.
        pid: u32,
        /// Exit code or signal.
        status: String,
    },
    /// A rank did not answer in time.
    #[error(
        "rank {rank} (pid {pid}) did not finish {doing} within {deadline:?}; start the ranks again"
    )]
    Deadline {
        /// The rank.
        rank: u32,
        /// Its process.
        pid: u32,
        /// What it was to do.
        doing: &'static str,
        /// The deadline.
        deadline: Duration,
    },
    /// Numbers of some feeds left the range of the sums; the other feeds have what they asked for.
    #[error("{}", sentences(lost))]
    OutOfRange {
        /// The feeds whose numbers are lost, in feed order; at least one.
        lost: Vec<Lost>,
    },
    /// No token has numbers.
    #[error(
        "the model gives no numbers: each of the tokens {tokens:?}, alone, left the range of the fixed-point sums (±131072 \
         a block) or became no number, so every request would fail; the checkpoint's weights are broken or scaled: fetch \
         it again and build the program anew, or ask who made it"
    )]
    NoNumbers {
        /// The tokens that were tried.
        tokens: Vec<u32>,
    },
    /// An earlier failure ended these ranks.
    #[error("these ranks ended earlier: {why}; start the ranks again")]
    Ended {
        /// The earlier failure.
        why: String,
    },
}

/// One feed's numbers left the range of the sums, or were not numbers. What its slot holds from `position` on is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the numbers of slot {slot} left the range of the fixed-point sums (±131072 a block) at position {position} of its \
     sequence: the checkpoint's weights are broken or of a scale that this runtime does not hold"
)]
pub struct Lost {
    /// Place in the list of feeds.
    pub feed: usize,
    /// The slot.
    pub slot: u32,
    /// The first position whose numbers are lost.
    pub position: u32,
}

fn sentences(lost: &[Lost]) -> String {
    lost.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
