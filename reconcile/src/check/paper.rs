//! Rules about what a plan says of itself: causes, inverses, disturbances, records, identities, digests, counts.
use std::collections::BTreeSet;

use crd::{
    id::PciAddress,
    kind::Enforcement,
    plan::{NodePlan, Plan, ReportKind},
    snapshot::{LedgerTarget, SocIdentity},
    step::{Action, DisruptionClass, Inverse, Step, Subject},
};

use super::{Findings, acs, machine::Machine, steps};
use crate::{
    digest::{node_digest, rollout_digest},
    selection::Policy,
};

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    for (_, step) in steps(node) {
        says_why(step, found);
        inverse(step, found);
        expectations(step, found);
        records(step, found);
        governed(step, machine, found);
        settings(step, machine, found);
        identities(step, machine, found);
        disturbance(node, step, machine, found);
    }
    let worst = node
        .steps
        .iter()
        .map(|step| step.disruption.class)
        .max()
        .unwrap_or_default();
    let disruptive = node.steps.iter().any(|step| step.disruption.disruptive);
    if worst != node.disruption || disruptive != node.disruptive {
        found.add(
            "SP-C07",
            None,
            format!("{} is not as disruptive as its steps", node.node),
        );
    }
    if node_digest(&node.steps) != node.digest {
        found.add(
            "SP-C19",
            None,
            format!("the digest of {} is of other steps", node.node),
        );
    }
}

/// What the plan says over all nodes.
pub(super) fn totals(plan: &Plan, found: &mut Findings) {
    if rollout_digest(&plan.nodes) != plan.digest {
        found.add(
            "SP-C19",
            None,
            "the rollout's digest is of other nodes".into(),
        );
    }
    let all = || {
        plan.nodes
            .iter()
            .flat_map(|node| node.steps.iter().chain(&node.work))
    };
    let builds = all()
        .filter(|step| matches!(step.action, Action::Build { .. }))
        .count();
    let resets: usize = all()
        .map(|step| match &step.action {
            Action::Reset { socs, .. } => socs.len(),
            _ => 0,
        })
        .sum();
    let blocked = plan
        .report
        .iter()
        .filter(|line| line.kind == ReportKind::Blocked)
        .count();
    let said = [
        plan.summary.builds,
        plan.summary.resets,
        plan.summary.blocked,
    ];
    let counted = [builds, resets, blocked].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    if said != counted {
        found.add(
            "SP-C20",
            None,
            format!("it counts {said:?} builds, resets and blocked goals of {counted:?}"),
        );
    }
    let runs = builds > 0 || plan.nodes.iter().any(|node| !node.steps.is_empty());
    if plan.applyable != runs {
        found.add(
            "SP-C20",
            None,
            format!("applyable is {} and steps can run: {runs}", plan.applyable),
        );
    }
}

fn is_effect(action: &Action) -> bool {
    match action {
        Action::ClearAcs { .. }
        | Action::RestoreAcs { .. }
        | Action::StartQmonitor {}
        | Action::RequestMdp { .. }
        | Action::Reset { .. }
        | Action::SetDriver { .. }
        | Action::SetSysctl { .. }
        | Action::WriteFile { .. }
        | Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => true,
        Action::Taint { .. }
        | Action::Drain { .. }
        | Action::WaitReady { .. }
        | Action::VerifyMdp { .. }
        | Action::VerifyP2P { .. }
        | Action::Untaint { .. } => false,
    }
}

fn says_why(step: &Step, found: &mut Findings) {
    let said = !step.causes.is_empty() && step.rule.starts_with("SP-R");
    found.expect("SP-C16", step, said, || {
        "it names no cause or no rule".into()
    });
}

fn inverse(step: &Step, found: &mut Findings) {
    let holds = match &step.inverse {
        Inverse::Action { action } => **action != step.action,
        Inverse::NothingChanged => !is_effect(&step.action),
        Inverse::Impossible { why } => !why.is_empty(),
    };
    found.expect("SP-C06", step, holds, || {
        "it is an effect and nothing says how it is undone".into()
    });
}

