//! Rank processes: N copies of this executable, one slice each, driven by one leader.

pub mod collective;
pub mod error;
mod instructions;
mod losses;
mod probe;
mod process;
mod start;
pub mod wire;
pub mod worker;

use std::path::PathBuf;
use std::time::Duration;

use sys::{Deadline, Spin, usable_cores};

pub use error::{Lost, RankError};
pub use instructions::InstructionSet;
pub use worker::rank_main;

use self::losses::losses;
use self::process::{Patience, RankProcess, check_all, wait};
use self::wire::PASS_ROWS;
use crate::model::{ModelShape, Row};
use crate::program::{MemoryLimit, Program, ProgramError, can_slice};

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
    /// Position of the first token in its sequence; everything before it was fed already. An earlier position than
    /// the slot's end takes the sequence back to there.
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
    /// What every rank computes with.
    pub instructions: InstructionSet,
    /// The longest that each pass of a step may take; loading is given a second more for each 50 MB of weights.
    pub deadline: Duration,
    /// Memory that weights and KV cache must fit.
    pub memory: MemoryLimit,
}

/// Bytes of weights a second that a rank loads at the least: a network disk of a small virtual machine.
const SLOWEST_DISK: u64 = 50_000_000;
/// How long ranks have to leave when asked.
const FAREWELL: Duration = Duration::from_secs(2);

/// N running ranks. Dropping it kills and reaps them.
#[derive(Debug)]
pub struct Ranks {
    shape: ModelShape,
    options: RankOptions,
    spin: Spin,
    processes: Vec<RankProcess>,
    pass: u32,
    round: u32,
    rows: Vec<Row>,
    slots: Vec<u32>,
    sums: Vec<i64>,
    ended: Option<String>,
}

impl Ranks {
    /// Starts one process a slice and waits until each has loaded and verified its own.
    pub fn start(program: &Program, options: RankOptions) -> Result<Self, RankError> {
        let manifest = program.manifest();
        let slices = can_slice(&manifest.shape, manifest.shards).map_err(|refusal| {
            RankError::Program(ProgramError::Contradiction {
                path: program.directory().to_path_buf(),
                what: refusal.to_string(),
            })
        })?;
        start::check(manifest, &slices, &options)?;
        let ranks = start::spawn_all(program, &slices, &options)?;
        // Through the host, the leader works as the ranks do; else it only waits, and leaves its core to them.
        let spin = match options.connectivity {
            Connectivity::P2P => Spin::Crowded,
            Connectivity::ThroughHost => Spin::choose(ranks.len() + 1, usable_cores()),
        };
        let shape = manifest.shape.clone();
        let sums = vec![0; PASS_ROWS * shape.hidden as usize];
        let slots = vec![0; options.slots as usize];
        let rows = Vec::new();
        let mut all = Self {
            shape,
            options,
            spin,
            processes: ranks,
            pass: 1,
            round: 0,
            rows,
            slots,
            sums,
            ended: None,
        };
        let weights: u64 = manifest.slices.iter().map(|slice| slice.bytes).sum();
        let loading = all.options.deadline + Duration::from_secs(weights / SLOWEST_DISK);
        let patience = all.patience("loading its slice", loading);
        all.wait_done(&patience).map_err(|error| match error {
            // The rank said so in words alone; whose fault it is, the file itself tells.
            RankError::Failed { rank, .. } => program
                .verify_slice(rank)
                .map_or_else(RankError::Program, |()| error),
            other => other,
        })?;
        Ok(all)
    }

