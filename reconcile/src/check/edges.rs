//! The rule about what a step says it waits for: only what comes before it, and all that it relies on.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{PciAddress, StepId},
    plan::NodePlan,
    step::{Action, Step},
};

use super::{Findings, flow::rank};

pub(super) fn read(node: &NodePlan, found: &mut Findings) {
    let mut seen: BTreeMap<&StepId, BTreeSet<&StepId>> = BTreeMap::new();
    for (at, step) in node.steps.iter().enumerate() {
        let earlier = step.depends_on.iter().all(|id| seen.contains_key(id));
        found.expect("SP-C15", step, earlier, || {
            "it depends on a step that has not run".into()
        });
        let of_node = step.id.0.starts_with(&format!("{}/", node.node));
        let own = !seen.contains_key(&step.id) && of_node;
        found.expect("SP-C15", step, own, || "its id is not its own".into());
        // Through however many steps: a reset that waits for a drain waits for the taint before it.
        let mut waits: BTreeSet<&StepId> = step.depends_on.iter().collect();
        for id in &step.depends_on {
            waits.extend(seen.get(id).into_iter().flatten());
        }
        for needed in relies_on(&node.steps[..at], step) {
            found.expect("SP-C15", step, waits.contains(&needed.id), || {
                format!("it does not wait for {}", needed.id)
            });
        }
        seen.insert(&step.id, waits);
    }
}

/// Which of the steps before it a step must not overtake, whatever else is carried out in between.
fn relies_on<'a>(before: &'a [Step], step: &Step) -> Vec<&'a Step> {
    let batch = |other: &&Step| other.batch == step.batch;
    let socs = concerned(&step.action);
    let mut needed: Vec<&Step> = match &step.action {
        Action::Drain { .. } => of_its_socs(before, step, |action| {
            matches!(action, Action::Taint { .. })
        }),
        Action::RequestMdp { .. } => {
            let started = before
                .iter()
                .filter(|other| matches!(other.action, Action::StartQmonitor {}));
            let idle = of_its_socs(before, step, |action| {
                matches!(action, Action::Drain { .. })
            });
            idle.into_iter().chain(started).collect()
        }
        // One after another: a reset begins when the one before it is waited for.
        Action::Reset { .. } => before
            .iter()
            .filter(batch)
            .filter(|other| match &other.action {
                Action::Drain { .. } | Action::RequestMdp { .. } => {
                    !socs.is_disjoint(&concerned(&other.action))
                }
                Action::WaitReady { .. } => true,
                _ => false,
            })
            .collect(),
        Action::WaitReady { .. } => of_its_socs(before, step, |action| {
            matches!(action, Action::Reset { .. })
        }),
        Action::VerifyMdp { .. } => of_its_socs(before, step, |action| {
            matches!(action, Action::WaitReady { .. })
        }),
        // Whatever changed is proven, and work comes back to what was proven.
        Action::VerifyP2P { .. } | Action::Untaint { .. } => {
            let work = rank(&Action::Taint { socs: Vec::new() })..rank(&step.action);
            let done = |other: &&Step| work.contains(&rank(&other.action));
            before.iter().filter(batch).filter(done).collect()
        }
        Action::ClearAcs { .. } | Action::RestoreAcs { .. } => before
            .iter()
            .filter(batch)
            .filter(|other| matches!(other.action, Action::Drain { .. }))
            .collect(),
        _ => Vec::new(),
    };
    // What comes after a batch comes after its SoCs were given back: else two batches are out of work at once.
    let back = before.iter().rev();
    needed.extend(
        back.filter(|other| matches!(other.action, Action::Untaint { .. }))
            .take(1),
    );
    needed
}

/// The steps of its batch before it that share SoCs with it and are of one kind.
fn of_its_socs<'a>(before: &'a [Step], step: &Step, is: impl Fn(&Action) -> bool) -> Vec<&'a Step> {
    let socs = concerned(&step.action);
    let about = |other: &&Step| other.batch == step.batch && is(&other.action);
    let shared = |other: &&Step| !socs.is_disjoint(&concerned(&other.action));
    before.iter().filter(about).filter(shared).collect()
}

/// The SoCs that a step is about.
fn concerned(action: &Action) -> BTreeSet<PciAddress> {
    match action {
        Action::Taint { socs } | Action::Drain { socs, .. } | Action::Untaint { socs } => {
            socs.iter().copied().collect()
        }
        Action::RequestMdp { soc, .. } => BTreeSet::from([soc.address]),
        Action::Reset { socs, .. }
        | Action::WaitReady { socs, .. }
        | Action::VerifyMdp { socs, .. } => socs.iter().map(|soc| soc.address).collect(),
        Action::VerifyP2P { members, .. } => members.iter().map(|soc| soc.address).collect(),
        _ => BTreeSet::new(),
    }
}
