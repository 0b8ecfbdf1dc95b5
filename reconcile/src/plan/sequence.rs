//! One node's steps in the order in which they run.
use std::collections::BTreeSet;

use crd::{
    id::{PciAddress, StepId},
    snapshot::SocIdentity,
    step::{Action, MdpSetting, Step, StepReason},
};

use super::{
    draft::{Draft, verb},
    effects,
    unit::{Unit, batches},
};
use crate::view::View;

/// Everything that one node's steps are made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    pub(super) units: Vec<Unit>,
    pub(super) budget: Option<u32>,
    /// Driver and kernel settings.
    pub(super) settings: Vec<Draft>,
    /// Changes to the ledger's owners and rules, and entries to be forgotten.
    pub(super) bookkeeping: Vec<Draft>,
}

impl Work {
    /// The SoCs that each unit wants idle, in the order in which units run.
    pub(super) fn idle(&self) -> impl Iterator<Item = BTreeSet<PciAddress>> {
        let units = self.units.iter().filter(|unit| !unit.is_empty());
        units
            .map(|unit| unit.idle.clone())
            .filter(|idle| !idle.is_empty())
    }
}

/// Orders the work of one node: batch by batch; inside a batch taint and drain, ACS, qmonitor, partitioning and resets,
/// settings, proof, untaint; bookkeeping last.
pub(super) fn sequence(view: &View<'_>, work: Work) -> Vec<Step> {
    let mut line = Line {
        view,
        batch: 0,
        steps: Vec::new(),
        barrier: Vec::new(),
    };
    let mut settings = work.settings;
    settings.sort_by_key(turn);
    let mut qmonitor = view.snapshot.tools.qmonitor_running.get() == Some(&false);
    for (index, batch) in batches(work.units, work.budget).into_iter().enumerate() {
        line.batch = u32::try_from(index).unwrap_or(u32::MAX);
        line.batch_steps(batch, &mut qmonitor, std::mem::take(&mut settings));
    }
    line.settings(settings);
    for draft in work.bookkeeping {
        line.push(draft, &[]);
    }
    line.steps
}

/// When a setting's step has its turn. A boot between two steps must find in the ledger what it changes: a file is
/// written after the setting that it keeps, and goes before that setting goes back.
fn turn(draft: &Draft) -> u8 {
    let goes = (draft.step.record.as_ref()).is_some_and(|record| record.owners.is_empty());
    match &draft.step.action {
        Action::WriteFile { .. } if goes => 0,
        Action::WriteFile { .. } => 2,
        _ => 1,
    }
}

struct Line<'a> {
    view: &'a View<'a>,
    batch: u32,
    steps: Vec<Step>,
    /// What everything that follows waits for: the last batch's untaint.
    barrier: Vec<StepId>,
}