    /// Runs every feed through the model; blocks. `logits` is cleared, then one row of `vocab` values is appended
    /// for each feed that asked for [`Logits::Last`], in feed order.
    ///
    /// The bits of a row depend on the program, the instruction set and the tokens of its own sequence alone.
    /// Bad feeds are refused before anything runs. With [`RankError::OutOfRange`] the feeds that it does not name
    /// have run, and `logits` holds their rows with the same bits as without the others; a lost feed's row is all NaN,
    /// and its slot must be fed again from the lost position or before it. Any other error of a step ends the ranks.
    pub fn step(&mut self, feeds: &[Feed<'_>], logits: &mut Vec<f32>) -> Result<(), RankError> {
        logits.clear();
        if let Some(why) = &self.ended {
            return Err(RankError::Ended { why: why.clone() });
        }
        self.plan(feeds)?;
        let outcome = self.run(feeds, logits);
        if let Err(error) = &outcome
            && !matches!(error, RankError::OutOfRange { .. })
        {
            logits.clear();
            self.end(error.to_string());
        }
        outcome
    }

    /// Looks whether every rank still runs; cheap, for use while idle.
    pub fn check(&mut self) -> Result<(), RankError> {
        if let Some(why) = &self.ended {
            return Err(RankError::Ended { why: why.clone() });
        }
        let outcome = check_all(&mut self.processes);
        if let Err(error) = &outcome {
            self.end(error.to_string());
        }
        outcome
    }

    /// The model.
    pub fn shape(&self) -> &ModelShape {
        &self.shape
    }

    /// Process ids in rank order; empty once the ranks have ended.
    pub fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|rank| rank.child.pid()).collect()
    }

    /// Asks every rank to leave and reaps it; kills what is still there after two seconds.
    pub fn stop(mut self) -> Result<(), RankError> {
        let deadline = Deadline::after(FAREWELL);
        self.processes
            .iter_mut()
            .for_each(|rank| rank.child.release());
        self.processes.iter_mut().try_for_each(|rank| {
            let doing = || format!("reaping rank {}", rank.rank);
            rank.child
                .wait(deadline)
                .map(drop)
                .map_err(|source| RankError::System {
                    doing: doing(),
                    source,
                })
        })
    }

    fn patience(&self, doing: &'static str, span: Duration) -> Patience {
        Patience {
            spin: self.spin,
            deadline: Deadline::after(span),
            span,
            doing,
        }
    }

    /// Kills and reaps every rank.
    fn end(&mut self, why: String) {
        self.processes.clear();
        self.ended = Some(why);
    }

    /// Checks feeds and lays their tokens out as rows.
    fn plan(&mut self, feeds: &[Feed<'_>]) -> Result<(), RankError> {
        self.rows.clear();
        let mut filled = self.slots.clone();
        for (index, feed) in feeds.iter().enumerate() {
            let Feed {
                slot,
                position,
                tokens,
                logits,
            } = *feed;
            let refuse = |what: String| Err(RankError::Feed { index, slot, what });
            let (slots, context, vocab) =
                (self.options.slots, self.options.context, self.shape.vocab);
            if slot >= slots {
                return refuse(format!("there are {slots} slots"));
            }
            if tokens.is_empty() {
                return refuse("it has no tokens".to_owned());
            }
            let end = u64::from(position) + tokens.len() as u64;
            if end > u64::from(context) {
                return refuse(format!("it ends at {end} of a context of {context} tokens"));
            }
            let have = filled[slot as usize];
            if position > have {
                return refuse(format!(
                    "it begins at {position}, and the slot holds {have} tokens"
                ));
            }
            if let Some(token) = tokens.iter().find(|token| **token >= vocab) {
                return refuse(format!(
                    "token {token} is outside the vocabulary of {vocab}"
                ));
            }
            filled[slot as usize] = end as u32;
            let last = tokens.len() - 1;
            self.rows
                .extend(tokens.iter().enumerate().map(|(at, token)| Row {
                    slot,
                    position: position + at as u32,
                    token: *token,
                    wanted: at == last && logits == Logits::Last,
                }));
        }
        self.slots = filled;
        Ok(())
    }

    fn run(&mut self, feeds: &[Feed<'_>], logits: &mut Vec<f32>) -> Result<(), RankError> {
        let rows = std::mem::take(&mut self.rows);
        let mut bad = Vec::new();
        for (number, pass) in rows.chunks(PASS_ROWS).enumerate() {
            let out = self.pass(pass, logits)?;
            let first = number * PASS_ROWS;
            bad.extend((first..first + pass.len()).filter(|row| out >> (row - first) & 1 == 1));
        }
        self.rows = rows;
        let lost = losses(feeds, &bad, self.shape.vocab as usize, logits);
        if lost.is_empty() {
            return Ok(());
        }
        for Lost { slot, position, .. } in &lost {
            let end = &mut self.slots[*slot as usize];
            *end = (*end).min(*position);
        }
        Err(RankError::OutOfRange { lost })
    }

    /// Runs one pass; returns the rows that left the range of the sums, as bits.
    fn pass(&mut self, rows: &[Row], logits: &mut Vec<f32>) -> Result<u64, RankError> {
        self.pass = self.pass.wrapping_add(1);
        for rank in &self.processes {
            rank.control.put_rows(rows);
            rank.control.request().publish(self.pass);
        }
        let patience = self.patience("a pass", self.options.deadline);
        match self.options.connectivity {
            Connectivity::P2P => {}
            Connectivity::ThroughHost => self.stage(rows.len(), &patience)?,
        }
        self.wait_done(&patience)?;
        for place in 0..rows.iter().filter(|row| row.wanted).count() {
            self.processes
                .iter()
                .for_each(|rank| rank.control.take_logits(place, logits));
        }
        Ok(self
            .processes
            .iter()
            .fold(0, |bad, rank| bad | rank.control.bad()))
    }

    /// Does the summing of one pass: once for the embedding and twice a layer.
    fn stage(&mut self, rows: usize, patience: &Patience) -> Result<(), RankError> {
        let count = rows * self.shape.hidden as usize;
        for _ in 0..=2 * self.shape.layers {
            self.round = self.round.wrapping_add(1);
            self.sums[..count].fill(0);
            for at in 0..self.processes.len() {
                wait(
                    &mut self.processes,
                    at,
                    |rank| rank.exchange.published(),
                    self.round,
                    patience,
                )?;
                self.processes[at].exchange.add(0, &mut self.sums[..count]);
            }
            for rank in &self.processes {
                rank.exchange.put(1, &self.sums[..count]);
                rank.exchange.summed().publish(self.round);
            }
        }
        Ok(())
    }

    fn wait_done(&mut self, patience: &Patience) -> Result<(), RankError> {
        let pass = self.pass;
        (0..self.processes.len()).try_for_each(|at| {
            wait(
                &mut self.processes,
                at,
                |rank| rank.control.done(),
                pass,
                patience,
            )
        })
    }
}
