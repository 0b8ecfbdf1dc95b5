//! `build`: from a checkpoint folder to a program directory.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use serde_json::json;

use super::arguments::{Build, Format, Room};
use super::failure::Failure;
use super::signals::Lifeline;
use super::stop::Stop;
use super::{model, output};
use crate::checkpoint::identity;
use crate::program::build::{BuildOutcome, check_place};
use crate::program::{BuildError, BuildProgress, BuildRequest, Built, MemoryLimit, build, inspect};
use crate::serve::chain;
use crate::serve::clock::Clock;
use crate::text::ModelText;

/// Long enough for another builder to pack a model of several GiB.
const PATIENCE: Duration = Duration::from_mins(30);

pub(super) fn run(arguments: &Build) -> Result<(), Failure> {
    let Build {
        checkpoint,
        model_digest,
        out,
        shards,
        precision,
        key,
        room,
        supervised,
        output: printed,
    } = arguments;
    let Room { slots, context } = *room;
    let stop = Stop::listen(Lifeline::of(*supervised))?;
    let seen = inspect(checkpoint, *shards)?;
    check_place(out)?;
    let context = match context {
        Some(context) => context,
        None => model::default_context(seen.shape.context),
    };
    // Hours of packing would end in a program that nobody can talk to.
    let text = ModelText::load(checkpoint, seen.shape.architecture, &[])?;
    text.vocabulary.fits(seen.shape.vocab)?;
    if let Some(declared) = model_digest
        && !identity::is(checkpoint, declared, &|| stop.asked()).map_err(BuildError::from)?
    {
        return Err(Failure::new(stop.exit(), &BuildError::Stopped));
    }
    for warning in &seen.warnings {
        output::note(&format!("warning: {warning}"));
    }
    if let Some(Err(error)) = text
        .template
        .map(|template| template.check(Clock::start().civil()))
    {
        output::note(&format!(
            "warning: chat requests will be refused, completions work: {}",
            chain(&error)
        ));
    }
    let shown = Cell::new(u64::MAX);
    let terminal = std::io::stderr().is_terminal();
    let progress = |BuildProgress { done, total }: BuildProgress| {
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        if terminal && shown.replace(percent) != percent {
            output::progress(&format!(
                "packing weights: {percent} % of {}",
                output::bytes(total)
            ));
        }
    };
    let outcome = build(&BuildRequest {
        checkpoint,
        out,
        shards: *shards,
        precision: (*precision).into(),
        key: key.as_deref(),
        slots,
        context,
        memory: MemoryLimit::Machine,
        patience: PATIENCE,
        progress: &progress,
        stop: &|| stop.asked(),
    });
    if shown.get() != u64::MAX {
        output::progress("");
    }
    let Built {
        directory,
        manifest,
        outcome,
    } = match outcome {
        Err(error @ BuildError::Stopped) => return Err(Failure::new(stop.exit(), &error)),
        other => other?,
    };
    let (word, verb) = match outcome {
        BuildOutcome::Fresh => ("fresh", "built"),
        BuildOutcome::Reused => ("reused", "found, already built and unchanged,"),
    };
    let size: u64 = manifest.slices.iter().map(|slice| slice.bytes).sum();
    match printed.format {
        Format::Text => output::line(&format!(
            "{verb} {}: {} slices, {} of weights",
            directory.display(),
            manifest.shards,
            output::bytes(size)
        )),
        Format::Json => output::json(&json!({
            "event": "built",
            "outcome": word,
            "directory": directory.display().to_string(),
            "key": manifest.key,
            "source": manifest.source,
            "shards": manifest.shards,
            "precision": manifest.precision,
            "bytes": size,
        })),
    }
}
