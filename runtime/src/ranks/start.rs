//! Starting rank processes: memory reckoned, segments made, files handed over.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use sys::{Segment, spawn_with_files};

use super::process::RankProcess;
use super::wire::{Control, Exchange};
use super::{Connectivity, RankError, RankOptions};
use crate::program::layout::layouts;
use crate::program::memory::needs;
use crate::program::{Manifest, Program, SliceSummary};

/// Refuses options that the program cannot serve, and more memory than there is.
pub(super) fn check(
    manifest: &Manifest,
    slices: &SliceSummary,
    options: &RankOptions,
) -> Result<(), RankError> {
    let RankOptions {
        connectivity: _,
        slots,
        context,
        executable: _,
        instructions,
        deadline,
        memory,
    } = *options;
    let declared = manifest.shape.context;
    let option = |what: String| Err(RankError::Option { what });
    if slots == 0 {
        return option("0 slots were asked for; ask for at least 1".to_owned());
    }
    if context == 0 || context > declared {
        return option(format!(
            "a context of {context} tokens was asked for; ask for 1 to {declared}, which the model declares"
        ));
    }
    if deadline.is_zero() {
        return option("a deadline of zero was asked for; give ranks some time".to_owned());
    }
    instructions.kernels()?;
    let layouts = layouts(&manifest.shape, slices, manifest.precision);
    let needs = needs(&manifest.shape, slices, &layouts, slots, context);
    let available = memory.bytes();
    if needs.total() > available {
        return Err(RankError::Memory {
            shards: manifest.shards,
            needed: needs.total(),
            weights: needs.weights,
            kv: needs.kv,
            slots,
            context,
            available,
        });
    }
    Ok(())
}

/// Makes the shared memory and starts every rank. Those started before one failed are killed when dropped.
pub(super) fn spawn_all(
    program: &Program,
    slices: &SliceSummary,
    options: &RankOptions,
) -> Result<Vec<RankProcess>, RankError> {
    let hidden = program.manifest().shape.hidden as usize;
    let segment = |name: &str, bytes: usize| {
        Segment::create(name, bytes).map_err(|source| RankError::System {
            doing: format!("making {bytes} bytes of shared memory"),
            source,
        })
    };
    let mut memory = Vec::new();
    for slice in &slices.ranks {
        let vocab = slice.vocab.len();
        let control = Control::new(segment("shardplane-control", Control::bytes(vocab))?, vocab);
        let exchange = Exchange::new(
            segment("shardplane-exchange", Exchange::bytes(hidden))?,
            hidden,
        );
        memory.push((control, exchange));
    }
    let mut children = Vec::new();
    for (index, (control, own)) in memory.iter().enumerate() {
        let exchanges: Vec<BorrowedFd<'_>> = match options.connectivity {
            Connectivity::P2P => memory
                .iter()
                .map(|(_, exchange)| exchange.segment().file())
                .collect(),
            Connectivity::ThroughHost => vec![own.segment().file()],
        };
        children.push(spawn(program, options, index as u32, control, &exchanges)?);
    }
    let parts = children.into_iter().zip(memory).enumerate();
    Ok(parts
        .map(|(rank, (child, (control, exchange)))| RankProcess {
            rank: rank as u32,
            child,
            control,
            exchange,
        })
        .collect())
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts ranks")]
fn spawn(
    program: &Program,
    options: &RankOptions,
    rank: u32,
    control: &Control,
    exchanges: &[BorrowedFd<'_>],
) -> Result<super::process::Reaped, RankError> {
    let numbers: Vec<String> = exchanges
        .iter()
        .map(|file| file.as_raw_fd().to_string())
        .collect();
    let mut command = Command::new(&options.executable);
    command.arg("rank").args(["--index", &rank.to_string()]);
    command.arg("--program").arg(program.directory());
    command.args([
        "--slots",
        &options.slots.to_string(),
        "--context",
        &options.context.to_string(),
    ]);
    command.args(["--deadline", &options.deadline.as_millis().to_string()]);
    // By name, so that ranks compute alike whatever each would find best.
    let kernels = options.instructions.kernels()?;
    command.args(["--instruction-set", kernels.name()]);
    command.args([
        "--control",
        &control.segment().file().as_raw_fd().to_string(),
    ]);
    command.args(["--exchange", &numbers.join(",")]);
    match options.connectivity {
        Connectivity::P2P => {}
        Connectivity::ThroughHost => {
            command.arg("--through-host");
        }
    }
    // Standard input is the rank's lifeline: it ends with us, however we end.
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    // Ctrl-C in a terminal goes to its whole group; the leader is to drain first, with its ranks alive.
    command.process_group(0);
    let files: Vec<BorrowedFd<'_>> = exchanges
        .iter()
        .copied()
        .chain([control.segment().file()])
        .collect();
    spawn_with_files(&mut command, &files)
        .map(super::process::Reaped::new)
        .map_err(|source| RankError::Spawn {
            rank,
            executable: options.executable.clone(),
            source,
        })
}
