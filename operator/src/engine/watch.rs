//! Who was on the bus when a run began: a reset may throw off the SoC itself, or one beside it, and then no other is reset.
use crd::{
    id::PciAddress,
    snapshot::{HardwareSnapshot, SocIdentity},
    step::{Action, Step},
};

use super::{Engine, keep, observe, undo};
use crate::{failure::Failure, room::Node};

/// One run's SoCs, from before its first step.
#[derive(Debug)]
pub(super) struct Watch {
    there: Vec<SocIdentity>,
    /// Whether this run has begun a reset: before it nobody leaves for one of ours.
    resets: bool,
}

impl Watch {
    /// Begins to watch whom `seen` has. Whoever was lost and is back is lost no more.
    pub(super) fn begin(
        engine: &Engine<'_>,
        node: &Node,
        seen: &HardwareSnapshot,
    ) -> Result<Self, Failure> {
        note(engine, node, &[], seen.clone())?;
        Ok(Self {
            there: (seen.socs.iter())
                .map(reconcile::topology::identity)
                .collect(),
            resets: false,
        })
    }

    /// Whom it watches.
    pub(super) fn there(&self) -> &[SocIdentity] {
        &self.there
    }

    /// Whether this step resets SoCs after an earlier one did.
    pub(super) fn is_next_reset(&mut self, step: &Step) -> bool {
        matches!(step.action, Action::Reset { .. }) && std::mem::replace(&mut self.resets, true)
    }

    /// Those that are off the bus by now, where this run has reset any; the node's ledger remembers them, so that
    /// a later run holds back too.
    pub(super) fn gone(
        &self,
        engine: &Engine<'_>,
        node: &Node,
    ) -> Result<Vec<PciAddress>, Failure> {
        if !self.resets {
            return Ok(Vec::new());
        }
        let now = observe::node(engine.room, node, &engine.surroundings())?;
        Ok(reconcile::lost::away(&note(
            engine,
            node,
            &self.there,
            now,
        )?))
    }
}

/// What is said of SoCs that went, where `why` does not name them yet; nothing where nobody went.
pub(super) fn said(gone: &[PciAddress], why: Option<&str>) -> Option<String> {
    let names = gone.iter().map(ToString::to_string);
    let new: Vec<String> = names
        .filter(|name| why.is_none_or(|why| !why.contains(name)))
        .collect();
    let gone = (!new.is_empty()).then(|| {
        format!(
            "{} fell off the bus since this run began to reset; look at the card and its slot, then boot the machine with its power off in between",
            new.join(", ")
        )
    });
    gone.map(|gone| why.map_or_else(|| gone.clone(), |why| format!("{why}; {gone}")))
}

/// A look after a crash: a reset of the run that was cut off may have thrown off whom it was for, or one beside it. `begun` are
/// that run's steps in this boot, and `there` who was there when it began.
pub(super) fn after_crash(
    engine: &Engine<'_>,
    node: &Node,
    begun: &[Step],
    mut there: Vec<SocIdentity>,
) -> Result<HardwareSnapshot, Failure> {
    let reset: Vec<SocIdentity> = begun.iter().flat_map(undo::resets).cloned().collect();
    if reset.is_empty() {
        there.clear();
    }
    there.extend(reset);
    let seen = observe::node(engine.room, node, &engine.surroundings())?;
    note(engine, node, &there, seen)
}

/// The snapshot with those of `there` that are off the bus in its ledger, which is stored where that is news.
fn note(
    engine: &Engine<'_>,
    node: &Node,
    there: &[SocIdentity],
    mut now: HardwareSnapshot,
) -> Result<HardwareSnapshot, Failure> {
    let known = now.ledger.clone();
    now.ledger = reconcile::lost::noted(&known, there, &now);
    if now.ledger != known {
        keep(engine.room, node, &now)?;
    }
    Ok(now)
}
