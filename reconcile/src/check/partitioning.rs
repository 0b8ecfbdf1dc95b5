//! Rules about requests, resets and what must stand around them.
use std::collections::BTreeSet;

use crd::{
    id::{PciAddress, PciPath},
    kind::{MdpMode, ResetScope},
    plan::NodePlan,
    snapshot::{LedgerTarget, PortOwner, SocIdentity, SocStatus},
    step::{Action, MdpSetting, Step},
};

use super::{Findings, machine::Machine, steps};

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    for (at, step) in steps(node) {
        match &step.action {
            Action::Reset { scope, socs } => {
                alone(step, machine, found);
                all_there(step, machine, found);
                reset(node, at, step, (*scope, socs), machine, found);
            }
            Action::RequestMdp { soc, enable } => {
                alone(step, machine, found);
                request(node, at, step, (soc, *enable), machine, found);
            }
            _ => {}
        }
    }
}

/// Nobody else resets SoCs here: a pod that listens where qmonitor does is the vendor's operator's, and so may be whoever
/// cannot be seen there.
fn alone(step: &Step, machine: &Machine<'_>, found: &mut Findings) {
    let owner = machine.snapshot.tools.qmonitor_owner.as_ref();
    let holds = match owner.map(|fact| &fact.value) {
        None | Some(Some(PortOwner::Nobody | PortOwner::Process { .. })) => true,
        Some(Some(PortOwner::Pod { .. }) | None) => false,
    };
    found.expect("SP-C27", step, holds, || {
        "the vendor's operator's agent resets SoCs of this node, or may do so".into()
    });
}

/// Nothing is reset while a SoC is away that left the bus in one of our resets: it would be lost one after the other.
fn all_there(step: &Step, machine: &Machine<'_>, found: &mut Findings) {
    let boot = machine.snapshot.boot_id.get();
    let here: BTreeSet<&PciPath> = (machine.snapshot.functions.iter())
        .map(|function| &function.path)
        .collect();
    let away = machine.snapshot.ledger.lost.iter().any(|lost| {
        boot.is_none_or(|boot| *boot == lost.boot_id)
            && !here.contains(&lost.soc.path)
            && machine.soc_named(lost.soc.serial.as_ref()).is_none()
    });
    found.expect("SP-C28", step, !away, || {
        "a SoC that left the bus in a reset of this boot is not back".into()
    });
}

fn reset(
    node: &NodePlan,
    at: usize,
    step: &Step,
    (scope, socs): (ResetScope, &[SocIdentity]),
    machine: &Machine<'_>,
    found: &mut Findings,
) {
    for soc in socs.iter().map(|soc| soc.address) {
        let drained = drained_before(node, at, soc);
        found.expect("SP-C01", step, !machine.is_foreign_held(soc), || {
            format!("{soc} is held by somebody else")
        });
        found.expect("SP-C01", step, drained || !machine.is_held(soc), || {
            format!("{soc} is held and not drained")
        });
        let status = machine.soc(soc).and_then(|soc| soc.status.get());
        let may = match scope {
            ResetScope::SoC => status == Some(&SocStatus::Ready),
            ResetScope::Host => status.is_some_and(|status| *status != SocStatus::Initializing),
        };
        found.expect("SP-C11", step, may, || format!("{soc} is {status:?}"));
    }
    let asked = |soc: &SocIdentity| {
        node.steps[..at].iter().any(|earlier| {
            earlier.batch == step.batch
                && matches!(&earlier.action, Action::RequestMdp { soc: asked, .. } if asked == soc)
        })
    };
    let purposeful = match scope {
        ResetScope::SoC => socs.iter().all(asked) && socs.len() == 1,
        ResetScope::Host => socs.iter().any(asked),
    };
    found.expect("SP-C09", step, purposeful, || {
        "nothing was asked of what it resets".into()
    });
    // One SoC at a time: what was reset before is Ready again before the next one goes.
    for earlier in node.steps[..at].iter().enumerate() {
        if let Action::Reset { socs: before, .. } = &earlier.1.action {
            let waited = before
                .iter()
                .all(|soc| waits(&node.steps[earlier.0..at], soc));
            found.expect("SP-C09", step, waited, || {
                format!("{} is not waited for before the next reset", earlier.1.id)
            });
        }
    }
}

