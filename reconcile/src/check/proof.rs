//! The rule that a changed group is proven: after its last change, before work comes back.
use crd::{
    id::{GroupId, PciAddress, Word},
    kind::{MdpMode, VerificationMode},
    plan::NodePlan,
    snapshot::SocStatus,
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
        let reset = node.steps.iter().any(resets) && is_usable(node, &members, machine);
        let worked_on = reset || node.steps.iter().any(|step| formed(step) || relaxes(step));
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

/// Whether nothing that can be seen stands against a set once this plan is through: then its proof is missed.
fn is_usable(node: &NodePlan, members: &[PciAddress], machine: &Machine<'_>) -> bool {
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
        ready && on && plain && machine.is_enforced(*soc) && !machine.is_foreign_held(*soc)
    };
    let relaxed = |port: PciAddress| {
        let known = machine
            .function(port)
            .is_some_and(|function| function.acs.get().is_some());
        let word = word_after(node, port, machine).map_or(0, |(_, word)| word.0);
        known && word & ACS_REDIRECT_MASK == 0
    };
    members.iter().all(fit) && machine.ports_of(members).into_iter().all(relaxed)
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
