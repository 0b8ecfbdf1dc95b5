//! How often a step was tried in a boot, which is what a journal is asked before a SoC is reset once more.
use std::collections::BTreeMap;

use crd::{
    id::{BootId, PciAddress},
    journal::{Event, Record, RunOutcome},
    step::{Action, MdpSetting, Step},
};

/// How often a step was begun in this boot without having come to something.
///
/// A step has when it was verified. A reset has when what it was for was seen, which is later: it counts by SoC, whatever the
/// scope, until a run converges or partitioning is asked for the other way, which is planned only where the last way was seen.
pub(super) fn of(records: &[Record], step: &Step, boot_id: &BootId) -> u32 {
    let here = records.iter().filter(|record| &record.boot_id == boot_id);
    match &step.action {
        Action::Reset { socs, .. } => {
            let mut resets = Resets::default();
            here.for_each(|record| resets.take(&record.event));
            let counts = socs.iter().map(|soc| resets.of(soc.address));
            counts.max().unwrap_or_default()
        }
        _ => here.fold(0, |attempts, record| match &record.event {
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

/// Resets of each SoC that came to nothing yet.
#[derive(Debug, Default)]
struct Resets {
    counts: BTreeMap<PciAddress, u32>,
    asked: BTreeMap<PciAddress, MdpSetting>,
}

impl Resets {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Intent { step, attempt } => self.intent(&step.action, *attempt),
            Event::RunEnd {
                outcome: RunOutcome::Converged,
            } => self.counts.clear(),
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

    fn of(&self, soc: PciAddress) -> u32 {
        self.counts.get(&soc).copied().unwrap_or_default()
    }
}