/// What an effect replaces is expected, what it writes is left.
fn expectations(step: &Step, found: &mut Findings) {
    let expects = |subject: Subject, text: &str| {
        step.preconditions
            .iter()
            .any(|fact| fact.subject == subject && fact.equals == text)
    };
    let leaves = |subject: Subject, text: &str| {
        step.leaves
            .iter()
            .any(|fact| fact.subject == subject && fact.equals == text)
    };
    let holds = match &step.action {
        Action::ClearAcs { port, before, mask } => {
            let subject = Subject::AcsControl { port: port.address };
            let after = crd::id::Word(before.0 & !mask.0).to_string();
            expects(subject.clone(), &before.to_string()) && leaves(subject, &after)
        }
        Action::RestoreAcs {
            port,
            before,
            pre_image,
            mask,
        } => {
            let subject = Subject::AcsControl { port: port.address };
            let after = crd::id::Word((before.0 & !mask.0) | (pre_image.0 & mask.0)).to_string();
            expects(subject.clone(), &before.to_string()) && leaves(subject, &after)
        }
        Action::SetDriver {
            name,
            before,
            after,
        } => {
            let subject = Subject::Driver { name: name.clone() };
            before.is_some_and(|before| expects(subject.clone(), &before.to_string()))
                && leaves(subject, &after.to_string())
        }
        Action::SetSysctl {
            name,
            before,
            after,
        } => {
            let subject = Subject::Sysctl { name: name.clone() };
            before.is_some_and(|before| expects(subject.clone(), &before.to_string()))
                && leaves(subject, &after.to_string())
        }
        Action::Reset { socs, .. } => socs
            .iter()
            .all(|soc| expects(Subject::Held { soc: soc.address }, "free")),
        Action::RequestMdp { soc, .. } => step
            .preconditions
            .iter()
            .any(|fact| fact.subject == Subject::Mdp { soc: soc.address }),
        _ => true,
    };
    found.expect("SP-C23", step, holds, || {
        "it does not expect what it replaces, or leave what it writes".into()
    });
}

fn records(step: &Step, found: &mut Findings) {
    let writes = matches!(
        step.action,
        Action::ClearAcs { .. }
            | Action::RestoreAcs { .. }
            | Action::RequestMdp { .. }
            | Action::SetDriver { .. }
            | Action::SetSysctl { .. }
            | Action::WriteFile { .. }
    );
    let kept = match &step.action {
        Action::ClearAcs { .. } => step
            .record
            .as_ref()
            .is_some_and(|record| !record.owners.is_empty()),
        _ => step.record.is_some(),
    };
    found.expect("SP-C24", step, !writes || kept, || {
        "the ledger would not know for whom it was written".into()
    });
}

/// A step that only takes back what the ledger knows needs no policy; any other does, and one that enforces.
fn governed(step: &Step, machine: &Machine<'_>, found: &mut Findings) {
    found.expect("SP-C14", step, !machine.is_renumbered(), || {
        "the node's cards moved".into()
    });
    let policies = machine.policies();
    let observes = |policy: &&Policy| policy.spec.enforcement == Enforcement::Observe;
    let all_observe = !policies.is_empty() && policies.iter().all(observes);
    found.expect("SP-C14", step, !all_observe, || {
        "every policy of the node only observes".into()
    });
    let builds_up = match &step.action {
        Action::ClearAcs { .. } | Action::VerifyP2P { .. } => true,
        Action::AssignGroup { members, .. } => !members.is_empty(),
        Action::AssignEntry { owners, .. } => !owners.is_empty(),
        Action::RequestMdp { .. }
        | Action::SetDriver { .. }
        | Action::SetSysctl { .. }
        | Action::WriteFile { .. } => step
            .record
            .as_ref()
            .is_some_and(|record| !record.owners.is_empty()),
        _ => false,
    };
    found.expect("SP-C14", step, !builds_up || !policies.is_empty(), || {
        "no policy selects the node".into()
    });
    if let Action::VerifyP2P { members, .. } = &step.action {
        let all = members.iter().all(|soc| machine.is_enforced(soc.address));
        found.expect("SP-C14", step, all, || {
            "a member is not governed, or only observed".into()
        });
    }
}

