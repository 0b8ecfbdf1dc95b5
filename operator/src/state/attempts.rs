//! How often a step was tried in a boot, which is what a journal is asked before a SoC is reset once more.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{BootId, PciAddress},
    journal::{Event, Record, RunOutcome},
    step::{Action, MdpSetting, Step},
};

/// How often a step was begun in this boot without having come to something.
///
/// A step has when it was verified. A reset has when what it was for was seen, which is later: it counts by SoC, whatever the
/// scope, until a run that did something with that SoC converges, or partitioning is asked for the other way, which is
/// planned only where the last way was seen. A run over the rest of a node says nothing of a SoC that it left alone.
pub(super) fn of(records: &[Record], step: &Step, boot_id: &BootId) -> u32 {
    match &step.action {
        Action::Reset { socs, .. } => {
            let resets = resets(records, boot_id);
            let counts = socs.iter().filter_map(|soc| resets.get(&soc.address));
            counts.max().copied().unwrap_or_default()
        }
        _ => of_boot(records, boot_id).fold(0, |attempts, record| match &record.event {
            // The intent itself counts, so that the last one is enough.
            Event::Intent {
                step: begun,
                attempt,
            } if begun.id == step.id => *attempt,
            Event::Verified { step: ended } if *ended == step.id => 0,
            _ => attempts,
        }),
    }
}

/// How often each SoC was reset in this boot without what it was for having been seen yet.
pub(crate) fn resets(records: &[Record], boot_id: &BootId) -> BTreeMap<PciAddress, u32> {
    let mut resets = Resets::default();
    of_boot(records, boot_id).for_each(|record| resets.take(&record.event));
    resets.counts
}

fn of_boot<'a>(records: &'a [Record], boot_id: &BootId) -> impl Iterator<Item = &'a Record> {
    records
        .iter()
        .filter(move |record| &record.boot_id == boot_id)
}

/// SoCs with which the steps of a run did something. Where every step of it was verified, so was what their resets were for.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeSet<PciAddress>);

impl Touched {
    /// Follows one more record's event.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::RunBegin { .. } => self.0.clear(),
            Event::Intent { step, .. } => self.step(&step.action),
            _ => {}
        }
    }

    /// Whether this SoC is among them.
    pub(super) fn has(&self, soc: PciAddress) -> bool {
        self.0.contains(&soc)
    }

    fn step(&mut self, action: &Action) {
        match action {
            Action::Reset { socs, .. }
            | Action::WaitReady { socs, .. }
            | Action::VerifyMdp { socs, .. } => {
                self.0.extend(socs.iter().map(|soc| soc.address));
            }
            _ => {}
        }
    }
}

/// Resets of each SoC that came to nothing yet.
#[derive(Debug, Default)]
struct Resets {
    counts: BTreeMap<PciAddress, u32>,
    asked: BTreeMap<PciAddress, MdpSetting>,
    touched: Touched,
}

impl Resets {
    fn take(&mut self, event: &Event) {
        self.touched.take(event);
        match event {
            // Undoing a request asks the other way too, and says nothing of what was seen.
            Event::Intent { step, .. } if reconcile::is_compensation(step) => {}
            Event::Intent { step, attempt } => self.intent(&step.action, *attempt),
            Event::RunEnd {
                outcome: RunOutcome::Converged,
            } => self.counts.retain(|soc, _| !self.touched.has(*soc)),
            _ => {}
        }
    }

    fn intent(&mut self, action: &Action, attempt: u32) {
        match action {
            Action::Reset { socs, .. } => {
                for soc in socs {
                    let count = self.counts.entry(soc.address).or_default();
                    *count = attempt.max(*count + 1);
                }
            }
            Action::RequestMdp { soc, enable } => {
                let before = self.asked.insert(soc.address, *enable);
                if before.is_some_and(|before| before != *enable) {
                    self.counts.remove(&soc.address);
                }
            }
            _ => {}
        }
    }
}