impl Line<'_> {
    fn batch_steps(&mut self, batch: Unit, qmonitor: &mut bool, settings: Vec<Draft>) {
        let scope = batch.scope();
        let Unit {
            idle,
            drain_seconds,
            restores,
            clears,
            requests,
            withdrawals,
            reset_all,
            verify,
            assign,
        } = batch;
        let (form, forget): (Vec<_>, Vec<_>) = assign
            .into_iter()
            .partition(|assign| !assign.members.is_empty());
        for assign in form {
            self.push(effects::assign(assign), &[]);
        }
        let causes: Vec<_> = requests
            .iter()
            .flat_map(|request| request.causes.clone())
            .chain(verify.iter().flat_map(|verify| verify.causes.clone()))
            .chain(restores.iter().flat_map(|restore| restore.causes.clone()))
            .collect();
        let idle: Vec<PciAddress> = idle.into_iter().collect();
        let gate = if idle.is_empty() {
            Vec::new()
        } else {
            let reason = if requests.is_empty() {
                StepReason::BeforeChange
            } else {
                StepReason::BeforeReset
            };
            let taint = self.push(effects::taint(&idle, reason, &causes), &[]);
            vec![self.push(
                effects::drain(self.view, &idle, drain_seconds, reason, &causes),
                &[taint],
            )]
        };
        let mut proofs: Vec<StepId> = Vec::new();
        for restore in restores {
            proofs.push(self.push(effects::restore(restore), &gate));
        }
        for clear in clears {
            proofs.push(self.push(effects::clear(clear), &gate));
        }
        // Asked before any reset, which might take up what is taken back.
        let withdrawn = self.withdrawals(&withdrawals, &gate, qmonitor);
        let mut first = gate.clone();
        first.extend(withdrawn.clone());
        let partitioned = self.partitioning(&requests, &reset_all, scope, &first, qmonitor);
        proofs.extend(self.withdrawn(&withdrawals, &withdrawn, &partitioned));
        proofs.extend(partitioned);
        proofs.extend(self.settings(settings));
        let mut last: Vec<StepId> = proofs.clone();
        proofs.extend(gate.clone());
        for verify in verify {
            last.push(self.push(effects::verify(self.view, verify), &proofs));
        }
        if !idle.is_empty() {
            last.extend(gate);
            let untaint = self.push(effects::untaint(&idle, &causes), &last);
            self.barrier = vec![untaint];
        }
        for assign in forget {
            self.push(effects::assign(assign), &[]);
        }
    }

    /// Requests, then resets one after another, each waited for; then the proof that every request took.
    fn partitioning(
        &mut self,
        requests: &[super::unit::Request],
        reset_all: &[SocIdentity],
        scope: crd::kind::ResetScope,
        gate: &[StepId],
        qmonitor: &mut bool,
    ) -> Vec<StepId> {
        if requests.is_empty() {
            return Vec::new();
        }
        let mut ready = gate.to_vec();
        ready.extend(self.qmonitor(requests, qmonitor));
        let mut asked = gate.to_vec();
        for request in requests {
            asked.push(self.push(effects::request(request), &ready));
        }
        let mut waited = Vec::new();
        match scope {
            crd::kind::ResetScope::Host => {
                let reset = self.push(
                    effects::reset(self.view, scope, reset_all, requests),
                    &asked,
                );
                let ready: Vec<SocIdentity> = reset_all
                    .iter()
                    .filter(|soc| effects::was_ready(self.view, soc))
                    .cloned()
                    .collect();
                waited.push(self.push(effects::wait(&ready, requests), &[reset]));
            }
            crd::kind::ResetScope::SoC => {
                for request in requests {
                    let soc = std::slice::from_ref(&request.soc);
                    let alone = std::slice::from_ref(request);
                    let mut after = asked.clone();
                    after.extend(waited.last().cloned());
                    let reset = self.push(effects::reset(self.view, scope, soc, alone), &after);
                    waited.push(self.push(effects::wait(soc, alone), &[reset]));
                }
            }
        }
        let mut verified = Vec::new();
        for setting in [MdpSetting::On, MdpSetting::Off] {
            let asked: Vec<_> = requests
                .iter()
                .filter(|request| request.enable == setting)
                .cloned()
                .collect();
            if !asked.is_empty() {
                verified.push(self.push(effects::verify_mdp(&asked, setting), &waited));
            }
        }
        verified
    }

    /// Requests for what is there already, in place of those that wait for a reset.
    fn withdrawals(
        &mut self,
        withdrawals: &[super::unit::Request],
        gate: &[StepId],
        qmonitor: &mut bool,
    ) -> Vec<StepId> {
        let mut ready = gate.to_vec();
        ready.extend(self.qmonitor(withdrawals, qmonitor));
        let asked = withdrawals.iter();
        asked
            .map(|request| self.push(effects::withdraw(request), &ready))
            .collect()
    }

    /// That all is still as it was, which lets the ledger forget it.
    fn withdrawn(
        &mut self,
        withdrawals: &[super::unit::Request],
        asked: &[StepId],
        partitioned: &[StepId],
    ) -> Vec<StepId> {
        let mut seen = Vec::new();
        for (request, asked) in withdrawals.iter().zip(asked) {
            let mut after = partitioned.to_vec();
            after.push(asked.clone());
            let alone = std::slice::from_ref(request);
            let mut look = effects::verify_mdp(alone, request.enable);
            // It reads so already: were that what the step leaves, nobody would carry it out, and the entry would stay.
            look.step.preconditions.append(&mut look.step.leaves);
            seen.push(self.push(look, &after));
        }
        seen
    }

    /// What a request waits for: qmonitor, where this plan starts it.
    fn qmonitor(&mut self, requests: &[super::unit::Request], stopped: &mut bool) -> Vec<StepId> {
        if requests.is_empty() {
            return Vec::new();
        }
        if std::mem::take(stopped) {
            return vec![self.push(effects::qmonitor(self.view, requests), &[])];
        }
        self.started_qmonitor().into_iter().collect()
    }

    /// Settings in their turns, each turn after the one before.
    fn settings(&mut self, settings: Vec<Draft>) -> Vec<StepId> {
        let mut done: Vec<(u8, StepId)> = Vec::new();
        for draft in settings {
            let turn = turn(&draft);
            let earlier = done.iter().filter(|(other, _)| *other < turn);
            let after: Vec<StepId> = earlier.map(|(_, id)| id.clone()).collect();
            done.push((turn, self.push(draft, &after)));
        }
        done.into_iter().map(|(_, id)| id).collect()
    }

    fn started_qmonitor(&self) -> Option<StepId> {
        self.steps
            .iter()
            .find(|step| step.action == Action::StartQmonitor {})
            .map(|step| step.id.clone())
    }

    fn push(&mut self, draft: Draft, after: &[StepId]) -> StepId {
        let Draft { target, mut step } = draft;
        let base = format!("{}/{}/{target}", self.view.node(), verb(&step.action));
        let mut id = StepId(base.clone());
        let mut copy = 2;
        while self.steps.iter().any(|step| step.id == id) {
            id = StepId(format!("{base}~{copy}"));
            copy += 1;
        }
        let edges: BTreeSet<StepId> = after.iter().chain(&self.barrier).cloned().collect();
        step.id = id.clone();
        step.batch = self.batch;
        step.depends_on = edges.into_iter().collect();
        self.steps.push(step);
        id
    }
}

/// The SoCs that a node's steps free.
pub(super) fn drained(steps: &[Step]) -> BTreeSet<PciAddress> {
    steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Drain { socs, .. } => Some(socs),
            _ => None,
        })
        .flatten()
        .copied()
        .collect()
}
