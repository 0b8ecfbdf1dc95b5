//! Worker steps in their batches, and whose turn it is when.
use crd::{plan::ModelTurns, step::Step};

use super::{
    block,
    plan::{Detail, line},
};
use crate::console::Paint;

/// The worker steps, batch by batch.
pub(super) fn section(out: &mut String, workers: &[&Step], paint: Paint, detail: Detail) {
    let last = workers.iter().map(|step| step.batch).max().unwrap_or(0);
    let title = "deferred to `shardplane up`, which owns the workers";
    for batch in 0..=last {
        let title = match (batch, last) {
            (_, 0) => title.to_owned(),
            (0, _) => format!("{title}: batch 1 of {}", last + 1),
            _ => format!(
                "batch {} of {}, when enough of the model's replicas before it are ready",
                batch + 1,
                last + 1
            ),
        };
        let steps = workers.iter().filter(|step| step.batch == batch);
        let steps: Vec<&Step> = steps.copied().collect();
        block::section(out, &title, &steps, paint, detail);
    }
}

/// One line for each model whose serving replicas stop in turn.
pub(super) fn lines(out: &mut String, turns: &[ModelTurns]) {
    for turns in turns {
        let batches: Vec<String> = turns
            .batches
            .iter()
            .map(|batch| match batch.as_slice() {
                [] => "whoever is starting".to_owned(),
                batch => {
                    let names: Vec<&str> = batch.iter().map(crd::id::WorkerId::as_str).collect();
                    names.join(" and ")
                }
            })
            .collect();
        let downtime = if turns.downtime {
            ", which `allowDowntime` permits"
        } else {
            ""
        };
        let verb = if turns.least == 1 { "serves" } else { "serve" };
        line(
            out,
            &format!(
                "Rollout of {}: {}; at least {} of {} {verb} meanwhile{downtime}.",
                turns.model,
                batches.join(", then "),
                turns.least,
                turns.replicas
            ),
        );
    }
}
