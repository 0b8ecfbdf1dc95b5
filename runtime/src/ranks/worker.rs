//! One rank's life: load the slice, then run passes until the leader is gone.

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kernels::Kernels;
use sys::{Deadline, Segment, Spin, Waited, leave_when_closed, take_file, usable_cores};

use super::collective::{Direct, Meeting, Staged};
use super::wire::{Control, Exchange, PASS_ROWS};
use crate::model::forward::Room;
use crate::model::{Abandoned, Forward, Slice};
use crate::program::layout::layouts;
use crate::program::{Program, can_slice};

/// How long an idle rank sleeps at a time; its leader's end reaches it through its standard input.
const IDLE: Duration = Duration::from_mins(1);
/// How much longer than the leader a rank waits, so that the leader is the one that says what is late.
const GRACE: Duration = Duration::from_secs(5);

/// The arguments of the hidden `rank` verb. The leader writes them.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "rank", hide = true)]
pub struct RankArguments {
    /// This rank.
    #[arg(long)]
    pub index: u32,
    /// The program directory.
    #[arg(long)]
    pub program: PathBuf,
    /// Sequences held at once.
    #[arg(long)]
    pub slots: u32,
    /// Tokens of one sequence.
    #[arg(long)]
    pub context: u32,
    /// The longest that a pass may take, in milliseconds.
    #[arg(long)]
    pub deadline: u64,
    /// Name of the instruction set to compute with.
    #[arg(long)]
    pub instruction_set: String,
    /// Inherited number of the memory shared with the leader.
    #[arg(long)]
    pub control: RawFd,
    /// Inherited numbers of the memory that sums are exchanged in: everyone's in rank order, or this rank's alone.
    #[arg(long, value_delimiter = ',', required = true)]
    pub exchange: Vec<RawFd>,
    /// The leader does the summing.
    #[arg(long)]
    pub through_host: bool,
}

/// Runs a rank with the arguments after the word `rank`; ends with its leader.
pub fn rank_main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments =
        match RankArguments::try_parse_from(std::iter::once("rank".to_owned()).chain(arguments)) {
            Ok(arguments) => arguments,
            Err(error) => return complain(&error),
        };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("rank {}: {error:#}", arguments.index)),
    }
}

#[expect(clippy::print_stderr, reason = "the edge of a rank's process")]
fn complain(error: &impl std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run(arguments: &RankArguments) -> anyhow::Result<()> {
    leave_when_closed(std::io::stdin())?;
    let program = Program::open(&arguments.program)?;
    let manifest = program.manifest();
    let slices = can_slice(&manifest.shape, manifest.shards)?;
    let Some(own) = slices.ranks.get(arguments.index as usize) else {
        anyhow::bail!("the program has {} slices", manifest.shards);
    };
    let vocab = own.vocab.len();
    let control = Control::new(
        Segment::open(take_file(arguments.control)?, Control::bytes(vocab))?,
        vocab,
    );
    let outcome = load_and_serve(arguments, &program, &control);
    if let Err(error) = &outcome {
        control.put_why(&format!("{error:#}"));
    }
    outcome
}

fn load_and_serve(
    arguments: &RankArguments,
    program: &Program,
    control: &Control,
) -> anyhow::Result<()> {
    let manifest = program.manifest();
    let hidden = manifest.shape.hidden as usize;
    let open = |number: &RawFd| {
        Ok::<_, anyhow::Error>(Exchange::new(
            Segment::open(take_file(*number)?, Exchange::bytes(hidden))?,
            hidden,
        ))
    };
    let exchanges: Vec<Exchange> = arguments
        .exchange
        .iter()
        .map(open)
        .collect::<Result<_, _>>()?;
    let slices = can_slice(&manifest.shape, manifest.shards)?;
    let index = arguments.index as usize;
    let (Some(slice), Some(layout), Some(file)) = (
        slices.ranks.get(index).cloned(),
        layouts(&manifest.shape, &slices, manifest.precision)
            .into_iter()
            .nth(index),
        manifest.slices.get(index),
    ) else {
        anyhow::bail!("the program has {} slices", manifest.shards);
    };
    let Some(kernels) = Kernels::named(&arguments.instruction_set) else {
        anyhow::bail!(
            "this machine has no {} instructions",
            arguments.instruction_set
        );
    };
    let weights = Slice::load(program.directory(), file, layout, manifest.shape.layers)?;
    let room = Room {
        slots: arguments.slots,
        context: arguments.context,
        rows: PASS_ROWS,
    };
    let mut forward = Forward::new(
        manifest.shape.clone(),
        slice,
        weights,
        slices.mlp_block,
        room,
        kernels,
    );
    // The leader sums where it is the stage, and only waits otherwise.
    let busy = manifest.shards as usize + usize::from(arguments.through_host);
    let spin = Spin::choose(busy, usable_cores());
    let patience = Duration::from_millis(arguments.deadline) + GRACE;
    let (mut pass, mut round) = (1_u32, 0_u32);
    let mut rows = Vec::with_capacity(PASS_ROWS);
    control.done().publish(pass);
    loop {
        pass = pass.wrapping_add(1);
        while control
            .request()
            .wait_until(pass, spin, Deadline::after(IDLE))
            == Waited::Late
        {}
        control.take_rows(&mut rows);
        let meeting = Meeting {
            round: &mut round,
            spin,
            deadline: Deadline::after(patience),
        };
        let emit = |place: usize, logits: &[f32]| control.put_logits(place, logits);
        let good = if arguments.through_host {
            forward.pass(
                &rows,
                &mut Staged {
                    meeting,
                    exchange: &exchanges[0],
                },
                emit,
            )
        } else {
            forward.pass(
                &rows,
                &mut Direct {
                    meeting,
                    exchanges: &exchanges,
                    own: index,
                },
                emit,
            )
        };
        match good {
            Ok(good) => control.put_good(good),
            Err(Abandoned) => anyhow::bail!("another rank did not come to a sum in time"),
        }
        control.done().publish(pass);
    }
}
