//! The rule that a changed group is proven: after its last change, before work comes back.
use std::collections::BTreeSet;

use crd::{
    id::{GroupId, PciAddress, Word},
    kind::{AcsMode, MdpMode, ResetScope, VerificationMode},
    plan::NodePlan,
    snapshot::{BAR4, SocStatus},
    step::{ACS_REDIRECT_MASK, Action, MdpSetting, Step},
};

use super::{Findings, acs, machine::Machine};

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    for (group, members) in acs::groups(node, machine) {
        let Some(declared) = machine.group(&group.name) else {
            continue;
        };
        let mode = declared
            .spec
            .verification
            .as_ref()
            .map(|verification| verification.mode);
        if mode == Some(VerificationMode::None) || members.len() < 2 {
            continue;
        }
        let ports = machine.ports_of(&members);
        let formed = |step: &Step| matches!(&step.action, Action::AssignGroup { group: formed, members } if *formed == group && !members.is_empty());
        let relaxes = |step: &Step| {
            let owned = step
                .record
                .as_ref()
                .is_some_and(|record| record.owners.contains(&declared.object));
            owned
                && matches!(&step.action, Action::ClearAcs { port, .. } if ports.contains(&port.address))
        };
        let resets = |step: &Step| match &step.action {
            Action::Reset { socs, .. } => socs.iter().any(|soc| members.contains(&soc.address)),
            _ => false,
        };
        let proof = node.steps.iter().rposition(|step| {
            matches!(&step.action, Action::VerifyP2P { group: proven, members: of, .. }
                if *proven == group && of.iter().map(|soc| soc.address).eq(members.iter().copied()))
        });
        // A port may be relaxed for another set of the same group, while this one is blocked.
        let changed = node.steps.iter().any(|step| resets(step) || relaxes(step));
        let idle = |step: &Step| relaxes(step) && is_drained_for(node, step, &members);
        let worked_on = node.steps.iter().any(|step| formed(step) || idle(step))
            || changed && is_usable(node, &group, &members, machine);
        let last_change = node
            .steps
            .iter()
            .rposition(|step| relaxes(step) || resets(step));
        match proof {
            Some(proof) if last_change.is_none_or(|change| change < proof) => {}
            Some(_) => found.add(
                "SP-C17",
                None,
                format!("{group} is changed after it was proven"),
            ),
            None if worked_on && !still_proven(node, &group, &members, machine) => {
                found.add(
                    "SP-C17",
                    None,
                    format!("{group} is changed and never proven"),
                );
            }
            None => {}
        }
    }
}

/// Whether a set's members are drained, not as part of the whole machine, in the batch of a step.
fn is_drained_for(node: &NodePlan, step: &Step, members: &[PciAddress]) -> bool {
    let batch = || node.steps.iter().filter(|other| other.batch == step.batch);
    let whole = batch().any(|other| {
        matches!(
            other.action,
            Action::Reset {
                scope: ResetScope::Host,
                ..
            }
        )
    });
    let drained = |other: &Step| match &other.action {
        Action::Drain { socs, .. } => members.iter().all(|soc| socs.contains(soc)),
        _ => false,
    };
    !whole && batch().any(drained)
}

/// Whether nothing that can be seen stands against a set once this plan is through: then its proof is missed.
fn is_usable(
    node: &NodePlan,
    group: &GroupId,
    members: &[PciAddress],
    machine: &Machine<'_>,
) -> bool {
    let fit = |soc: &PciAddress| {
        let found = machine.soc(*soc);
        let ready = found.is_some_and(|soc| soc.status.get() == Some(&SocStatus::Ready));
        let asked = node.steps.iter().rev().find_map(|step| match &step.action {
            Action::RequestMdp { soc: of, enable } if of.address == *soc => Some(*enable),
            _ => None,
        });
        let on = match asked {
            Some(setting) => setting == MdpSetting::On,
            None => found.and_then(|soc| soc.mdp.get()) == Some(&true),
        };
        let policies = machine.policies_of(*soc);
        let plain = policies.iter().all(|policy| {
            policy.spec.require.is_none() && policy.spec.mdp != Some(MdpMode::Disabled)
        });
        let wide = machine.function(*soc).is_some_and(|function| {
            let bar = function.bar(BAR4);
            bar.is_some_and(|bar| bar.size_kib == 2 << 20)
        });
        let free = !machine.is_foreign_held(*soc) && !machine.is_busy(*soc);
        ready && on && plain && wide && free && machine.is_enforced(*soc)
    };
    let budgets = machine.policies().into_iter();
    let budget = budgets.filter_map(|policy| policy.spec.rollout.as_ref()?.max_unavailable_socs);
    let affordable = budget
        .min()
        .is_none_or(|budget| members.len() <= budget as usize);
    let set: BTreeSet<PciAddress> = members.iter().copied().collect();
    let opens = |port: &PciAddress| {
        let word = machine.control(*port);
        word.is_some_and(|word| word & ACS_REDIRECT_MASK != 0)
    };
    let opened: Vec<PciAddress> = (machine.ports_of(members).into_iter())
        .filter(opens)
        .collect();
    let managed = members
        .iter()
        .flat_map(|soc| machine.policies_of(*soc))
        .all(|policy| {
            let acs = policy.spec.acs.as_ref();
            acs.is_some_and(|acs| acs.mode == AcsMode::Minimal)
        });
    let alone = |port: &PciAddress| acs::untrusted(*port, &set, machine).is_empty();
    let permitted = opened.is_empty()
        || managed && (acs::allows(group, members, machine) || opened.iter().all(alone));
    let relaxed = |port: PciAddress| {
        let known = machine
            .function(port)
            .is_some_and(|function| function.acs.get().is_some());
        let word = word_after(node, port, machine).map_or(0, |(_, word)| word.0);
        known && word & ACS_REDIRECT_MASK == 0
    };
    affordable
        && permitted
        && members.iter().all(fit)
        && machine.ports_of(members).into_iter().all(relaxed)
}

/// A port's word once this plan's relaxations are through.
fn word_after(
    node: &NodePlan,
    port: PciAddress,
    machine: &Machine<'_>,
) -> Option<(PciAddress, Word)> {
    let mut word = machine.control(port)?;
    for step in &node.steps {
        if let Action::ClearAcs {
            port: cleared,
            mask,
            ..
        } = &step.action
            && cleared.address == port
        {
            word &= !mask.0;
        }
    }
    Some((port, Word(word)))
}

/// Whether the ledger's proof is of exactly the state that this plan leaves.
fn still_proven(
    node: &NodePlan,
    group: &GroupId,
    members: &[PciAddress],
    machine: &Machine<'_>,
) -> bool {
    let Some(proof) = machine
        .record(group)
        .and_then(|record| record.verification.as_ref())
    else {
        return false;
    };
    let words: Vec<_> = machine
        .ports_of(members)
        .into_iter()
        .filter_map(|port| word_after(node, port, machine))
        .collect();
    let reset = node.steps.iter().any(|step| {
        matches!(&step.action, Action::Reset { socs, .. } if socs.iter().any(|soc| members.contains(&soc.address)))
    });
    let boot = machine.snapshot.boot_id.get();
    !reset
        && proof.mdp
        && proof.members == members
        && proof.acs == words
        && boot == Some(&proof.boot_id)
}