fn settings(step: &Step, machine: &Machine<'_>, found: &mut Findings) {
    let (target, name, after) = match &step.action {
        Action::SetDriver { name, after, .. } => {
            (LedgerTarget::Driver { name: name.clone() }, name, *after)
        }
        Action::SetSysctl { name, after, .. } => {
            (LedgerTarget::Sysctl { name: name.clone() }, name, *after)
        }
        _ => return,
    };
    let removed = step
        .record
        .as_ref()
        .is_some_and(|record| record.owners.is_empty());
    let right = if removed {
        let entry = machine.entry(|entry| entry.target == target);
        entry.is_some_and(|entry| entry.pre_image == after.to_string())
    } else {
        machine.policies().iter().any(|policy| {
            let seconds = policy
                .spec
                .driver
                .as_ref()
                .and_then(|d| d.control_response_timeout_seconds);
            let count = policy
                .spec
                .host
                .as_ref()
                .and_then(|host| host.max_map_count);
            let declared = match name.as_str() {
                "control_resp_timeout_s" => seconds.map(u64::from),
                "control_resp_timeout" => seconds.map(|seconds| u64::from(seconds) * 1000),
                "vm.max_map_count" => count.map(u64::from),
                _ => None,
            };
            policy.spec.enforcement == Enforcement::Enforce && declared == Some(after)
        })
    };
    found.expect("SP-C22", step, right, || {
        format!("nothing asks for {name} to be {after}")
    });
}

fn identities(step: &Step, machine: &Machine<'_>, found: &mut Findings) {
    let one = |soc: &SocIdentity| machine.identity(soc.address).as_ref() == Some(soc);
    let holds = match &step.action {
        Action::RequestMdp { soc, .. } => one(soc),
        Action::Reset { socs, .. }
        | Action::WaitReady { socs, .. }
        | Action::VerifyMdp { socs, .. } => socs.iter().all(one),
        Action::VerifyP2P { members, .. } | Action::AssignGroup { members, .. } => {
            members.iter().all(one)
        }
        _ => true,
    };
    found.expect("SP-C18", step, holds, || {
        "a SoC is not the one that the snapshot shows there".into()
    });
}

fn disturbance(node: &NodePlan, step: &Step, machine: &Machine<'_>, found: &mut Findings) {
    let said = &step.disruption;
    let names = |socs: &[PciAddress]| socs.iter().all(|soc| said.socs.contains(soc));
    let stopped = |socs: &[PciAddress]| {
        let workers = machine.snapshot.workers.iter();
        workers
            .filter(|worker| worker.socs.iter().any(|soc| socs.contains(soc)))
            .all(|worker| {
                said.workers.contains(&worker.id) && said.class >= DisruptionClass::Worker
            })
    };
    let holds = match &step.action {
        Action::Reset { socs, .. } => {
            let socs: Vec<PciAddress> = socs.iter().map(|soc| soc.address).collect();
            said.class >= DisruptionClass::Device
                && said.disruptive
                && names(&socs)
                && stopped(&socs)
        }
        Action::Drain { socs, .. } => names(socs) && stopped(socs),
        Action::VerifyP2P { members, .. } => {
            let socs: Vec<PciAddress> = members.iter().map(|soc| soc.address).collect();
            names(&socs) && stopped(&socs)
        }
        Action::ClearAcs { port, .. } => {
            let members: BTreeSet<PciAddress> = acs::groups(node, machine)
                .into_iter()
                .filter(|(_, members)| machine.ports_of(members).contains(&port.address))
                .flat_map(|(_, members)| members)
                .collect();
            let joined = acs::joined(port.address, machine);
            let lost: BTreeSet<PciAddress> = joined.difference(&members).copied().collect();
            let target = LedgerTarget::Acs {
                port: port.address,
                path: port.path.clone(),
            };
            let first = machine.entry(|entry| entry.target == target).is_none();
            let neighbours = said.isolation.as_ref().map(|change| &change.neighbours);
            // Members of a set that is blocked may be named too.
            let in_full = |named: &Vec<PciAddress>| {
                let named: BTreeSet<PciAddress> = named.iter().copied().collect();
                lost.is_subset(&named) && named.is_subset(&joined)
            };
            neighbours.is_some_and(in_full)
                && said.class == DisruptionClass::Isolation
                && said.disruptive == first
        }
        _ => true,
    };
    found.expect("SP-C07", step, holds, || {
        "what it disturbs is not named in full".into()
    });
    found.expect(
        "SP-C07",
        step,
        said.disruptive || said.class < DisruptionClass::Worker,
        || format!("class {:?} is disruptive", said.class),
    );
}