fn waits(steps: &[Step], soc: &SocIdentity) -> bool {
    steps
        .iter()
        .any(|step| matches!(&step.action, Action::WaitReady { socs, .. } if socs.contains(soc)))
}

/// Whether a SoC is drained before a step, with nothing let onto it since.
fn drained_before(node: &NodePlan, at: usize, soc: PciAddress) -> bool {
    let mut drained = false;
    for step in &node.steps[..at] {
        match &step.action {
            Action::Drain { socs, .. } if socs.contains(&soc) => drained = true,
            Action::Untaint { socs } if socs.contains(&soc) => drained = false,
            _ => {}
        }
    }
    drained
}

/// Whether a step asks for what is there already, to take back a request that waits: that disturbs nobody and needs no
/// reset to be so.
pub(super) fn withdraws(step: &Step, machine: &Machine<'_>) -> bool {
    let Action::RequestMdp { soc, enable } = &step.action else {
        return false;
    };
    let record = step.record.as_ref();
    let removed = record.is_some_and(|record| record.owners.is_empty());
    let now = machine
        .soc(soc.address)
        .and_then(|soc| soc.mdp.get().copied());
    removed && now.is_some_and(|now| enable.is(now))
}

fn request(
    node: &NodePlan,
    at: usize,
    step: &Step,
    (soc, enable): (&SocIdentity, MdpSetting),
    machine: &Machine<'_>,
    found: &mut Findings,
) {
    let now = machine
        .soc(soc.address)
        .and_then(|soc| soc.mdp.get().copied());
    let removed = step
        .record
        .as_ref()
        .is_some_and(|record| record.owners.is_empty());
    let withdraws = withdraws(step, machine);
    let later: Vec<&Step> = node.steps[at..]
        .iter()
        .filter(|later| later.batch == step.batch)
        .collect();
    let reset = later.iter().position(
        |later| matches!(&later.action, Action::Reset { socs, .. } if socs.contains(soc)),
    );
    found.expect("SP-C09", step, withdraws || reset.is_some(), || {
        "no reset makes it take effect".into()
    });
    let after = &later[reset.unwrap_or(0)..];
    let waited = after.iter().position(
        |later| matches!(&later.action, Action::WaitReady { socs, .. } if socs.contains(soc)),
    );
    found.expect("SP-C09", step, withdraws || waited.is_some(), || {
        "nothing waits for its SoC".into()
    });
    let seen = after[waited.unwrap_or(0)..].iter().any(|later| {
        matches!(&later.action, Action::VerifyMdp { socs, enable: seen } if socs.contains(soc) && *seen == enable)
    });
    found.expect("SP-C09", step, seen, || {
        "nothing looks whether it took effect".into()
    });

    found.expect("SP-C13", step, now.is_some(), || {
        "its present setting is unknown".into()
    });
    let entry = machine.entry(|entry| entry.target == LedgerTarget::Mdp { soc: soc.address });
    if removed {
        let recorded =
            entry.is_some_and(|entry| entry.pre_image == (enable == MdpSetting::On).to_string());
        found.expect("SP-C22", step, recorded, || {
            "the ledger recorded something else".into()
        });
        return;
    }
    found.expect("SP-C14", step, machine.is_enforced(soc.address), || {
        format!("no one policy enforces anything on {}", soc.address)
    });
    let policies = machine.policies_of(soc.address);
    let wanted = policies
        .first()
        .and_then(|policy| policy.spec.mdp)
        .map(|mode| match mode {
            MdpMode::Enabled | MdpMode::Groups => MdpSetting::On,
            MdpMode::Disabled => MdpSetting::Off,
        });
    found.expect("SP-C22", step, wanted == Some(enable), || {
        "the policy declares something else".into()
    });
}
