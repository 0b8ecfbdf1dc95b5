//! Rules about order: windows of taint and drain, the budget at every prefix, the engine's order.
use std::collections::BTreeSet;

use crd::{
    id::PciAddress,
    kind::ResetScope,
    plan::NodePlan,
    step::{Action, Step},
};

use super::{Findings, machine::Machine, partitioning, steps};

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    windows(node, machine, found);
    order(node, found);
}

/// SoCs that must be tainted and drained while a step runs.
fn needs_idle(step: &Step) -> Vec<PciAddress> {
    match &step.action {
        Action::Reset { socs, .. } => socs.iter().map(|soc| soc.address).collect(),
        Action::RequestMdp { soc, .. } => vec![soc.address],
        Action::VerifyP2P { members, .. } => members.iter().map(|soc| soc.address).collect(),
        _ => Vec::new(),
    }
}

fn windows(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    let limit = limit(node, machine);
    let mut tainted: BTreeSet<PciAddress> = BTreeSet::new();
    let mut drained: BTreeSet<PciAddress> = BTreeSet::new();
    let mut used: BTreeSet<PciAddress> = BTreeSet::new();
    for (_, step) in steps(node) {
        match &step.action {
            Action::Taint { socs } => {
                let again = socs.iter().any(|soc| tainted.contains(soc));
                found.expect("SP-C12", step, !again && !socs.is_empty(), || {
                    "a SoC is tainted already".into()
                });
                tainted.extend(socs);
                found.expect("SP-C05", step, tainted.len() <= limit, || {
                    format!(
                        "{} SoCs are out of work at once and {limit} may be",
                        tainted.len()
                    )
                });
            }
            Action::Drain { socs, .. } => {
                let closed = socs.iter().all(|soc| tainted.contains(soc));
                found.expect("SP-C08", step, closed, || {
                    "new work may come while it drains".into()
                });
                drained.extend(socs);
            }
            Action::Untaint { socs } => {
                for soc in socs {
                    let was = tainted.remove(soc);
                    found.expect("SP-C12", step, was, || format!("{soc} was not tainted"));
                    let idle = drained.remove(soc);
                    found.expect("SP-C08", step, idle, || format!("{soc} was never drained"));
                }
                let needless = !socs.iter().any(|soc| used.remove(soc));
                found.expect("SP-C12", step, !needless, || {
                    "nothing was disturbed meanwhile".into()
                });
            }
            // Work on a group relies on its ports, so all that is idle now is idle for their restoring.
            Action::RestoreAcs { port, .. } => {
                used.extend(tainted.iter().copied());
                for soc in relying(port.address, machine) {
                    found.expect("SP-C08", step, drained.contains(&soc), || {
                        format!("a worker on {soc} relies on {}", port.address)
                    });
                }
            }
            _ => {
                if partitioning::withdraws(step, machine) {
                    continue;
                }
                for soc in needs_idle(step) {
                    used.insert(soc);
                    let idle = tainted.contains(&soc) && drained.contains(&soc);
                    found.expect("SP-C08", step, idle, || {
                        format!("{soc} is not tainted and drained")
                    });
                }
            }
        }
    }
    if !tainted.is_empty() {
        found.add(
            "SP-C12",
            None,
            format!("{} SoCs of {} stay tainted", tainted.len(), node.node),
        );
    }
}

/// SoCs that a worker of ours holds, of groups that the ledger knows at this port, but for a worker that lies below it whole.
fn relying(port: PciAddress, machine: &Machine<'_>) -> Vec<PciAddress> {
    let sets = machine.snapshot.ledger.groups.iter();
    sets.filter(|record| machine.recorded_ports(&record.members).contains(&port))
        .flat_map(|record| record.members.iter().map(|member| member.address))
        .filter(|soc| {
            machine.soc(*soc).is_some() && machine.is_held(*soc) && !machine.is_foreign_held(*soc)
        })
        .filter(|soc| {
            let workers = &machine.snapshot.workers;
            let here: Vec<_> = workers.iter().filter(|w| w.socs.contains(soc)).collect();
            // One that is not recorded may do anything; the others talk among their own SoCs.
            here.is_empty()
                || here
                    .iter()
                    .any(|w| machine.ports_of(&w.socs).contains(&port))
        })
        .collect()
}

/// SoCs that may be out of work at once: what the policies say, else one group's members and theirs who share a port
/// with it, else one.
fn limit(node: &NodePlan, machine: &Machine<'_>) -> usize {
    let stated = machine
        .policies()
        .iter()
        .filter_map(|policy| policy.spec.rollout.as_ref()?.max_unavailable_socs)
        .min();
    if let Some(stated) = stated {
        return stated as usize;
    }
    let whole = |step: &Step| {
        matches!(
            step.action,
            Action::Reset {
                scope: ResetScope::Host,
                ..
            }
        )
    };
    if node.steps.iter().any(whole) {
        return machine.snapshot.socs.len();
    }
    let known = machine.snapshot.ledger.groups.iter();
    let assigned = node.steps.iter().filter_map(|step| match &step.action {
        Action::AssignGroup { members, .. } => Some(members.as_slice()),
        _ => None,
    });
    let sets: Vec<(BTreeSet<PciAddress>, BTreeSet<PciAddress>)> = known
        .map(|record| record.members.as_slice())
        .chain(assigned)
        .map(|members| {
            let addresses = members.iter().map(|member| member.address).collect();
            (addresses, machine.recorded_ports(members))
        })
        .collect();
    // What one port's restoring may stop: every set that shares a port with this one.
    let together = |ports: &BTreeSet<PciAddress>| {
        let beside = sets.iter().filter(|(_, other)| !other.is_disjoint(ports));
        let socs: BTreeSet<PciAddress> = beside.flat_map(|(socs, _)| socs).copied().collect();
        socs.len()
    };
    let widest = sets
        .iter()
        .map(|(socs, ports)| together(ports).max(socs.len()));
    widest.max().unwrap_or(0).max(1)
}

/// Where a step stands within its batch.
pub(super) fn rank(action: &Action) -> u8 {
    match action {
        Action::AssignGroup { members, .. } if !members.is_empty() => 0,
        Action::Taint { .. } => 1,
        Action::Drain { .. } => 2,
        Action::ClearAcs { .. } | Action::RestoreAcs { .. } => 3,
        Action::StartQmonitor {} => 4,
        Action::RequestMdp { .. } => 5,
        Action::Reset { .. } | Action::WaitReady { .. } => 6,
        Action::VerifyMdp { .. } => 7,
        Action::SetDriver { .. } | Action::SetSysctl { .. } | Action::WriteFile { .. } => 8,
        Action::VerifyP2P { .. } => 9,
        Action::Untaint { .. } => 10,
        Action::AssignGroup { .. } | Action::AssignEntry { .. } => 11,
        Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => u8::MAX,
    }
}

fn order(node: &NodePlan, found: &mut Findings) {
    for pair in node.steps.windows(2) {
        let [before, after] = pair else {
            continue;
        };
        let sorted = before.batch < after.batch
            || before.batch == after.batch && rank(&before.action) <= rank(&after.action);
        found.expect("SP-C10", after, sorted, || {
            format!("it comes after {}", before.id)
        });
    }
    for step in &node.steps {
        found.expect("SP-C10", step, rank(&step.action) != u8::MAX, || {
            "builds and workers have a list of their own".into()
        });
    }
}
