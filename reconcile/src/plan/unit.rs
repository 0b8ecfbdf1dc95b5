//! What belongs together: the changes that one group, SoC or removal needs, and the SoCs that must be idle for them.
use std::collections::BTreeSet;

use crd::{
    id::{GroupId, PciAddress, Word},
    kind::ResetScope,
    snapshot::SocIdentity,
    step::{Cause, IsolationChange, MdpSetting, Ownership, PortRef},
};

/// Redirect bits of one port to be cleared.
#[derive(Clone, Debug)]
pub(super) struct Clear {
    pub(super) port: PortRef,
    pub(super) before: Word,
    pub(super) mask: Word,
    pub(super) first: bool,
    pub(super) isolation: IsolationChange,
    pub(super) record: Ownership,
    pub(super) causes: Vec<Cause>,
}

/// Redirect bits of one port to be put back.
#[derive(Clone, Debug)]
pub(super) struct Restore {
    pub(super) port: PortRef,
    pub(super) before: Word,
    pub(super) pre_image: Word,
    pub(super) mask: Word,
    pub(super) record: Ownership,
    pub(super) causes: Vec<Cause>,
}

/// One SoC's partitioning to be switched, which takes a reset.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) soc: SocIdentity,
    pub(super) enable: MdpSetting,
    pub(super) record: Ownership,
    pub(super) causes: Vec<Cause>,
}

/// A group whose P2P is to be proven.
#[derive(Clone, Debug)]
pub(super) struct Verify {
    pub(super) group: GroupId,
    pub(super) members: Vec<SocIdentity>,
    pub(super) ports: Vec<PortRef>,
    pub(super) causes: Vec<Cause>,
}

/// A group whose members the ledger is to hold, or to forget (`members` empty).
#[derive(Clone, Debug)]
pub(super) struct Assign {
    pub(super) group: GroupId,
    pub(super) members: Vec<SocIdentity>,
    pub(super) before: Vec<SocIdentity>,
    pub(super) causes: Vec<Cause>,
}

/// The changes that belong together.
#[derive(Clone, Debug, Default)]
pub(super) struct Unit {
    /// SoCs that must be idle from the first change to the last; empty where nothing disturbs them.
    pub(super) idle: BTreeSet<PciAddress>,
    pub(super) drain_seconds: u32,
    pub(super) restores: Vec<Restore>,
    pub(super) clears: Vec<Clear>,
    pub(super) requests: Vec<Request>,
    /// Requests for what SoCs already have, so that no later reset takes up another: nothing is reset for them.
    pub(super) withdrawals: Vec<Request>,
    /// SoCs that one reset of the whole machine reaches; empty for resets one by one.
    pub(super) reset_all: Vec<SocIdentity>,
    pub(super) verify: Vec<Verify>,
    pub(super) assign: Vec<Assign>,
}

impl Unit {
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            idle: _,
            drain_seconds: _,
            restores,
            clears,
            requests,
            withdrawals,
            reset_all: _,
            verify,
            assign,
        } = self;
        restores.is_empty()
            && clears.is_empty()
            && requests.is_empty()
            && withdrawals.is_empty()
            && verify.is_empty()
            && assign.is_empty()
    }

    pub(super) fn scope(&self) -> ResetScope {
        if self.reset_all.is_empty() {
            ResetScope::SoC
        } else {
            ResetScope::Host
        }
    }

    /// Makes one unit of two.
    pub(super) fn absorb(&mut self, other: Self) {
        let Self {
            idle,
            drain_seconds,
            restores,
            clears,
            requests,
            withdrawals,
            reset_all,
            verify,
            assign,
        } = other;
        self.idle.extend(idle);
        self.drain_seconds = self.drain_seconds.max(drain_seconds);
        self.restores.extend(restores);
        self.clears.extend(clears);
        self.requests.extend(requests);
        self.withdrawals.extend(withdrawals);
        self.reset_all.extend(reset_all);
        self.verify.extend(verify);
        self.assign.extend(assign);
    }
}

/// Packs units into batches, in their order: a batch's SoCs are drained together.
///
/// With a budget, units are added while their SoCs fit in it; without one, each unit that needs idle SoCs is a batch of
/// its own (one group's members, or one SoC). Units that disturb nothing join the first batch.
pub(super) fn batches(units: Vec<Unit>, budget: Option<u32>) -> Vec<Unit> {
    let (quiet, disturbing): (Vec<Unit>, Vec<Unit>) = units
        .into_iter()
        .filter(|unit| !unit.is_empty())
        .partition(|unit| unit.idle.is_empty());
    let mut batches: Vec<Unit> = Vec::new();
    for unit in disturbing {
        let fits = batches.last().is_some_and(|last| {
            let together = last.idle.union(&unit.idle).count();
            let alone = last.reset_all.is_empty() && unit.reset_all.is_empty();
            alone && budget.is_some_and(|budget| together <= budget as usize)
        });
        match batches.last_mut() {
            Some(last) if fits => last.absorb(unit),
            Some(_) | None => batches.push(unit),
        }
    }
    if batches.is_empty() && !quiet.is_empty() {
        batches.push(Unit::default());
    }
    if let Some(first) = batches.first_mut() {
        for unit in quiet {
            first.absorb(unit);
        }
    }
    batches
}
